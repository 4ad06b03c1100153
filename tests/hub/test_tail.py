"""The tail: what it covers, what it lets go, and how its filters agree with the one rule of matching."""

from __future__ import annotations

import weakref
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.hub.support import LIMITS, record_at

from fast_sse.hub.frames import ADDRESSED, BARE, SHAPES, id_texts
from fast_sse.hub.tail import Entry, Tail, acceptor
from fast_sse.model.channel import Channel, Filter
from fast_sse.model.cursor import Cursor

ORIGIN = Cursor("m1", "0" * 13, 0)

segments = st.sampled_from(["a", "b", "*"])
channels = st.builds(Channel, segments, segments)
filters = st.lists(channels, min_size=1, max_size=4).map(lambda some: Filter.of(*some))


def tail_of(*positions: int, floor: int = 0, data: bytes = b"0", **limits: Any) -> Tail:
    """A tail that took these positions after `floor`."""
    tail = Tail(msgspec.structs.replace(LIMITS, **limits))
    tail.reset(ORIGIN.at(floor))
    for position in positions:
        tail.append(Entry(record_at(position, data=data), id_texts(ORIGIN)))
    return tail


@given(filters, channels)
def test_an_acceptor_is_the_filter(wanted: Filter, channel: Channel) -> None:
    """The fast look-up says what the rule of matching says, for every filter and every record."""
    assert acceptor(wanted)(channel) == wanted.matches(channel)


def test_each_form_is_encoded_once_and_only_when_asked_for() -> None:
    """A frame is made the first time somebody wants it and is the same object for ever after."""
    entry = Entry(record_at(7), id_texts(ORIGIN))
    assert entry._frames == [b""] * len(SHAPES)
    bare = entry.frame(BARE)
    assert entry._frames[ADDRESSED] == b""
    assert entry.frame(BARE) is bare
    assert entry.frame(ADDRESSED) is entry.frame(True)
    assert b'"event_id":"a"' in entry.frame(ADDRESSED)
    assert b"event_id" not in bare


@given(st.sets(st.integers(1, 40), max_size=12), st.integers(1, 6), st.integers(0, 42))
def test_a_covered_cursor_misses_nothing(taken: set[int], kept: int, asked: int) -> None:
    """What the tail says it covers is followed in it by every later record; the rest is left to the store."""
    positions = sorted(taken)
    tail = tail_of(*positions, tail_records_max=kept)
    cursor = ORIGIN.at(asked)
    after = [entry.position for entry in tail.between(asked, 99)]
    dropped = [position for position in positions if position not in positions[-kept:]]
    if tail.covers(cursor):
        assert after == [position for position in positions if position > asked]
        assert tail.count_after(asked) == len(after)
        assert [entry.position for entry in tail.first_after(asked, 2)] == after[:2]
    known = asked in positions[-kept:] or asked == max(dropped, default=0)
    assert tail.covers(cursor) == known


def test_a_cursor_of_another_log_or_with_another_fingerprint_is_not_covered() -> None:
    """Kind, epoch and fingerprint must be those of the entry itself: the store judges anything else."""
    tail = tail_of(5)
    tail.append(Entry(record_at(9, fingerprint="abcdefg"), id_texts(ORIGIN)))
    assert tail.covers(ORIGIN.at(5))
    assert tail.covers(ORIGIN.at(9, "abcdefg"))
    assert not tail.covers(ORIGIN.at(9, "gfedcba"))
    assert not tail.covers(ORIGIN.at(9))
    assert not tail.covers(ORIGIN.at(5, "abcdefg"))
    assert not tail.covers(Cursor("s1", ORIGIN.epoch, 5))
    assert not tail.covers(Cursor("m1", "1" * 13, 5))


def test_a_cursor_between_two_entries_is_the_stores_to_judge() -> None:
    """No record of ours had that position: it may lie in a lost tail, and going on would hide that."""
    tail = tail_of(5, 9)
    assert not tail.covers(ORIGIN.at(7))
    assert not tail.covers(ORIGIN.at(3))


def test_a_fresh_tail_covers_its_floor_only() -> None:
    """Before the first record there is nothing to miss after the place where the follower began."""
    tail = tail_of(floor=50)
    assert tail.covers(ORIGIN.at(50))
    assert not tail.covers(ORIGIN.at(49))
    assert not tail.covers(ORIGIN.at(51))
    assert not Tail(LIMITS).covers(ORIGIN)


def test_the_tail_is_bounded_in_bytes() -> None:
    """However large the records, what it holds stays under the bound; one that is larger alone is not kept."""
    tail = tail_of(*range(1, 30), data=b"x" * 1000, tail_bytes_max=10_000)
    assert 1 < len(tail) < 5
    tail = tail_of(1, data=b"x" * 1000, tail_bytes_max=100)
    assert len(tail) == 0
    assert tail.covers(ORIGIN.at(1))


class Weighed(Entry):
    """An entry that can be watched."""

    __slots__ = ("__weakref__",)


def test_what_is_dropped_is_let_go_at_once() -> None:
    """An entry past the bounds does not live on in a list that is cut only now and then."""
    tail = tail_of(tail_records_max=2)
    entries = [Weighed(record_at(position), id_texts(ORIGIN)) for position in range(1, 10)]
    watched = [weakref.ref(entry) for entry in entries]
    for entry in entries:
        tail.append(entry)
    del entries, entry
    assert [one() is not None for one in watched] == [False] * 7 + [True] * 2


def test_dropping_does_not_lengthen_the_lists_for_ever() -> None:
    """After many more records than it keeps, the tail's lists are of the order of what it keeps."""
    tail = tail_of(*range(1, 20_000), tail_records_max=10)
    assert len(tail._entries) < 3000
    assert [entry.position for entry in tail.between(0, 10**9)] == list(range(19_990, 20_000))
