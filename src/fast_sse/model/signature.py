"""Who may publish and who may listen: two signature formats, checked against a keyring.

    v1   64 lowercase hex digits: HMAC-SHA256(secret, event_id ":" event_type)
    v2   v2.<kid>.<scope>.<iat>.<exp>.<nonce>.<mac>
         mac = base64url(HMAC-SHA256(HKDF-SHA256(keys[kid], "fast-sse/v2/" + scope), lines)), unpadded
         lines, joined by LF: FSSE2, scope, kid, iat, exp, pct(event_id), pct(event_type),
         hex sha256 of the body as sent or "-", nonce

v1 cannot tell publishing from subscribing and never expires; the keyring's `v1` mode and its own publish
secret bound the damage. In v2 the scope is part of the key, so no MAC of one scope is one of another.

Rules and their reasons:
- What is signed is the *decoded* channel, the same value that is routed and stored (CWE-174).
- No two requests share a string to sign. v1 joins by ":", so it is refused when a segment holds one
  (CVE-2026-39972 is the same flaw). In v2 a list of channels is written as (64 hex digits, "-"); the one
  single channel that could be spelt the same is refused.
- One spelling only: lowercase hex, decimals without leading zeros, base64url compared as text. MACs are
  compared as bytes in constant time; a non-ASCII str would make `compare_digest` raise.
- 401 is one answer for all that is missing, wrong, unknown or out of its time; 403 needs a right MAC, and so does
  the word that a subscribe signature has run out. Which it was, the error's `reason` says to operators alone.
- Clocks differ by at most 60 s: `iat` may lie that far ahead, and `exp` that far back. A nonce must therefore
  be remembered until exp + 60 s. `Grant.expires_at` is `exp` itself, and a stream ends then.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NoReturn, cast
from urllib.parse import quote

import msgspec

from fast_sse.model.channel import Channel
from fast_sse.model.errors import BadChannelError, ForbiddenError, GrantEndedError, UnauthorizedError

Scope = Literal["pub", "sub", "batch"]

#: Seconds that two clocks may differ.
SKEW_S = 60
#: Seconds between `iat` and `exp` at most.
LIFETIME_S_MAX: dict[Scope, int] = {"pub": 300, "batch": 300, "sub": 3600}

_V1 = re.compile(r"[0-9a-f]{64}\Z")
_V2 = re.compile(
    r"v2\.([A-Za-z0-9_-]{1,32})\.(pub|sub|batch)\.(0|[1-9][0-9]{0,11})\.(0|[1-9][0-9]{0,11})"
    r"\.([A-Za-z0-9_-]{16,64})\.([A-Za-z0-9_-]{43})\Z"
)
_KID = re.compile(r"[A-Za-z0-9_-]{1,32}\Z")
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}\Z")
_SHA256_HEX = re.compile(r"[0-9a-f]{64}\Z")
_REFUSAL = "missing, wrong or expired signature"
# An unknown kid is checked against this, so that it takes as long as a known one.
_NOBODY = b"no key has this value, and nothing is ever granted by it"


class Keyring(msgspec.Struct, frozen=True, kw_only=True):
    """All secrets of a hub; `b""` is absent.

    Attributes:
        v1: which actions v1 signatures allow.
        secret: signs v1; publishing too while `publish_secret` is absent.
        secret_previous: also verifies what `secret` does, during a rotation.
        publish_secret: when set, the only secret (with its previous) that a v1 publish verifies under.
        publish_secret_previous: counts only while `publish_secret` is set.
        keys: v2 secrets by kid; all verify.
        signing_kid: the kid that our own tools sign with.
    """

    v1: Literal["both", "subscribe", "off"] = "both"
    secret: bytes = b""
    secret_previous: bytes = b""
    publish_secret: bytes = b""
    publish_secret_previous: bytes = b""
    keys: dict[str, bytes] = {}
    signing_kid: str = ""


class Grant(msgspec.Struct, frozen=True, gc=False):
    """What a verified signature allows.

    Attributes:
        scheme: `v1` or `v2`; `jwt` for a token; `app` for the word of the application around the hub.
        principal: owner of idempotency keys: `v1`, or the kid up to its first `-`, so that keys rotate.
        kid: of v2 only.
        expires_at: `exp` in seconds since the epoch; None for v1, which never expires.
        nonce: of v2 only.
        secret_mark: tells which secret verified it, without being it.
    """

    scope: Scope
    scheme: Literal["v1", "v2", "jwt", "app"]
    principal: str
    kid: str = ""
    expires_at: float | None = None
    nonce: str = ""
    secret_mark: str = ""


def still_stands(grant: Grant, keyring: Keyring) -> bool:
    """Whether the secret that verified a grant verifies in this keyring too, and v1 still allows what it did."""
    if grant.scheme == "v2":
        secret = keyring.keys.get(grant.kid)
        return bool(secret) and grant.secret_mark == _mark(secret)
    if not _v1_allows(keyring, grant.scope):
        return False
    return any(secret and grant.secret_mark == _mark(secret) for secret in _v1_secrets(keyring, grant.scope))


def verify(
    signature: str,
    scope: Scope,
    channels: Sequence[Channel],
    *,
    body: bytes | None,
    now: float,
    keyring: Keyring,
) -> Grant:
    """Check a signature for `scope` on `channels` (none for a batch) and return what it grants.

    Args:
        signature: as presented; anything at all, since it comes from outside.
        scope: what the request wants to do.
        channels: the decoded channels of the request; order and repetition do not matter.
        body: the request body as sent (before inflating), or None for a request without one.
        now: seconds since the epoch.
        keyring: the secrets of this moment.

    Raises:
        UnauthorizedError: missing, malformed, wrong, unknown, expired or ambiguous.
        GrantEndedError: of these, a v2 `sub` signature presented for `sub` that is right in all but its end.
        ForbiddenError: a right signature of another scope, or a v1 signature for what v1 may not do.
    """
    if _V1.match(signature):
        return _verify_v1(signature, scope, channels, keyring)
    return _verify_v2(signature, scope, channels, body, now, keyring)


def awaits_body(signature: str, *, now: float, keyring: Keyring) -> bool:
    """Whether only the body can show if a signature is right: one of v2 to publish, of a known kid and in its time.

    For any other one `verify` needs no body. Raises UnauthorizedError when no body can make it right. A kid is no secret:
    it stands in every signature.
    """
    if _V1.match(signature):
        return False
    parts = _V2.match(signature)
    if parts is None:
        _refuse("malformed" if signature else "missing")
    kid, scope, iat, exp, _nonce, _mac_text = parts.groups()
    if scope == "sub":
        return False
    if not keyring.keys.get(kid):
        _refuse("unknown_kid")
    if _has_ended(cast("Scope", scope), int(iat), int(exp), now):
        _refuse("expired")
    return True


def claimed_scope(signature: str) -> str:
    """The scope that a v2 signature says it has, right or not; empty when it is none."""
    parts = _V2.match(signature)
    return parts[2] if parts is not None else ""


def sign_v1(secret: bytes, channel: Channel) -> str:
    """The v1 signature of a channel.

    Raises:
        BadChannelError: a segment holds ":", which v1 cannot sign.
    """
    text = _v1_text(channel)
    if text.count(b":") != 1:
        raise BadChannelError("a v1 signature cannot name a segment that holds ':'")
    return _v1_mac(secret, text).hex()


def sign_v2(
    secret: bytes,
    kid: str,
    scope: Scope,
    channels: Sequence[Channel],
    *,
    body: bytes | None,
    iat: int,
    exp: int,
    nonce: str,
) -> str:
    """The v2 signature of a request; arguments as in `verify`.

    Raises:
        ValueError: a kid, nonce, time or number of channels that no verifier would accept.
        BadChannelError: the one channel that cannot be told from a list.
    """
    if not _KID.match(kid) or not _NONCE.match(nonce):
        raise ValueError("kid must be 1 to 32, nonce 16 to 64 of A-Z a-z 0-9 _ -")
    if not 0 <= iat < exp <= iat + LIFETIME_S_MAX[scope]:
        raise ValueError(f"exp must follow iat by at most {LIFETIME_S_MAX[scope]} s for {scope}")
    target = _target(scope, channels)
    if target is None:
        raise ValueError(f"{len(channels)} channels cannot be signed for {scope}")
    lines = _lines(scope, kid, str(iat), str(exp), target, body, nonce)
    return f"v2.{kid}.{scope}.{iat}.{exp}.{nonce}.{_mac(secret, scope, lines).decode()}"


def _verify_v1(signature: str, scope: Scope, channels: Sequence[Channel], keyring: Keyring) -> Grant:
    if scope == "batch" or len(channels) != 1:
        _refuse("v1")
    text = _v1_text(channels[0])
    if text.count(b":") != 1:
        _refuse("channel")
    mac = bytes.fromhex(signature)
    for secret in _v1_secrets(keyring, scope):
        # An absent secret is skipped: anybody can compute a MAC under an empty key.
        if secret and hmac.compare_digest(_v1_mac(secret, text), mac):
            break
    else:
        _refuse("wrong" if any(_v1_secrets(keyring, scope)) else "no_secret")
    if not _v1_allows(keyring, scope):
        raise ForbiddenError("v1 signatures do not allow this here", reason="v1")
    return _v1_grant(scope, secret)


def _v1_secrets(keyring: Keyring, scope: Scope) -> tuple[bytes, bytes]:
    if scope == "pub" and keyring.publish_secret:
        return keyring.publish_secret, keyring.publish_secret_previous
    return keyring.secret, keyring.secret_previous


def _v1_allows(keyring: Keyring, scope: Scope) -> bool:
    return keyring.v1 == "both" or (keyring.v1 == "subscribe" and scope != "pub")


@lru_cache(maxsize=64)
def _v1_grant(scope: Scope, secret: bytes) -> Grant:
    return Grant(scope, "v1", "v1", secret_mark=_mark(secret))


@lru_cache(maxsize=64)
def _mark(secret: bytes) -> str:
    """Enough of a hash to tell secrets of one keyring apart; not enough to try secrets against (they are long)."""
    return hashlib.blake2b(secret, digest_size=8, person=b"fast-sse mark").hexdigest()


def _v1_text(channel: Channel) -> bytes:
    return f"{channel[0]}:{channel[1]}".encode()


def _v1_mac(secret: bytes, text: bytes) -> bytes:
    mac = _keyed(secret).copy()
    mac.update(text)
    return mac.digest()


@lru_cache(maxsize=64)
def _keyed(secret: bytes) -> hmac.HMAC:
    """An HMAC that has read its key: copying it takes half as long as keying a new one, at every publish."""
    return hmac.new(secret, digestmod="sha256")


def _verify_v2(
    signature: str,
    scope: Scope,
    channels: Sequence[Channel],
    body: bytes | None,
    now: float,
    keyring: Keyring,
) -> Grant:
    parts = _V2.match(signature)
    if parts is None:
        _refuse("malformed" if signature else "missing")
    kid, scope_text, iat, exp, nonce, mac = parts.groups()
    signed_scope = cast("Scope", scope_text)
    ended = _has_ended(signed_scope, int(iat), int(exp), now)
    if ended and not signed_scope == scope == "sub":
        _refuse("expired")
    try:
        target = _target(signed_scope, channels)
    except BadChannelError:
        target = None
    if target is None:
        _refuse("channel")
    # A subscribe signature covers no body: shown with a publish it is right, and forbidden.
    covered = None if signed_scope == "sub" != scope else body
    lines = _lines(signed_scope, kid, iat, exp, target, covered, nonce)
    right = hmac.compare_digest(_mac(keyring.keys.get(kid) or _NOBODY, signed_scope, lines), mac.encode())
    if not right or not keyring.keys.get(kid):
        _refuse("wrong" if keyring.keys.get(kid) else "unknown_kid")
    if signed_scope != scope:
        raise ForbiddenError(f"the signature is for {signed_scope}, not for {scope}", reason="scope")
    if ended:
        raise GrantEndedError(_REFUSAL, reason="expired")
    return Grant(scope, "v2", kid.partition("-")[0], kid, float(exp), nonce, _mark(keyring.keys[kid]))


def _has_ended(scope: Scope, iat: int, exp: int, now: float) -> bool:
    """Whether a signature's time is over. Raises UnauthorizedError when it never was one, or has not come yet."""
    if not iat < exp <= iat + LIFETIME_S_MAX[scope]:
        _refuse("lifetime")
    if not iat - SKEW_S <= now:
        _refuse("not_yet")
    return not now < exp + SKEW_S


def _refuse(reason: str) -> NoReturn:
    raise UnauthorizedError(_REFUSAL, reason=reason)


def _target(scope: Scope, channels: Sequence[Channel]) -> tuple[str, str] | None:
    """The id and type lines, or None when this scope cannot be for so many channels."""
    if scope == "batch":
        return "-", "-"
    distinct = {(_pct(channel[0]), _pct(channel[1])) for channel in channels}
    if not distinct or (len(distinct) > 1 and scope == "pub"):
        return None
    if len(distinct) > 1:
        listed = "\n".join(sorted(f"{event_id}/{event_type}" for event_id, event_type in distinct))
        return hashlib.sha256(listed.encode()).hexdigest(), "-"
    target = distinct.pop()
    if target[1] == "-" and _SHA256_HEX.match(target[0]):
        raise BadChannelError("this channel's signature could stand for a list of channels; rename it")
    return target


@lru_cache(maxsize=1024)
def _pct(segment: str) -> str:
    """RFC 3986 percent-encoding of everything but the unreserved characters, upper-case hex."""
    return quote(segment, safe="")


def _lines(
    scope: str, kid: str, iat: str, exp: str, target: tuple[str, str], body: bytes | None, nonce: str
) -> bytes:
    body_hash = "-" if body is None else hashlib.sha256(body).hexdigest()
    return "\n".join(("FSSE2", scope, kid, iat, exp, *target, body_hash, nonce)).encode()


def _mac(secret: bytes, scope: str, lines: bytes) -> bytes:
    return urlsafe_b64encode(hmac.digest(derive_key(secret, scope), lines, "sha256")).rstrip(b"=")


@lru_cache(maxsize=256)
def derive_key(secret: bytes, scope: str) -> bytes:
    """The MAC key of a scope: HKDF-SHA256 (RFC 5869), empty salt, 32 bytes, info `fast-sse/v2/<scope>`."""
    extracted = hmac.digest(bytes(32), secret, "sha256")
    return hmac.digest(extracted, f"fast-sse/v2/{scope}".encode() + b"\x01", "sha256")
