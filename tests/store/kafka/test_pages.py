"""A cursor is good only if the entry at its place carries its fingerprint; all else is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.backends import draft
from tests.store.kafka.entries import NOW_MS, poison, raw

from fast_sse.model.channel import Channel, Filter
from fast_sse.model.cursor import NO_FINGERPRINT, Cursor, fingerprint_text, parse_cursor
from fast_sse.store.base import Gap, Page, Windows
from fast_sse.store.kafka.pages import AheadError, last, page, since
from fast_sse.store.kafka.readers import DamagedError
from fast_sse.store.kafka.view import View
from fast_sse.store.ranges import ALL, ranges

ORIGIN = Cursor("k1", "e" * 13, 0, NO_FINGERPRINT)
EXACT = ranges(Filter.of(Channel("a", "t")))


@pytest.fixture
def view(tmp_path: Path) -> Iterator[View]:
    made = View(tmp_path / "view-a.db", Windows())
    made.open(ORIGIN.epoch)
    yield made
    made.close()


def at(position: int) -> Cursor:
    """The cursor of the entry that `raw` makes for a place."""
    return ORIGIN.at(position, fingerprint_text(position))


def read(view: View, after: Cursor, end: int | None = None) -> Page:
    return page(view.log, (ALL,), after, 100, 1 << 20, end=end)


def test_places_have_their_fingerprints(view: View) -> None:
    """Start, end and gaps of a page are cursors that a client can send back."""
    view.fold([raw(0), raw(1), raw(2)])
    found = read(view, ORIGIN)
    assert (found.start, found.through, found.gap) == (ORIGIN, at(3), None)
    assert [parse_cursor(one.text) for one in (found.start, found.through)] == [ORIGIN, at(3)]
    assert read(view, at(3)).through == at(3)


def test_a_place_given_to_another_message_is_told(view: View) -> None:
    """`lost_tail`: the offset is there, its entry is another; the stream goes on after the last entry before it."""
    view.fold([raw(0), raw(1), raw(2)])
    found = read(view, ORIGIN.at(2, "otheron"))
    assert found.gap == Gap("lost_tail", at(1))
    assert [record.position for record in found.records] == [2, 3]


def test_a_place_that_holds_no_record_is_told(view: View) -> None:
    """A duplicate's offset was never given to anybody; who comes from there had another entry."""
    keyed = draft(keys=("k",))
    view.fold([raw(0, keyed), raw(1, keyed), raw(2)])
    assert read(view, ORIGIN.at(2, "otheron")).gap == Gap("lost_tail", at(1))


def test_an_unread_place_waits_for_the_view(view: View) -> None:
    """After a hop the view may lag: only the broker says whether the cursor is ahead of the log."""
    view.fold([raw(0)])
    with pytest.raises(AheadError):
        read(view, at(5))
    assert read(view, at(5), end=7) == Page([], at(5), at(5))
    assert read(view, at(5), end=4).gap == Gap("ahead", at(1))


def test_the_trim_mark_is_good_with_its_own_fingerprint(view: View) -> None:
    """Whoever was exactly there has missed nothing; who was at another entry of that number has."""
    view.fold([raw(0), raw(1)])
    view.trim_to(1)
    assert read(view, at(1)).gap is None
    assert read(view, ORIGIN.at(1, "otheron")).gap == Gap("lost_tail", at(1))


def test_a_mark_that_nobody_read_takes_any_fingerprint(view: View) -> None:
    """A view made of a trimmed topic cannot know what the last trimmed entry was."""
    view.trim_to(5)
    view.fold([raw(5)])
    assert read(view, at(5)).gap is None
    assert read(view, at(4)).gap == Gap("trimmed", ORIGIN.at(5, NO_FINGERPRINT))


def test_poison_is_a_gap_where_it_lies(view: View) -> None:
    """A page ends before it; the next one names it and goes on behind it. Every channel may have missed something."""
    view.fold([raw(0), poison(1), raw(2)])
    for arms in ((ALL,), EXACT):
        first = page(view.log, arms, ORIGIN, 100, 1 << 20)
        assert ([record.position for record in first.records], first.gap) == ([1], None)
        second = page(view.log, arms, first.through, 100, 1 << 20)
        assert second.gap == Gap("unreadable", ORIGIN.at(2, NO_FINGERPRINT))
        assert [record.position for record in second.records] == [3]
        assert page(view.log, arms, second.gap.resumed_at, 100, 1 << 20).gap is None


def test_a_flipped_byte_is_no_poison(view: View) -> None:
    """What was never written to the view breaks it: it is made anew, and nobody is told of a gap."""
    view.fold([raw(0)])
    view.log.connection.execute("UPDATE log SET body = x'00112233445566'")
    with pytest.raises(DamagedError):
        read(view, ORIGIN)


def test_the_last_start_at_an_entry(view: View) -> None:
    """`last` starts at the entry before the first it returns, or at the mark: a cursor that can be sent back."""
    view.fold([raw(0), raw(1, draft("b")), raw(2), raw(3)])
    assert last(view.log, ORIGIN, EXACT, 1, 1 << 20).start == at(3)
    assert last(view.log, ORIGIN, EXACT, 2, 1 << 20).start == at(2)
    assert last(view.log, ORIGIN, EXACT, 9, 1 << 20).start == ORIGIN
    nobody = ranges(Filter.of(Channel("x", "y")))
    assert last(view.log, ORIGIN, nobody, 1, 1 << 20) == Page([], at(4), at(4))


@pytest.mark.parametrize("position", [2**63, 10**20])
def test_a_number_past_what_sqlite_binds_is_ahead(view: View, position: int) -> None:
    """However large, it is told and does not break the statement."""
    assert read(view, ORIGIN.at(position, "0000001"), end=9).gap == Gap("ahead", ORIGIN)


def test_a_time_begins_at_a_place_with_its_fingerprint(view: View) -> None:
    """Of the record before, of the trim mark, of the newest: each a cursor that a client can send back."""
    view.fold([raw(offset, time_ms=NOW_MS + 10 * offset) for offset in range(4)])
    assert since(view.log, NOW_MS) == Page([], ORIGIN, ORIGIN)
    assert since(view.log, NOW_MS + 11) == Page([], at(2), at(2))
    assert since(view.log, NOW_MS + 31) == Page([], at(4), at(4))
    view.trim_to(2)
    assert since(view.log, NOW_MS + 10) == Page([], at(2), at(2), Gap("trimmed", at(2)))
    assert since(view.log, NOW_MS + 11) == Page([], at(2), at(2))


def test_a_time_after_a_hole_begins_at_the_record_before_it(view: View) -> None:
    """A place that holds nothing has no fingerprint that a cursor could carry."""
    view.fold([raw(0), raw(3, time_ms=NOW_MS + 5)])
    assert since(view.log, NOW_MS + 1) == Page([], at(1), at(1))


def test_a_time_in_a_view_that_began_late_is_a_gap(view: View) -> None:
    """A node that never read what retention took names a gap for every time up to its first record's."""
    view.trim_to(2)
    view.fold([raw(2), raw(3, time_ms=NOW_MS + 5)])
    mark = ORIGIN.at(2, NO_FINGERPRINT)
    assert since(view.log, NOW_MS) == Page([], mark, mark, Gap("trimmed", mark))
    assert since(view.log, NOW_MS + 1) == Page([], at(3), at(3))
