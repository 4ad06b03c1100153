"""What the rows of dead letters promise beside the contract (`tests/contract/letters`)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from fast_sse.model.channel import Channel
from fast_sse.model.cursor import Cursor
from fast_sse.model.letter import Poison, Source
from fast_sse.model.message import Record
from fast_sse.store.letters import LetterBounds, Wanted
from fast_sse.store.pace import Instant
from fast_sse.store.rows import letters
from fast_sse.store.rows.letter_pages import letter_page
from fast_sse.store.rows.letters import LetterRows, packed, unpacked
from fast_sse.store.rows.schema import prepare

ORIGIN = Cursor("s1", "e" * 13, 0)
AT = Instant(1000, 500, 500)


def record(position: int) -> Record:
    return Record(position, Channel("a", "t"), b"1", b"{}", "", b"", 10)


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    prepare(connection)
    yield connection
    connection.close()


def rows(connection: sqlite3.Connection, **bounds: int) -> LetterRows:
    return LetterRows(connection, ORIGIN, LetterBounds(**bounds))


def add(made: LetterRows, *positions: int) -> None:
    for position in positions:
        made.add(record(position), AT, maybe=False, node="a", grace_s=1)


def positions(connection: sqlite3.Connection) -> list[int]:
    page = letter_page(connection, Wanted(newest_first=False), "", 5000)
    return [letter.position for letter in page.items]


def test_one_call_removes_a_bounded_number(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After bounds were lowered each call takes as many as came in and a few more, so that none of them is long."""
    monkeypatch.setattr(letters, "SPARE_MAX", 3)
    add(rows(connection), *range(1, 11))
    small = rows(connection, max_count=2)
    small.bound(AT.paced_ms, 1)
    assert positions(connection) == [5, 6, 7, 8, 9, 10]
    small.bound(AT.paced_ms, 0)
    small.bound(AT.paced_ms, 0)
    assert positions(connection) == [9, 10]
    assert small.dropped == {"count": 8, "bytes": 0, "age": 0}


def test_age_takes_a_bounded_number(connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first that are too old, by the clock that nobody sets."""
    monkeypatch.setattr(letters, "SPARE_MAX", 3)
    add(rows(connection), *range(1, 6))
    aged = rows(connection, max_age_s=1)
    aged.bound(AT.paced_ms + 1000, 0)
    assert aged.dropped["age"] == 0
    aged.bound(AT.paced_ms + 1001, 0)
    assert aged.dropped["age"] == 3
    assert len(positions(connection)) == 2


def test_reasons_share_the_bound_and_go_in_one_order(connection: sqlite3.Connection) -> None:
    """What expired and what had no subscriber are messages alike: the oldest goes, whichever it is."""
    made = rows(connection, max_count=2)
    for position, expires_ms in ((1, 1), (2, 0), (3, 1), (4, 0)):
        one = Record(position, Channel("a", "t"), b"1", b"{}", "", b"", 10, expires_ms)
        made.add(one, AT, maybe=False, node="a", grace_s=1)
    made.bound(AT.paced_ms, 0)
    assert positions(connection) == [3, 4]


def test_letters_of_other_epochs_are_not_removed_by_position(connection: sqlite3.Connection) -> None:
    """Numbers may be given again in a new epoch; poison stands at a position, too, and is no message."""
    other = LetterRows(connection, Cursor("s1", "f" * 13, 0), LetterBounds())
    add(other, 1, 2)
    made = rows(connection)
    add(made, 2)
    made.keep(Poison(source=Source("k", "q", "1"), raw=b"x", description=""), 2, AT)
    assert made.positions() == [2]
    assert other.positions() == [1, 2]
    assert made.drop_at([1, 2, 3]) == 1
    assert other.positions() == [1, 2]
    assert made.tally().by_reason["poison"] == 1


def test_the_age_counts_from_the_paced_time(connection: sqlite3.Connection) -> None:
    """`dead_ms` is what people see; a wall clock that steps ages no letter."""
    made = rows(connection)
    add(made, 1)
    found = connection.execute("SELECT dead_ms, from_ms FROM letter").fetchall()
    assert found == [(AT.time_ms, AT.paced_ms)]


def test_poison_is_checked_when_it_is_read() -> None:
    """Bytes under their CRC-32: one bit that flipped anywhere is seen."""
    body = packed(b"raw")
    assert unpacked(body) == b"raw"
    assert unpacked(packed(b"")) == b""
    for place in range(len(body)):
        flipped = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        assert unpacked(flipped) is None
