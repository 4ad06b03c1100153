"""Keys that tokens are verified with, each with the algorithms that it is for.

A token says how it was signed, and a verifier that believes it can be told to take a public key for a secret (CWE-347). So a
key here has its algorithms from its kind and from the settings, and a token is only compared with them. A set holds public
keys: whatever else stands in one is passed over.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from typing import Any

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from jwt import PyJWK
from jwt.exceptions import PyJWTError

#: Taken unless a setting names others.
PUBLIC = frozenset({"RS256", "ES256", "EdDSA"})
SECRET = frozenset({"HS256"})

_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_EVERY = _RSA | frozenset(_CURVES.values()) | {"EdDSA"}
_RSA_BITS_MIN = 2048
_KEYS_MAX = 100
#: What of an entry makes its key (RFC 7518 §6, RFC 8037 §2): a private part that stands there by mistake is never read.
_MEMBERS = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}


class Key(msgspec.Struct, frozen=True):
    """One key.

    Attributes:
        material: as PyJWT takes it.
        algorithms: that it is for, and that are allowed.
        kid: its name in its set; empty for none.
        mark: tells keys apart, without being one.
    """

    material: Any
    algorithms: frozenset[str]
    kid: str = ""
    mark: str = ""


def secret_key(secret: bytes) -> Key:
    """The key of a secret. Raises ValueError for one that is the text of a public key."""
    if b"-----BEGIN" in secret or secret.lstrip()[:4] == b"ssh-":
        raise ValueError("is a public key, which everybody can know; set auth.jwt.public_key to it")
    return Key(
        secret, SECRET, mark=hashlib.blake2b(secret, digest_size=8, person=b"fast-sse token").hexdigest()
    )


def pem_key(pem: bytes, allowed: Collection[str]) -> Key:
    """The key of a PEM text. Raises ValueError: it is no public key, or one that is too weak or of another kind."""
    try:
        material = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("must be a public key in PEM") from error
    key = _key(material, allowed)
    if key is None:
        raise ValueError("is too weak, or is not for auth.jwt.algorithms; use another key")
    return key


def keys_of_set(text: bytes, allowed: Collection[str]) -> tuple[Key, ...]:
    """The usable keys of a JSON Web Key Set (RFC 7517). Raises ValueError: it is no such set, or has none."""
    try:
        listed = json.loads(text)["keys"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError("is not a JSON Web Key Set") from error
    if not isinstance(listed, list) or len(listed) > _KEYS_MAX:
        raise ValueError(f"is not a list of at most {_KEYS_MAX} keys")
    found = tuple(key for entry in listed if (key := _entry(entry, allowed)) is not None)
    if not found:
        raise ValueError(_lack(listed, allowed))
    return found


def _lack(listed: list[Any], allowed: Collection[str]) -> str:
    """What a set without a usable key has in place of one."""
    if not listed:
        return "has no public key: it is empty"
    others = {name for entry in listed if (key := _entry(entry, _EVERY)) for name in key.algorithms}
    if not others:
        return "has no public key for signatures: RSA of 2048 bits or more, P-256, P-384, P-521 or Ed25519"
    wanted, there = ", ".join(sorted(allowed)), ", ".join(sorted(others))
    return f"has no public key for auth.jwt.algorithms ({wanted}); its keys are for {there}"


def _entry(entry: Any, allowed: Collection[str]) -> Key | None:
    """One key of a set; None for what is not for signatures, or not for us."""
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
        return None
    kind, kid, said = entry.get("kty"), entry.get("kid", ""), entry.get("alg")
    operations = entry.get("key_ops", ["verify"])
    if not all(isinstance(one, str) for one in (kind, kid, "" if said is None else said)):
        return None
    if kind not in _MEMBERS or not isinstance(operations, list) or "verify" not in operations:
        return None
    public = {name: entry[name] for name in _MEMBERS[kind] if name in entry}
    try:
        material = PyJWK({"kty": kind, **public}).key
    except (PyJWTError, ValueError, TypeError):
        return None
    return _key(material, allowed if said is None else {said} & set(allowed), kid)


def _key(material: Any, allowed: Collection[str], kid: str = "") -> Key | None:
    """None for a key that is too weak, or for none of the algorithms."""
    algorithms = _algorithms(material) & frozenset(allowed)
    if not algorithms:
        return None
    der = material.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Key(material, algorithms, kid, hashlib.sha256(der).hexdigest()[:16])


def _algorithms(material: Any) -> frozenset[str]:
    if isinstance(material, RSAPublicKey):
        return _RSA if material.key_size >= _RSA_BITS_MIN else frozenset()
    if isinstance(material, EllipticCurvePublicKey):
        return frozenset({_CURVES.get(material.curve.name, "")}) - {""}
    return frozenset({"EdDSA"}) if isinstance(material, Ed25519PublicKey) else frozenset()
