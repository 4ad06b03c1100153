"""Idempotency keys of a draft."""

from __future__ import annotations

import msgspec
import pytest

from fast_sse.http.api.drafting import Drafting
from fast_sse.model.errors import BadRequestError
from fast_sse.model.limits import Limits
from fast_sse.model.message import PublishBody


def key(header: bytes | None, own: str | None = None) -> str | None:
    body = PublishBody(data=msgspec.Raw(b"1"), idempotency_key=own)
    return Drafting(Limits()).own_key(body, None if header is None else header.decode("latin-1"))


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
