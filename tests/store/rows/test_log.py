"""The statements over one connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fast_sse.model.channel import Channel, Filter
from fast_sse.model.message import Record
from fast_sse.store.dedup import Known
from fast_sse.store.ranges import ranges
from fast_sse.store.record import OVERHEAD_BYTES
from fast_sse.store.rows.body import body_of
from fast_sse.store.rows.connect import connect
from fast_sse.store.rows.entries import ENTRIES_MAX, add_entry, add_keys
from fast_sse.store.rows.log import SqliteLog, Totals
from fast_sse.store.rows.schema import prepare

EVERYTHING = ranges(Filter.of(Channel("*", "*")))
A_T = Channel("a", "t")


def record(place: int, channel: Channel = A_T, data: bytes = b"1", fingerprint: str = "") -> Record:
    return Record(place, channel, data, b"{}", "", b"", 1000 + place, 0, fingerprint)


def insert(log: SqliteLog, *records: Record) -> None:
    values: list[Any] = []
    for one in records:
        add_entry(values, one, body_of(one))
    log.insert(values)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    connection = connect(tmp_path / "log.db", writer=True)
    prepare(connection)
    yield SqliteLog(connection)
    connection.close()


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 97, 300, ENTRIES_MAX, ENTRIES_MAX + 1, 2500])
def test_any_number_of_rows_is_inserted(log: SqliteLog, count: int) -> None:
    """A group of any size is stored whole: statements are filled up with rows of nothing, which store nothing."""
    insert(log, *(record(place) for place in range(1, count + 1)))
    assert log.totals().messages == count
    assert log.keys() == 0
    assert log.ends().newest == count


def test_a_group_is_one_statement(log: SqliteLog) -> None:
    """Every step gives up the GIL: a group up to the bound, keys included, takes a single one."""
    executed: list[str] = []
    execute = log._execute

    def count(sql: str, *values: Any) -> sqlite3.Cursor:
        executed.append(sql)
        return execute(sql, *values)

    log._execute = count
    values: list[Any] = []
    for place in range(1, ENTRIES_MAX + 1):
        one = record(place)
        add_entry(values, one, body_of(one), [(place.to_bytes(32), Known(place, b"", 1))])
    log.insert(values)
    assert len(executed) == 1
    assert (log.totals().messages, log.keys()) == (ENTRIES_MAX, ENTRIES_MAX)


def test_a_page_is_one_statement(log: SqliteLog) -> None:
    """A page of any size is one row of one SELECT, and so one snapshot."""
    insert(log, *(record(place) for place in range(1, 301)))
    seen: list[str] = []
    log.connection.set_trace_callback(seen.append)
    assert len(log.page(EVERYTHING, 0, 1000, 1 << 30).records) == 300
    assert len(seen) == 1


def test_positions_and_fingerprints_come_from_outside(log: SqliteLog) -> None:
    """A local view of another log stores its records as they are, and gives them back the same."""
    records = [record(7, fingerprint="abcdefg"), record(2**40, Channel("*", "x"), b"\x00\xff")]
    insert(log, *records)
    assert log.page(EVERYTHING, 0, 10, 1 << 20).records == records
    assert log.get(2**40) == records[1]


def test_a_page_reads_only_the_bodies_it_returns(log: SqliteLog) -> None:
    """A page's bytes bound what is read, not only what is returned: it ends before it passes them."""
    insert(log, *(record(place, data=b"x" * 1000) for place in range(1, 11)))
    size = len(body_of(record(1, data=b"x" * 1000))) + OVERHEAD_BYTES
    found = log.page(EVERYTHING, 0, 100, size * 3)
    assert (len(found.records), found.full) == (3, True)
    assert log.page(EVERYTHING, 7, 100, size * 3).full is False


def test_a_known_key_is_refused_by_the_index(log: SqliteLog) -> None:
    """Nobody has to look first: a group that brings a stored key fails whole, its records too."""
    key = (b"k" * 32, Known(1, b"sha", 9))
    values: list[Any] = []
    add_entry(values, record(1), body_of(record(1)), [key])
    log.insert(values)
    again: list[Any] = []
    add_entry(again, record(2), body_of(record(2)))
    add_keys(again, [key])
    with pytest.raises(sqlite3.IntegrityError):
        log.insert(again)
    assert log.totals().messages == 1


def test_keys_are_found_in_any_number(log: SqliteLog) -> None:
    """A lookup of hundreds of keys finds those that are stored and no other."""
    stored = {place.to_bytes(32): Known(place, b"s", place) for place in range(1, 400, 2)}
    values: list[Any] = []
    add_keys(values, list(stored.items()))
    log.insert(values)
    assert log.known([place.to_bytes(32) for place in range(1, 400)]) == stored
    assert log.known([]) == {}
    assert log.keys() == 200


def test_keys_that_end_first_go_first(log: SqliteLog) -> None:
    """Expired keys are removed up to a count, and the oldest by their end, whatever that is."""
    values: list[Any] = []
    add_keys(values, [(place.to_bytes(32), Known(1, b"", place)) for place in (50, 10, 40, 20, 30)])
    log.insert(values)
    assert log.forget_expired_keys(20, 1) == 1
    assert log.forget_expired_keys(20, 10) == 1
    assert log.forget_oldest_keys(1) == 1
    assert set(log.known([place.to_bytes(32) for place in range(60)])) == {
        place.to_bytes(32) for place in (40, 50)
    }


def test_losses_are_part_of_the_ends(log: SqliteLog) -> None:
    """A loss raises the newest to its end; trimming past it forgets it; a new epoch forgets them all."""
    insert(log, record(5))
    log.add_loss(5, 20)
    assert log.ends() == (0, 20, ((5, 20),))
    assert log.page(EVERYTHING, 7, 1, 1).ends.losses == ((5, 20),)
    assert log.page(EVERYTHING, 20, 1, 1).ends.losses == ()
    insert(log, record(21))
    log.trim_to(21, Totals(0, 0))
    assert log.ends() == (21, 21, ())
    log.add_loss(21, 30)
    log.set_epoch("e")
    assert (log.ends(), log.epoch()) == ((21, 21, ()), "e")


def test_totals_are_counted_on_from_the_mark(log: SqliteLog) -> None:
    """What was counted is trusted, what came since is added; a mark beyond the rows is not trusted."""
    insert(log, record(1), record(2))
    assert log.totals().messages == 2
    log.distrust_totals()
    log.save_totals(Totals(100, 1000))
    insert(log, record(3))
    assert log.totals() == (101, 1000 + len(body_of(record(3))) + OVERHEAD_BYTES)
    log.connection.execute("DELETE FROM log WHERE seq > 1")
    log.distrust_totals()
    assert log.totals() == (1, len(body_of(record(1))) + OVERHEAD_BYTES)


def test_the_last_time_is_that_of_the_newest_record_or_of_the_trim_mark(log: SqliteLog) -> None:
    """What the next record's time may not be below: 0 in a new log, and known when everything is trimmed."""
    assert log.last_ms() == 0
    insert(log, record(1), record(5))
    assert log.last_ms() == 1005
    log.trim_to(5, Totals(0, 0))
    assert log.last_ms() == 1005
