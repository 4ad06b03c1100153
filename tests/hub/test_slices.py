"""A catch-up that goes on along the tail: slice by slice it takes every entry that matches, once."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.hub.support import LIMITS, record_at

from fast_sse.hub.catch_up import _slice
from fast_sse.hub.frames import id_texts
from fast_sse.hub.tail import Entry, Tail
from fast_sse.model.cursor import Cursor

ORIGIN = Cursor("m1", "0" * 13, 0)


@given(st.lists(st.booleans(), min_size=1, max_size=20), st.integers(1, 4), st.integers(1, 6))
def test_slices_miss_and_repeat_nothing(wanted: list[bool], records_max: int, scan_max: int) -> None:
    """A slice that is full ends at its last entry, another where it stopped looking: the next one begins right there."""
    limits = msgspec.structs.replace(LIMITS, page_records_max=records_max, tail_scan_records_max=scan_max)
    tail = Tail(LIMITS)
    tail.reset(ORIGIN)
    for position, matches in enumerate(wanted, 1):
        tail.append(Entry(record_at(position, "a/b" if matches else "c/d"), id_texts(ORIGIN)))
    found: list[int] = []
    place = 0
    while place < len(wanted):
        taken, last = _slice(tail, place, lambda channel: channel.event_id == "a", limits)
        assert len(taken) <= records_max
        assert place < last.position <= place + scan_max
        found += [entry.position for entry in taken]
        place = last.position
    assert found == [position for position, matches in enumerate(wanted, 1) if matches]
