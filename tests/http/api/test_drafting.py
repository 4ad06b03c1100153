"""Idempotency keys of a draft."""

from __future__ import annotations

import msgspec
import pytest

from fast_sse.http.api.drafting import Drafting
from fast_sse.model.channel import Channel
from fast_sse.model.errors import BadRequestError
from fast_sse.model.limits import Limits
from fast_sse.model.message import PublishBody
from fast_sse.model.signature import Grant

NOW = 1_795_000_000.0


def key(header: bytes | None, own: str | None = None) -> str | None:
    return Drafting(Limits()).own_key(own, None if header is None else header.decode("latin-1"))


@pytest.mark.parametrize("word", ["order-17", "bestellung-ä", "注文-1"])
def test_a_key_is_its_utf8(word: str) -> None:
    """The bytes of the header are UTF-8, and the same key as in the body."""
    assert key(word.encode()) == key(word.encode(), word) == key(None, word) == word


@pytest.mark.parametrize(
    "header", ["bestellung-ä".encode("latin-1"), "bestellung-ö".encode("latin-1"), b"\xff"]
)
def test_bytes_that_are_no_utf8_are_refused(header: bytes) -> None:
    """Replaced, two keys would be one, and the second message would be lost as a duplicate."""
    with pytest.raises(BadRequestError, match="UTF-8"):
        key(header)


def test_two_different_keys_are_refused() -> None:
    """Header and body may both carry the key, and then agree."""
    with pytest.raises(BadRequestError, match="differ"):
        key(b"a", "b")


@pytest.mark.parametrize(
    ("left_s", "kept_ms"), [(300.0, 360_000), (60.0, 120_000), (0.0, 60_000), (-59.999, 1), (-59.9999, 1)]
)
def test_a_nonce_is_kept_as_long_as_its_signature_is_taken(left_s: float, kept_ms: int) -> None:
    """A signature is taken until a skew past its end, and so long its nonce is remembered: a millisecond at the least."""
    grant = Grant("pub", "v2", "web", "web-1", NOW + left_s, "n" * 16)
    body = PublishBody(data=msgspec.Raw(b"1"))
    (nonce,) = Drafting(Limits()).draft(Channel("a", "b"), body, b"1", grant, None, NOW).keys
    assert nonce.window_ms == pytest.approx(kept_ms, abs=1)


def test_a_clients_own_key_has_the_stores_window() -> None:
    """Only the nonce's window follows from the signature: a client's own key beside it has none of its own."""
    grant = Grant("pub", "v2", "web", "web-1", NOW + 60, "n" * 16)
    body = PublishBody(data=msgspec.Raw(b"1"))
    nonce, own = Drafting(Limits()).draft(Channel("a", "b"), body, b"1", grant, "k", NOW).keys
    assert (nonce.window_ms, own.window_ms) == (120_000, 0)
