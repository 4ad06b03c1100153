"""The doctor's look at the keys of tokens: a hub starts without its issuer, and then takes no token until it has the keys.

An address may hold what is not for others, so a line names its host and port only. What stands in the settings themselves has been
checked with them.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from socket import gaierror
from urllib.error import HTTPError
from urllib.parse import urlsplit

from fast_sse.cli.doctor.findings import Finding
from fast_sse.http.tokens.fetch import DEADLINE_S, FetchError, fetch
from fast_sse.http.tokens.keys import PUBLIC, Key, keys_of_set
from fast_sse.identity import fixed_keys
from fast_sse.settings import Jwt

_NAME = "tokens"
_DISCOVERY = "take jwks_uri from the issuer's /.well-known/openid-configuration"
_OWN_AUTHORITY = "SSL_CERT_FILE names the certificates of an authority of your own"


def tokens(jwt: Jwt, deadline_s: float = DEADLINE_S) -> Iterator[Finding]:
    """The keys that a hub with these settings, which have no problem, would verify tokens with."""
    if jwt.secret is not None:
        yield Finding(_NAME, "green", "auth.jwt.secret, for HS256")
    elif jwt.jwks_url is None:
        holds = "auth.jwt.public_key is" if jwt.public_key is not None else "auth.jwt.jwks holds"
        yield _judged(holds, fixed_keys(jwt))
    else:
        yield _fetched(jwt.jwks_url, jwt.algorithms or PUBLIC, deadline_s)


def _fetched(url: str, allowed: frozenset[str], deadline_s: float) -> Finding:
    place = urlsplit(url).netloc
    try:
        return _judged(f"{place} shows", keys_of_set(fetch(url, deadline_s), allowed))
    except FetchError as error:
        return Finding(_NAME, "red", *_failure(error, place, deadline_s))
    except ValueError as error:
        advice = f"{_DISCOVERY}, and set auth.jwt.algorithms to what the issuer signs with"
        return Finding(_NAME, "red", f"what {place} shows {error}", advice)


def _judged(holds: str, keys: Sequence[Key]) -> Finding:
    algorithms = ", ".join(sorted({name for key in keys for name in key.algorithms}))
    found = f"{holds} {len(keys)} {'key' if len(keys) == 1 else 'keys'}, for {algorithms}"
    nameless = sum(not key.kid for key in keys)
    if not nameless or len(keys) == 1:
        return Finding(_NAME, "green", found)
    found += f"; {nameless} of them {'has' if nameless == 1 else 'have'} no kid"
    return Finding(_NAME, "yellow", found, "give each key of the set a kid: no token can name one without")


def _failure(error: FetchError, place: str, deadline_s: float) -> tuple[str, str]:
    """What kept the set away, and what to do."""
    cause = error.__cause__
    if isinstance(cause, HTTPError):
        return f"{place} answers {cause.code}", _of_status(cause.code)
    reason = getattr(cause, "reason", cause)  # urllib wraps what failed before an answer
    if isinstance(reason, gaierror):
        name = urlsplit(f"//{place}").hostname
        return (
            f"the name {name} is not known here",
            "look at auth.jwt.jwks_url and at the DNS of this machine",
        )
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"the certificate of {place} is not good here: {reason.verify_message}", _OWN_AUTHORITY
    if isinstance(reason, ssl.SSLError):
        return f"no TLS with {place}: {reason.reason}", "auth.jwt.jwks_url must lead to a port of https"
    if isinstance(reason, TimeoutError):
        advice = "let this machine reach it, through a proxy (https_proxy) if need be"
        return f"{place} does not answer within {deadline_s:g} s", advice
    if isinstance(reason, ConnectionRefusedError):
        return f"{place} refuses connections", "look at auth.jwt.jwks_url, or start what should listen there"
    return f"{place}: {error}", _DISCOVERY


def _of_status(code: int) -> str:
    if 300 <= code < 400:
        return "set auth.jwt.jwks_url to where it leads: a hub follows no redirect"
    if code in {401, 403}:
        return "the set must be shown without a login"
    return "ask its operator" if code >= 500 else _DISCOVERY
