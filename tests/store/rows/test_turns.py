"""What the rows of turns promise beside the contract (`tests/contract/letters`)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from fast_sse.model.channel import Channel
from fast_sse.model.cursor import Cursor, Position
from fast_sse.model.message import Record
from fast_sse.store.letters import Due, Handed, LetterBounds, Turn
from fast_sse.store.pace import Instant
from fast_sse.store.rows import turns
from fast_sse.store.rows.letters import LetterRows
from fast_sse.store.rows.schema import prepare
from fast_sse.store.rows.turns import Turns

ORIGIN = Cursor("s1", "e" * 13, 0)
DAY_MS = 86_400_000


def at(ms: int) -> Instant:
    """Paced and shown time differ, so that neither is taken for the other."""
    return Instant(ms + DAY_MS, ms, ms)


class Log:
    """Twenty records, and a new object for the turns of each call, as stores make one."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.origin = ORIGIN
        self.bounds = LetterBounds()
        self.newest = 20
        self.data = b"1"

    def turns(self) -> Turns:
        rows = LetterRows(self.connection, self.origin, self.bounds)
        return Turns(rows, self.record, lambda: self.newest)

    def record(self, position: Position) -> Record:
        return Record(position, Channel("a", "t"), self.data, b"{}", "", b"", 10)

    def ask(self, sql: str) -> list[Any]:
        return self.connection.execute(sql).fetchall()


@pytest.fixture
def log() -> Iterator[Log]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    prepare(connection)
    log = Log(connection)
    log.newest = 0
    log.turns().begin("a", "1", at(0))
    log.newest = 20
    yield log
    connection.close()


def turn(number: int = 1, node: str = "a", start: str = "1", **said: Any) -> Turn:
    usual: dict[str, Any] = {"every_ms": 1000, "grace_s": 30, "through": 20, "decided": None, "seen": ""}
    return Turn(node=node, start=start, number=number, **{**usual, **said})


def test_a_damaged_receipt_says_nothing(log: Log) -> None:
    """A bit that flipped in one must not stop all turns for ever."""
    log.turns().begin("b", "1", at(0))
    log.turns().settle(turn(handed=[Handed(1, 1)]), at(1))
    log.turns().settle(turn(2, handed=[Handed(2, 1)]), at(2))
    log.connection.execute("UPDATE receipt SET body = x'c1' WHERE n = 1")
    settled = log.turns().settle(turn(node="b"), at(3))
    assert [list(receipt.handed) for receipt in settled.receipts] == [[], [Handed(2, 1)]]


def test_a_decided_place_that_is_damaged_is_the_newest(log: Log) -> None:
    """Too low a place would flood, and too high a one would be believed: as on a new log nothing of before dies."""
    log.turns().settle(turn(decided=5), at(1))
    log.connection.execute("UPDATE post SET said = replace(said, '5', '4')")
    assert log.turns().settle(turn(2, due=[Due(6)]), at(2)).dead == []
    assert log.turns().begin("a", "2", at(3)).decided == 20


def test_numbers_of_receipts_are_never_given_again(log: Log) -> None:
    """`seen` is a number: one that came again would be taken for heard."""
    log.turns().begin("b", "1", at(0))
    log.turns().settle(turn(handed=[Handed(3, 1)]), at(1))
    seen = log.turns().settle(turn(node="b"), at(1)).seen
    log.connection.execute("DELETE FROM receipt")
    log.turns().settle(turn(2, handed=[Handed(4, 1)]), at(2))
    settled = log.turns().settle(turn(2, node="b", seen=seen), at(2))
    assert [list(receipt.handed) for receipt in settled.receipts] == [[Handed(4, 1)]]


def test_a_new_epoch_is_noticed_by_whatever_comes_first(log: Log) -> None:
    """A turn before any `begin` decides nothing of the old epoch."""
    log.turns().begin("b", "1", at(0))
    log.turns().settle(turn(handed=[Handed(3, 1)]), at(1))
    log.origin = Cursor("s1", "f" * 13, 0)
    settled = log.turns().settle(turn(2, due=[Due(6)]), at(2))
    assert (settled.dead, len(settled.turners)) == ([], 1)
    assert log.ask("SELECT count(*) FROM receipt") == [(0,)]
    assert log.ask("SELECT epoch, decided FROM post") == [("f" * 13, 20)]


def test_rows_of_those_who_left_go_after_a_while(log: Log) -> None:
    """So long their last turn is known when it comes again; then the table is as small as the list."""
    log.turns().begin("a", "2", at(0))
    log.turns().settle(turn(start="2", number=1, goodbye=True), at(1000))
    log.turns().begin("a", "3", at(1000))
    for after_ms, left in ((119_999, 2), (120_000, 1)):
        log.turns().settle(turn(after_ms, start="3", decided=20), at(1000 + after_ms))
        assert log.ask("SELECT count(*) FROM turner") == [(left,)]


def test_a_step_of_the_wall_clock_makes_no_one_late(log: Log) -> None:
    """Who is current is decided by the paced time."""
    log.turns().settle(turn(), at(1000))
    settled = log.turns().settle(turn(node="b"), Instant(9 * DAY_MS, 1001, 1001))
    assert [turner.current for turner in settled.turners] == [True, True]


def test_a_turn_of_large_records_never_holds_much_more_than_the_bound(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bounds are applied on the way, so that the transaction does not grow to all that was due."""
    monkeypatch.setattr(turns, "_UNBOUND_BYTES", 20_000)
    log.bounds, log.data = LetterBounds(max_bytes=30_000), b"x" * 10_000
    most = 0
    made = LetterRows.add

    def add(rows: LetterRows, *args: Any, **named: Any) -> Any:
        nonlocal most
        found = made(rows, *args, **named)
        most = max(most, rows.tally().size_bytes)
        return found

    monkeypatch.setattr(LetterRows, "add", add)
    settled = log.turns().settle(turn(due=[Due(position) for position in range(1, 21)]), at(1))
    assert len(settled.dead) == 20
    assert settled.tally.dropped["bytes"] == 18
    assert most < 30_000 + 4 * 10_300
