"""From the settings of tokens to what reads them: which combinations make sense, and the keys that they name.

Public keys and a secret never go together. Whoever takes both can be shown a token that was signed with the public key as a secret
(CWE-347). Nothing is imported that the extra `jwt` installs unless tokens are set up.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fast_sse.http.api.access import Tokens
from fast_sse.model.secret import weakness
from fast_sse.observe.observer import Observer
from fast_sse.settings import Jwt

_MISSING = "is missing; set auth.jwt.issuer, auth.jwt.audience and one place of keys, or remove auth.jwt"


def token_problems(jwt: Jwt) -> Iterator[tuple[str, str]]:
    """Everything that keeps a hub with these settings from starting: each a key and the end of a sentence."""
    if not jwt.is_on:
        return
    for name in ("issuer", "audience"):
        if getattr(jwt, name) is None:
            yield f"auth.jwt.{name}", _MISSING
    places = jwt.places
    if not places:
        yield "auth.jwt.jwks_url", _MISSING
        return
    if len(places) > 1:
        if jwt.secret is not None:
            yield (
                "auth.jwt.secret",
                f"does not go with public keys (auth.jwt.{places[0]}); remove one of the two",
            )
        else:
            yield f"auth.jwt.{places[1]}", f"and auth.jwt.{places[0]} are both set; remove one of them"
        return
    if flaw := _algorithms_flaw(jwt):
        yield "auth.jwt.algorithms", flaw
        return
    yield from _key_problems(jwt)


def _algorithms_flaw(jwt: Jwt) -> str:
    """What is wrong with the algorithms beside the kind of the keys; empty for nothing."""
    if jwt.algorithms is None:
        return ""
    if not jwt.algorithms:
        return "is empty, and the hub could take no token; name one, or remove this"
    if jwt.secret is None and "HS256" in jwt.algorithms:
        return "names HS256, which is for auth.jwt.secret and never for public keys; remove it"
    if jwt.secret is not None and jwt.algorithms != {"HS256"}:
        return "must be HS256 with auth.jwt.secret"
    return ""


def _key_problems(jwt: Jwt) -> Iterator[tuple[str, str]]:
    """What is wrong with the keys themselves."""
    if jwt.secret is not None and (flaw := weakness(_bytes(jwt.secret))):
        yield "auth.jwt.secret", f"{flaw}; make one with: openssl rand -hex 32"
        return
    try:
        fixed_keys(jwt)
    except ImportError:
        yield "auth.jwt", "needs a library that is not installed: pip install 'fast-sse-hub[jwt]'"
    except ValueError as error:
        yield f"auth.jwt.{jwt.places[0]}", str(error)


def fixed_keys(jwt: Jwt) -> tuple[Any, ...]:
    """The keys that stand in the settings; none where they are fetched. Raises ImportError, ValueError."""
    from fast_sse.http.tokens import keys  # noqa: PLC0415  an extra

    if jwt.secret is not None:
        return (keys.secret_key(_bytes(jwt.secret)),)
    allowed = jwt.algorithms or keys.PUBLIC
    if jwt.public_key is not None:
        return (keys.pem_key(_bytes(jwt.public_key), allowed),)
    return keys.keys_of_set(_bytes(jwt.jwks), allowed) if jwt.jwks is not None else ()


def make_tokens(jwt: Jwt, observer: Observer, earlier: Tokens | None) -> Tokens:
    """What reads tokens by settings that have no problem; needs a running loop where keys are fetched.

    `earlier`: what read them until now. Where keys come from the same address they stay, and are not fetched again.
    """
    from fast_sse.http.tokens.keys import PUBLIC  # noqa: PLC0415  an extra
    from fast_sse.http.tokens.source import FetchedKeys, FixedKeys, KeySource  # noqa: PLC0415
    from fast_sse.http.tokens.verifier import Issuer, Verifier  # noqa: PLC0415

    source: KeySource
    if jwt.jwks_url is None:
        source = FixedKeys(fixed_keys(jwt))
    else:
        place = (jwt.jwks_url, jwt.algorithms or PUBLIC)
        kept = earlier.source if isinstance(earlier, Verifier) else None
        same = isinstance(kept, FetchedKeys) and kept.place == place
        source = kept if same and kept is not None else FetchedKeys(*place, observer)
    issuer = Issuer(
        name=jwt.issuer or "", audience=jwt.audience or "", claim=jwt.claim, leeway_s=jwt.leeway_s
    )
    return Verifier(issuer, source)


def _bytes(secret: Any) -> bytes:
    return bytes(secret.get_secret_value().encode())
