"""A time is found by halving positions, whatever holes and clocks have made of the log."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.contract.asserting import everything, put
from tests.contract.backends import FOREVER, START_MS, Clock, draft
from tests.store.rows.earlier import unpack
from tests.store.rows.test_log import record

from fast_sse.store.base import Gap
from fast_sse.store.rows.body import body_of
from fast_sse.store.rows.connect import connect
from fast_sse.store.rows.entries import add_entry
from fast_sse.store.rows.log import SqliteLog, Totals
from fast_sse.store.rows.pages import INTEGER_MAX
from fast_sse.store.rows.schema import prepare
from fast_sse.store.rows.since import Sought, seek
from fast_sse.store.sqlite.store import SqliteStore

#: Left by the last version of schema 1: records 1 to 5 trimmed; then times of 40 (a control record), 1040, 50, 60, 1050, 1060.


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    connection = connect(tmp_path / "log.db", writer=True)
    prepare(connection)
    yield SqliteLog(connection)
    connection.close()


def in_memory() -> SqliteLog:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    prepare(connection)
    return SqliteLog(connection)


def insert(log: SqliteLog, *pairs: tuple[int, int]) -> None:
    """Records of these positions and times."""
    values: list[Any] = []
    for position, time_ms in pairs:
        one = replace(record(position), time_ms=time_ms)
        add_entry(values, one, body_of(one))
    log.insert(values)


@settings(deadline=None)
@given(
    gaps=st.lists(st.integers(1, 1 << 40), max_size=40),
    steps=st.lists(st.integers(0, 3), min_size=40, max_size=40),
    trimmed=st.integers(0, 40),
    time_ms=st.integers(0, 130),
)
def test_any_log_answers_as_a_list_does(
    gaps: list[int], steps: list[int], trimmed: int, time_ms: int
) -> None:
    """However large the holes between positions, the first of the time is found, and what was trimmed is told."""
    pairs = [(sum(gaps[: number + 1]), 5 + sum(steps[: number + 1])) for number in range(len(gaps))]
    log = in_memory()
    insert(log, *pairs)
    gone, kept = pairs[:trimmed], pairs[trimmed:]
    if gone:
        log.trim_to(gone[-1][0], Totals(0, 0))
    found = seek(log, time_ms)
    assert found.first == next((position for position, taken_ms in kept if taken_ms >= time_ms), None)
    assert found.gone == (bool(gone) and time_ms <= gone[-1][1])
    assert (found.trimmed, found.newest) == (gone[-1][0] if gone else 0, pairs[-1][0] if pairs else 0)
    log.connection.close()


@settings(deadline=None)
@given(times=st.lists(st.integers(0, 50), min_size=1, max_size=60), time_ms=st.integers(-1, 51))
def test_times_that_step_back_end_at_a_boundary(times: list[int], time_ms: int) -> None:
    """In a log of an earlier version it still ends, where a record of the time or later follows an earlier one."""
    log = in_memory()
    insert(log, *((number, taken_ms) for number, taken_ms in enumerate(times, start=1)))
    first = seek(log, time_ms).first
    if first is None:
        assert times[-1] < time_ms
    else:
        assert times[first - 1] >= time_ms
        assert first == 1 or times[first - 2] < time_ms
    log.connection.close()


def test_a_log_of_any_length_takes_a_few_looks(log: SqliteLog) -> None:
    """Ten times the records cost four looks more: nothing is scanned."""
    steps = []
    for size in (1_000, 10_000, 100_000):
        log.connection.execute("DELETE FROM log")
        log.connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
            "INSERT INTO log (seq, channel, time_ms, body) SELECT i, 1, i, x'' FROM n",
            (size,),
        )
        done = count()
        log.connection.set_progress_handler(lambda counter=done: next(counter) and None, 1)  # type: ignore[misc]
        assert seek(log, size // 3).first == size // 3
        log.connection.set_progress_handler(None, 0)
        steps.append(next(done))
    assert steps[2] - steps[0] < 1_000
    assert steps[2] < 3_000


def test_it_is_one_statement(log: SqliteLog) -> None:
    """One SELECT is one snapshot, and gives the GIL away once."""
    insert(log, *((place, place) for place in range(1, 100)))
    seen: list[str] = []
    log.connection.set_trace_callback(seen.append)
    seek(log, 50)
    assert len(seen) == 1


@pytest.mark.parametrize("time_ms", [-(10**30), 10**30])
def test_times_that_sqlite_cannot_hold(log: SqliteLog, time_ms: int) -> None:
    """They are as early or as late as any."""
    insert(log, (1, 5))
    assert seek(log, time_ms) == Sought(0, 1, gone=False, first=1 if time_ms < 0 else None)


def test_the_largest_position_is_found(log: SqliteLog) -> None:
    """Halving does not overflow at the end of the numbers."""
    insert(log, (INTEGER_MAX - 5, 5), (INTEGER_MAX - 1, 6))
    assert seek(log, 6).first == INTEGER_MAX - 1


def test_a_mark_of_unknown_time_has_that_of_the_first_record(log: SqliteLog) -> None:
    """A gap is rather named than missed: up to the first record that is left, and for any time when none is."""
    insert(log, (1, 10), (2, 20), (3, 30))
    log.trim_to(1, Totals(0, 0))
    log.connection.execute("UPDATE mark SET trimmed_ms = NULL")
    assert [seek(log, time_ms).gone for time_ms in (10, 20, 21, 30)] == [True, True, False, False]
    log.connection.execute("DELETE FROM log")
    assert seek(log, 1000).gone


def test_a_mark_has_the_latest_time_that_went(log: SqliteLog) -> None:
    """Of times that stepped back the latest counts, also over several steps of trimming."""
    insert(log, (1, 50), (2, 20), (3, 30), (4, 60))
    log.trim_to(2, Totals(0, 0))
    log.trim_to(3, Totals(0, 0))
    assert [seek(log, time_ms).gone for time_ms in (50, 51)] == [True, False]


@pytest.fixture
async def upgraded(tmp_path: Path) -> SqliteStore:
    """A store on the log that the last version of schema 1 left, its clock at the last record."""
    unpack(1, tmp_path / "log")
    clock = Clock()
    store = SqliteStore(tmp_path / "log", FOREVER, now_ms=clock, ballast_bytes=4096)
    await store.open()
    return store


async def test_a_log_of_schema_1_is_taken_over(upgraded: SqliteStore) -> None:
    """Its records, its ends and its epoch are what they were; a time that stepped back is its predecessor's."""
    bounds = await upgraded.bounds()
    assert (bounds.trimmed.position, bounds.newest.position) == (5, 11)
    assert bounds.newest.epoch == "18f8sl0tp8sjv"
    times = [one.time_ms - START_MS for one in await everything(upgraded)]
    assert times == [40, 1040, 1040, 1040, 1050, 1060]
    (again,) = await put(upgraded, draft(data=b"40", keys=("k",), body=b"x"))
    assert again.position == 5
    await upgraded.close()


async def test_in_a_log_of_schema_1_a_gap_is_rather_named(upgraded: SqliteStore) -> None:
    """It does not know the time of its trim mark: up to the first record there is a gap, later there is none."""
    mark = (await upgraded.bounds()).trimmed
    for offset_ms in (0, 39, 40):
        assert (await upgraded.since(START_MS + offset_ms)).gap == Gap("trimmed", mark)
    for offset_ms, start in ((41, 6), (1040, 6), (1041, 9), (1060, 10), (1061, 11)):
        found = await upgraded.since(START_MS + offset_ms)
        assert (found.gap, found.start.position) == (None, start)
    await upgraded.close()


async def test_a_log_of_schema_1_goes_on_from_its_last_time(upgraded: SqliteStore) -> None:
    """What is appended after the upgrade is not earlier than what was there."""
    (cursor,) = await put(upgraded, draft())
    stored = await upgraded.get(cursor.position)
    assert stored is not None
    assert stored.time_ms == START_MS + 1060
    await upgraded.close()
