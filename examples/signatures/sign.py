"""Signatures of Fast SSE in Python: the standard library is enough.

    SECRET=... python sign.py v1 EVENT_ID EVENT_TYPE
    SECRET=... python sign.py v2 KID SCOPE IAT EXP NONCE EVENT_ID EVENT_TYPE [BODY_FILE]

SECRET is `auth.secret` for v1 and the key of KID for v2. SCOPE is `sub` (no body), `pub` or `batch` (whose EVENT_ID
and EVENT_TYPE are `-`). IAT and EXP are Unix seconds, NONCE is 16 to 64 of A-Z a-z 0-9 _ - and never used twice.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import sys
from pathlib import Path
from urllib.parse import quote


def _hmac(key: bytes, text: str | bytes) -> bytes:
    return hmac.digest(key, text.encode() if isinstance(text, str) else text, "sha256")


def v1(secret: str, event_id: str, event_type: str) -> str:
    """Publishes and subscribes, and never expires."""
    return _hmac(secret.encode(), f"{event_id}:{event_type}").hex()


def v2(
    secret: str,
    kid: str,
    scope: str,
    lifetime: tuple[int, int],
    nonce: str,
    channel: tuple[str, str],
    body: bytes | None = None,
) -> str:
    """One scope, one channel, one body (None: there is none), from `iat` to `exp`."""
    iat, exp = lifetime
    extracted = _hmac(bytes(32), secret.encode())  # HKDF (RFC 5869) with an empty salt ...
    key = _hmac(extracted, f"fast-sse/v2/{scope}\x01")  # ... and one block of output
    digest = "-" if body is None else hashlib.sha256(body).hexdigest()
    place = [quote(segment, safe="") for segment in channel]  # "-._~" stay as they are
    lines = "\n".join(["FSSE2", scope, kid, str(iat), str(exp), *place, digest, nonce])
    mac = base64.urlsafe_b64encode(_hmac(key, lines)).rstrip(b"=").decode()
    return f"v2.{kid}.{scope}.{iat}.{exp}.{nonce}.{mac}"


def main() -> None:
    """Print the signature of what the arguments say."""
    secret, version, *given = os.environ["SECRET"], *sys.argv[1:]
    if version == "v1":
        print(v1(secret, *given))
        return
    kid, scope, iat, exp, nonce, event_id, event_type, *file = given
    body = Path(file[0]).read_bytes() if file else None
    print(v2(secret, kid, scope, (int(iat), int(exp)), nonce, (event_id, event_type), body))


if __name__ == "__main__":
    main()
