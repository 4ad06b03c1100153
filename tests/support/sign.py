"""Signatures made from the public description alone, so that the hub's own code is not its own judge.

v1 is the original's; v2 is a MAC over nine lines, under a key derived for one scope.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import time
from base64 import urlsafe_b64encode
from urllib.parse import quote

SECRET = "an-original-secret-of-more-than-32-bytes"
KID = "t1"
KEY = "a-version-2-key-that-is-long-enough-too"

_nonces = itertools.count()


def pct(text: str) -> str:
    """RFC 3986, unreserved characters only."""
    return quote(text, safe="-._~")


def v1(event_id: str, event_type: str, *, secret: str = SECRET) -> str:
    """The original's signature: lowercase hex HMAC-SHA256 of `event_id:event_type`."""
    return hmac.digest(secret.encode(), f"{event_id}:{event_type}".encode(), "sha256").hex()


def fresh_nonce() -> str:
    """Never the same twice, in this process or in another."""
    return f"n{time.time_ns():x}-{next(_nonces):06d}-test"


def v2(
    scope: str,
    event_id: str = "-",
    event_type: str = "-",
    *,
    body: bytes | None = None,
    now: float | None = None,
    lives_s: int = 60,
    nonce: str | None = None,
    kid: str = KID,
    key: str = KEY,
) -> str:
    """A version 2 signature; `now` is when it is issued, in Unix seconds."""
    iat = int(time.time() if now is None else now)
    exp = iat + lives_s
    nonce = fresh_nonce() if nonce is None else nonce
    body_line = "-" if body is None else hashlib.sha256(body).hexdigest()
    place = [line if line == "-" else pct(line) for line in (event_id, event_type)]
    text = "\n".join(["FSSE2", scope, kid, str(iat), str(exp), *place, body_line, nonce])
    mac = hmac.digest(_derive(key, scope), text.encode(), "sha256")
    return f"v2.{kid}.{scope}.{iat}.{exp}.{nonce}.{urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def several(channels: list[tuple[str, str]]) -> str:
    """The id line of a signature for several channels; its type line is `-`."""
    lines = sorted({f"{pct(event_id)}/{pct(event_type)}".encode() for event_id, event_type in channels})
    return hashlib.sha256(b"\n".join(lines)).hexdigest()


def _derive(key: str, scope: str) -> bytes:
    """HKDF-SHA256 (RFC 5869), empty salt, one block."""
    extracted = hmac.digest(bytes(32), key.encode(), "sha256")
    return hmac.digest(extracted, f"fast-sse/v2/{scope}".encode() + b"\x01", "sha256")
