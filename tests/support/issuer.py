"""An identity provider of the tests: it signs tokens by hand, right and wrong ones, and shows its keys over https.

Tokens are put together without the library that the hub verifies them with, so that the two cannot be wrong together.
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import hashlib
import hmac
import ipaddress
import json
import ssl
import threading
import time
from collections.abc import Callable
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

ISSUER, AUDIENCE, CLAIM = "https://login.example/shop", "fast-sse", "fast_sse.subscribe"
SECRET = "a-secret-of-the-issuer-0123456789abcdef"

#: Something that signs bytes, as JWS has it (RFC 7518 §3).
Sign = Callable[[bytes], bytes]


def b64(data: bytes) -> str:
    """Base64url without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _int(value: int) -> str:
    return b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


@cache
def rsa_key(name: str = "a", bits: int = 2048) -> rsa.RSAPrivateKey:
    """One of several keys, made once a process: it takes a while."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@cache
def ec_key(name: str = "a") -> ec.EllipticCurvePrivateKey:
    """The same on P-256."""
    return ec.generate_private_key(ec.SECP256R1())


@cache
def ed_key(name: str = "a") -> ed25519.Ed25519PrivateKey:
    """The same on Ed25519."""
    return ed25519.Ed25519PrivateKey.generate()


def by_rsa(key: rsa.RSAPrivateKey) -> Sign:
    """RS256."""
    return lambda data: key.sign(data, padding.PKCS1v15(), hashes.SHA256())


def by_ec(key: ec.EllipticCurvePrivateKey) -> Sign:
    """ES256."""

    def sign(data: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    return sign


def by_secret(secret: bytes | str = SECRET) -> Sign:
    """HS256."""
    raw = secret.encode() if isinstance(secret, str) else secret
    return lambda data: hmac.digest(raw, data, hashlib.sha256)


def pem_of(key: Any) -> str:
    """The public key as PEM."""
    return str(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def jwk_of(key: Any, kid: str | None = None, **more: Any) -> dict[str, Any]:
    """The public key as an entry of a set."""
    named = {} if kid is None else {"kid": kid}
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        return {"kty": "RSA", "n": _int(numbers.n), "e": _int(numbers.e), **named, **more}
    if isinstance(key, ec.EllipticCurvePrivateKey):
        point = key.public_key().public_numbers()
        x, y = (b64(part.to_bytes(32, "big")) for part in (point.x, point.y))
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y, **named, **more}
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {"kty": "OKP", "crv": "Ed25519", "x": b64(raw), **named, **more}


def set_of(*entries: dict[str, Any]) -> bytes:
    """A JSON Web Key Set."""
    return json.dumps({"keys": entries}).encode()


def claims(*channels: str, now: float, **changes: Any) -> dict[str, Any]:
    """What a right token says; a change of None leaves a claim out."""
    right = {"iss": ISSUER, "aud": AUDIENCE, "exp": int(now) + 600, "iat": int(now), CLAIM: list(channels)}
    return {name: value for name, value in {**right, **changes}.items() if value is not None}


def token(said: Any, sign: Sign, alg: str = "RS256", *, kid: Any = None, **header: Any) -> str:
    """A compact token (RFC 7515 §7.1). `said`: the claims, or the raw payload."""
    named = {} if kid is None else {"kid": kid}
    head = b64(json.dumps({"typ": "JWT", "alg": alg, **named, **header}).encode())
    payload = said if isinstance(said, bytes) else json.dumps(said).encode()
    text = f"{head}.{b64(payload)}"
    return f"{text}.{b64(sign(text.encode()))}"


class KeyServer:
    """Shows a set over https, with a certificate of its own authority (`ca`, a PEM file for SSL_CERT_FILE).

    Attributes:
        body, status, headers: of every answer.
        asked: requests so far.
        dribbled: pieces of the answer that never ends.
    """

    def __init__(self, directory: Path) -> None:
        self.dribbled = 0
        self._begin = self._piece = b""
        self.body = b""
        self.status = 200
        self.headers: dict[str, str] = {}
        self.asked = 0
        self.ca = directory / "ca.pem"
        self._answering = threading.Event()
        self._answering.set()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked += 1
                server._answering.wait(20)
                if server._piece:
                    with contextlib.suppress(OSError):
                        server._dribble(self.wfile)
                    return
                self.send_response(server.status)
                for name, value in server.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(server.body)))
                self.end_headers()
                with contextlib.suppress(OSError):  # a client that has seen enough leaves
                    self.wfile.write(server.body)

            def log_message(self, *_given: Any) -> None:
                """Nowhere."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(_certificate(directory, self.ca))
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self._http.server_address[1]}/keys"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def hold(self) -> None:
        """Answer nothing until `release`."""
        self._answering.clear()

    def release(self) -> None:
        """Answer again."""
        self._answering.set()

    def dribble(self, part: str) -> None:
        """From now on never end the `head`, the `interim` answers before it, or the `body`: something of it comes all the time."""
        ok = b"HTTP/1.1 200 OK\r\n"
        self._begin, self._piece = {
            "head": (ok, b"a"),
            "interim": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
            "body": (ok + b"\r\n", b" "),
        }[part]

    def _dribble(self, out: Any) -> None:
        """Pieces until the client leaves, or long after it should have."""
        out.write(self._begin)
        while self.dribbled < 200:
            out.write(self._piece)
            self.dribbled += 1
            time.sleep(0.01)

    def stop(self) -> None:
        """Refuse connections from now on."""
        self.release()
        if self._thread.is_alive():
            self._http.shutdown()
            self._http.server_close()
            self._thread.join()


def _certificate(directory: Path, public: Path) -> Path:
    """A certificate for 127.0.0.1 that is its own authority: the file with its key; `public` gets it without."""
    key, now = ec_key("certificate"), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer of the tests")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(Encoding.PEM)
    public.write_bytes(pem)
    both = directory / "server.pem"
    both.write_bytes(pem + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return both
