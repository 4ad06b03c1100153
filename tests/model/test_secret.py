"""Secrets that are certainly none."""

from __future__ import annotations

import secrets

import pytest

from fast_sse.model.secret import is_placeholder, weakness


@pytest.mark.parametrize("secret", [b"", b"x", b"0123456789abcdef0123456789abcde"])
def test_short(secret: bytes) -> None:
    """Less than 32 bytes is too little."""
    assert weakness(secret) == "is shorter than 32 bytes"


@pytest.mark.parametrize(
    "secret",
    [
        *(
            b"{HMAC_SECRET_FROM_ENV}",
            b"${HMAC_SECRET_OF_MORE_THAN_32_BYTES}",
            b"<put the secret in here, please>",
        ),
        *(b"changeme", b"Change-Me-Change-Me-Change-Me-Change", b"my-your_secret-0123456789abcdef0123456789"),
        *(b"this is a PLACEHOLDER, 32 bytes and more", b"replace this by something of your own"),
    ],
)
def test_placeholders(secret: bytes) -> None:
    """What a template holds is found at any length."""
    assert is_placeholder(secret)
    assert weakness(secret) == "is a placeholder"


def test_one_letter_over_and_over() -> None:
    """Long is not enough."""
    assert weakness(b"0" * 64) == "is a placeholder"
    assert weakness(b"ab" * 32) == "is a placeholder"


@pytest.mark.parametrize("make", [lambda: secrets.token_hex(16).encode(), lambda: secrets.token_bytes(32)])
def test_random_secrets_pass(make: object) -> None:
    """32 random bytes or hex digits are taken, also with braces or bytes that are no text."""
    for _ in range(200):
        assert weakness(make()) == ""  # type: ignore[operator]
    assert weakness(b"{0123456789abcdef}0123456789abcdef") == ""
    assert weakness(b"\xff" + bytes(range(200, 240))) == ""
