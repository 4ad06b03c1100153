"""Entries and places, there and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast_sse.model.channel import Channel
from fast_sse.model.message import Record
from fast_sse.store.redis.codec import FIELDS, place_text, position_of, previous, record_of

VALUES = [b"0123abv", b"prevprv", b"17", b"0", "é".encode(), b"t", b"price", b"{}", b"", b"[1]"]


def entry(**changed: bytes) -> list[bytes]:
    """The fields of an entry, some with another value."""
    values = {name.decode(): value for name, value in zip(FIELDS, VALUES, strict=True)} | changed
    return [part for name, value in values.items() for part in (name.encode(), value)]


@given(st.integers(0, 2**128 - 1))
def test_a_place_reads_back(position: int) -> None:
    """A position is `ms-n`, 64 bits each, as text and as bytes."""
    assert position_of(place_text(position)) == position
    assert position_of(place_text(position).encode()) == position


def test_an_entry_is_a_record() -> None:
    """Field by field, with the position of its id and the fingerprint of its writer."""
    assert record_of(b"5-1", entry()) == Record(
        (5 << 64) + 1, Channel("é", "t"), b"[1]", b"{}", "price", b"", 17, 0, "0123abv"
    )
    assert previous(entry()) == "prevprv"


@pytest.mark.parametrize(
    "fields",
    [
        None,
        [],
        [b"a", b"b"],
        entry()[:-2],
        [*entry(), b"more", b"x"],
        entry()[2:] + entry()[:2],
        entry(fp=b"short"),
        entry(fp=b"\xff" * 7),
        entry(time=b"soon"),
        entry(expires=b""),
        entry(id=b"\xff"),
        entry(event=b"\xed\xa0\x80"),
    ],
    ids=str,
)
def test_what_we_did_not_write_is_no_record(fields: list[bytes] | None) -> None:
    """Wrong fields, another order, no fingerprint, numbers that are none, no UTF-8: None, never an exception."""
    assert record_of(b"5-1", fields) is None
