"""Keys of tokens: each has its algorithms from what it is, and what is no public key for signatures is not among them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.support.issuer import b64, ec_key, ed_key, jwk_of, pem_of, rsa_key, set_of

from fast_sse.http.tokens.keys import PUBLIC, keys_of_set, pem_key, secret_key

EVERY = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256"}


def test_a_key_has_the_algorithms_of_its_kind() -> None:
    """RSA, a curve and Ed25519 have different ones; a setting narrows them, and none is one for secrets."""
    for key, algorithms in ((rsa_key(), EVERY), (ec_key(), {"ES256"}), (ed_key(), {"EdDSA"})):
        found = pem_key(pem_of(key).encode(), EVERY).algorithms
        (in_set,) = keys_of_set(set_of(jwk_of(key, "k")), EVERY)
        assert found == in_set.algorithms
        assert found <= algorithms
        assert "HS256" not in found
    assert pem_key(pem_of(rsa_key()).encode(), PUBLIC).algorithms == {"RS256"}
    assert secret_key(b"s" * 32).algorithms == {"HS256"}


def test_a_set_is_read_key_by_key() -> None:
    """Names, marks that tell keys apart, and an `alg` of the entry that narrows its algorithms."""
    text = set_of(
        jwk_of(rsa_key("a"), "a"), jwk_of(rsa_key("b"), "b", alg="PS256", use="sig"), jwk_of(ec_key(), "c")
    )
    found = keys_of_set(text, EVERY)
    assert [(key.kid, "RS256" in key.algorithms, "PS256" in key.algorithms) for key in found] == [
        ("a", True, True),
        ("b", False, True),
        ("c", False, False),
    ]
    assert len({key.mark for key in found}) == 3
    with pytest.raises(ValueError, match="no public key"):
        keys_of_set(set_of(jwk_of(rsa_key(), alg="PS256")), {"RS256"})
    assert [key.mark for key in keys_of_set(text, EVERY)] == [key.mark for key in found]


@pytest.mark.parametrize(
    "make",
    [
        lambda: {"kty": "oct", "k": b64(b"s" * 32), "kid": "k"},
        lambda: {"kty": "RSA", "kid": "k"},
        lambda: {"kty": "RSA", "n": 1, "e": "AQAB"},
        lambda: {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        lambda: {"kty": ["RSA"]},
        lambda: "text",
        lambda: None,
        lambda: jwk_of(rsa_key(), use="enc"),
        lambda: jwk_of(rsa_key(), alg="HS256"),
        lambda: jwk_of(rsa_key(), alg="none"),
        lambda: jwk_of(rsa_key(), alg=["RS256"]),
        lambda: jwk_of(rsa_key(), key_ops=["sign"]),
        lambda: jwk_of(rsa_key(), key_ops=7),
        lambda: jwk_of(rsa_key("weak", 1024)),
        lambda: {**jwk_of(rsa_key()), "kid": 7},
    ],
)
def test_what_is_no_key_for_signatures_is_passed_over(make: Callable[[], Any]) -> None:
    """Secrets above all: a set that anybody can read has none. The other keys of the set are as good as before."""
    entry = make()
    (found,) = keys_of_set(set_of(entry, jwk_of(ec_key(), "good")), EVERY)
    assert found.kid == "good"
    with pytest.raises(ValueError, match="no public key"):
        keys_of_set(set_of(entry), EVERY)


def test_a_private_part_is_never_read() -> None:
    """Where somebody puts a whole private key into the set, its public half is used."""
    (found,) = keys_of_set(set_of({**jwk_of(rsa_key()), "d": "AA", "p": "AA", "q": "AA"}), EVERY)
    assert not hasattr(found.material, "private_bytes")


def test_a_set_without_a_usable_key_says_what_it_has() -> None:
    """Nothing, keys for other algorithms, or none that verifies signatures: an operator mends another thing each time."""
    for entries, problem in (
        ([], "has no public key: it is empty"),
        (
            [jwk_of(ec_key()), jwk_of(rsa_key(), alg="RS512")],
            "(EdDSA, RS256); its keys are for ES256, RS512",
        ),
        ([jwk_of(rsa_key("weak", 1024))], "for signatures"),
        ([jwk_of(rsa_key(), use="enc")], "for signatures"),
    ):
        with pytest.raises(ValueError, match="has no public key") as refused:
            keys_of_set(set_of(*entries), {"RS256", "EdDSA"})
        assert problem in str(refused.value)


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b"null", b'{"keys": {}}', b"<html>", b"[" * 100_000])
def test_a_text_that_is_no_set_is_refused(text: bytes) -> None:
    """An error page, or JSON of another shape."""
    with pytest.raises(ValueError, match="is not"):
        keys_of_set(text, EVERY)


def test_a_set_is_bounded() -> None:
    """Keys are looked through for each token."""
    with pytest.raises(ValueError, match="at most 100"):
        keys_of_set(json.dumps({"keys": [{}] * 101}).encode(), EVERY)


def test_a_pem_is_one_public_key() -> None:
    """A private key, a weak one and one of another kind are refused, and so is a public key in the place of a secret."""
    private = rsa_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for pem, allowed, problem in (
        (private, EVERY, "must be a public key"),
        (b"text", EVERY, "must be a public key"),
        (pem_of(rsa_key("weak", 1024)).encode(), EVERY, "too weak"),
        (pem_of(rsa_key()).encode(), {"ES256"}, "not for auth.jwt.algorithms"),
    ):
        with pytest.raises(ValueError, match=problem):
            pem_key(pem, allowed)
    for public in (pem_of(rsa_key()).encode(), b"ssh-rsa AAAA"):
        with pytest.raises(ValueError, match="is a public key"):
            secret_key(public)
