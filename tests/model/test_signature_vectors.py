"""The published vectors say what the code does, and a second implementation agrees with every MAC in them."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.model.make_signature_vectors import document
from tests.support.programs import need

from fast_sse.model.channel import Channel
from fast_sse.model.errors import FastSseError
from fast_sse.model.signature import Keyring, derive_key, sign_v1, sign_v2, verify

PATH = Path(__file__).parents[2] / "docs" / "signature-vectors.json"
PUBLISHED: dict[str, Any] = json.loads(PATH.read_text("utf-8"))
VECTORS: list[dict[str, Any]] = PUBLISHED["vectors"]
GRANTED = [vector for vector in VECTORS if vector["expect"] == "granted"]

every_vector = pytest.mark.parametrize("vector", VECTORS, ids=[vector["why"] for vector in VECTORS])
granted_vectors = pytest.mark.parametrize("vector", GRANTED, ids=[vector["why"] for vector in GRANTED])


def keyring(vector: dict[str, Any]) -> Keyring:
    """The vector's secrets as the hub holds them."""
    fields = dict(PUBLISHED["keyrings"][vector["keyring"]])
    mode, keys = fields.pop("v1"), fields.pop("keys")
    secrets = {name: text.encode() for name, text in fields.items()}
    return Keyring(v1=mode, keys={kid: text.encode() for kid, text in keys.items()}, **secrets)


def body(vector: dict[str, Any]) -> bytes | None:
    """The vector's body as sent."""
    text = vector["body"]
    return None if text is None else str(text).encode()


@every_vector
def test_the_hub_answers_as_published(vector):
    """Every published vector is granted or refused with the status it names."""
    channels = [Channel(*pair) for pair in vector["channels"]]
    try:
        verify(
            vector["signature"],
            vector["scope"],
            channels,
            body=body(vector),
            now=vector["now"],
            keyring=keyring(vector),
        )
        answer: object = "granted"
    except FastSseError as error:
        answer = error.status
    assert answer == vector["expect"]


def hmac_from_scratch(key: bytes, message: bytes) -> bytes:
    """RFC 2104 with SHA-256, written from its text."""
    if len(key) > 64:
        key = hashlib.sha256(key).digest()
    key = key.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key) + message).digest()
    return hashlib.sha256(bytes(byte ^ 0x5C for byte in key) + inner).digest()


def hkdf_from_scratch(secret: bytes, info: bytes, length: int, salt: bytes = b"") -> bytes:
    """RFC 5869 with SHA-256, written from its text."""
    pseudo_random_key = hmac_from_scratch(salt or bytes(32), secret)
    output = block = b""
    for count in range(1, length // 32 + 2):
        block = hmac_from_scratch(pseudo_random_key, block + info + bytes([count]))
        output += block
    return output[:length]


def pct_from_scratch(segment: str) -> str:
    """RFC 3986: unreserved characters stay, every other byte of UTF-8 is %XX."""
    unreserved = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
    return "".join(chr(byte) if byte in unreserved else f"%{byte:02X}" for byte in segment.encode())


def string_to_sign_from_scratch(vector: dict[str, Any]) -> str:
    """What a client in another language would sign for this request."""
    channels = [tuple(pair) for pair in vector["channels"]]
    if not vector["signature"].startswith("v2"):
        return ":".join(channels[0])
    _, kid, scope, iat, exp, nonce, _ = vector["signature"].split(".")
    pairs = sorted({f"{pct_from_scratch(a)}/{pct_from_scratch(b)}".encode() for a, b in channels})
    if scope == "batch":
        target = ["-", "-"]
    elif len(pairs) == 1:
        target = pairs[0].decode().split("/")
    else:
        target = [hashlib.sha256(b"\n".join(pairs)).hexdigest(), "-"]
    sent = body(vector)
    body_line = "-" if sent is None else hashlib.sha256(sent).hexdigest()
    return "\n".join(["FSSE2", scope, kid, iat, exp, *target, body_line, nonce])


def secrets_of(vector: dict[str, Any]) -> list[bytes]:
    """The keys that may have made this vector's MAC."""
    ring = keyring(vector)
    if vector["signature"].startswith("v2"):
        _, kid, scope, *_ = vector["signature"].split(".")
        return [hkdf_from_scratch(ring.keys[kid], f"fast-sse/v2/{scope}".encode(), 32)]
    if vector["scope"] == "pub" and ring.publish_secret:
        return [ring.publish_secret, ring.publish_secret_previous]
    return [ring.secret, ring.secret_previous]


def written(vector: dict[str, Any], mac: bytes) -> str:
    """A MAC as the signature writes it."""
    if vector["signature"].startswith("v2"):
        return base64.b64encode(mac, altchars=b"-_").decode().rstrip("=")
    return "".join(f"{byte:02x}" for byte in mac)


@granted_vectors
def test_a_second_implementation_agrees(vector):
    """What is granted can be computed from the public description alone: string, key, MAC and spelling."""
    text = string_to_sign_from_scratch(vector)
    assert text == vector["string_to_sign"]
    macs = [written(vector, hmac_from_scratch(key, text.encode())) for key in secrets_of(vector)]
    assert vector["signature"].rpartition(".")[2] in macs


def test_openssl_agrees():
    """A third implementation, which nobody here wrote, computes the same MACs."""
    need("openssl")
    for vector in (GRANTED[0], next(v for v in GRANTED if v["signature"].startswith("v2"))):
        key = f"hexkey:{secrets_of(vector)[0].hex()}"
        command = ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", key, "-binary"]
        result = subprocess.run(
            command, input=vector["string_to_sign"].encode(), capture_output=True, check=True
        )
        assert written(vector, result.stdout) == vector["signature"].rpartition(".")[2]


def test_hkdf_is_rfc_5869():
    """The second implementation passes the RFC's own vectors A.1 and A.3, and `derive_key` agrees with it."""
    secret = bytes([0x0B] * 22)
    a1 = hkdf_from_scratch(secret, bytes(range(0xF0, 0xFA)), 42, bytes(range(13)))
    assert a1.hex().startswith("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208")
    a3 = hkdf_from_scratch(secret, b"", 42)
    assert a3.hex().startswith("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395")
    assert derive_key(secret, "pub") == hkdf_from_scratch(secret, b"fast-sse/v2/pub", 32)


@granted_vectors
def test_our_own_tools_sign_the_same(vector):
    """`sign_v1` and `sign_v2` produce the published signatures."""
    channels = [Channel(*pair) for pair in vector["channels"]]
    signature, ring = vector["signature"], keyring(vector)
    if not signature.startswith("v2"):
        secrets = [ring.secret, ring.secret_previous, ring.publish_secret, ring.publish_secret_previous]
        assert signature in [sign_v1(secret, channels[0]) for secret in secrets if secret]
        return
    _, kid, scope, iat, exp, nonce, _ = signature.split(".")
    times = {"iat": int(iat), "exp": int(exp)}
    assert sign_v2(ring.keys[kid], kid, scope, channels, body=body(vector), **times, nonce=nonce) == signature


def test_the_published_file_is_the_generated_one():
    """The file in docs/ is what the generator writes: nobody edits a vector by hand."""
    assert PATH.read_text("utf-8") == document()


def test_there_are_vectors_of_every_kind():
    """Both schemes, all scopes and all three answers are there; a check without members would prove nothing."""
    kinds = {(vector["signature"][:2] == "v2", vector["scope"]) for vector in GRANTED}
    assert kinds == {(False, "sub"), (False, "pub"), (True, "sub"), (True, "pub"), (True, "batch")}
    assert {vector["expect"] for vector in VECTORS} == {"granted", 401, 403}
    assert len({vector["why"] for vector in VECTORS}) == len(VECTORS) >= 24
