"""The threads that read; what they meet in a damaged log is in `test_damage`."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest
from tests.contract.asserting import EVERYTHING, everything, page, put
from tests.contract.backends import draft
from tests.store.conftest import Opener
from tests.store.failing import sqlite_error

from fast_sse.model.channel import Channel, Filter
from fast_sse.model.errors import UnavailableError
from fast_sse.store.base import Retention
from fast_sse.store.ranges import Range
from fast_sse.store.rows.connect import _READER_STATEMENTS
from fast_sse.store.rows.log import SqliteLog
from fast_sse.store.rows.statements import Way, whole_sql


async def test_a_read_that_fails_is_unavailable(open_store: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors of SQLite do not cross the boundary of the store."""
    store = await open_store()

    def broken(*_: object) -> None:
        raise sqlite_error(sqlite3.SQLITE_IOERR_READ)

    monkeypatch.setattr("fast_sse.store.rows.log.SqliteLog.page", broken)
    with pytest.raises(UnavailableError, match="cannot be read"):
        await page(store, (await store.bounds()).newest)


async def test_a_defect_in_reading_is_unavailable(
    open_store: Opener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever reading raises, the caller is told to try again, and the log says what it was."""
    store = await open_store()

    def defect(*_: object) -> None:
        raise ZeroDivisionError("never expected")

    monkeypatch.setattr("fast_sse.store.rows.log.SqliteLog.page", defect)
    with pytest.raises(UnavailableError, match="cannot be read"):
        await page(store, (await store.bounds()).newest)
    assert "a defect in reading log.db" in caplog.text


async def test_readers_and_the_writer_do_not_disturb_each_other(open_store: Opener) -> None:
    """While publishers append, every page is a clean prefix: nothing smaller appears behind a place once read."""
    store = await open_store()
    start = (await store.bounds()).newest
    done = False

    async def publish(name: int) -> None:
        for number in range(40):
            await put(store, draft(data=b"%d-%d" % (name, number)))

    async def read() -> list[int]:
        found: list[int] = []
        place = start
        while True:
            last = done
            one = await store.read(EVERYTHING, place, 50, 1 << 20)
            assert one.gap is None
            assert all(record.position > place.position for record in one.records)
            found += [record.position for record in one.records]
            place = one.through
            if last and not one.records:
                return found

    readers = [asyncio.ensure_future(read()) for _ in range(3)]
    await asyncio.gather(*(publish(name) for name in range(8)))
    done = True
    expected = [record.position for record in await everything(store)]
    assert len(expected) == 320
    for reader in readers:
        assert await reader == expected


async def test_many_mixtures_of_channels_keep_few_statements(open_store: Opener) -> None:
    """A statement for each mixture of 64 channels would hold 200 MiB: each reader keeps as many as it may, and no more."""
    store = await open_store()
    await put(store, draft())
    for number in range(80):
        wanted = Filter.of(
            *(Channel(f"{number}-{one}" if one % 2 else "*", f"{one}") for one in range(number % 64 + 1))
        )
        await store.read(wanted, (await store.bounds()).trimmed, 10, 1000)
    assert whole_sql.cache_info().currsize <= len(Way)
    assert _READER_STATEMENTS <= 32


async def test_the_last_ones_raced_by_retention_are_no_gap(
    open_store: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trimmed between the two looks, the first of the last ones is gone: it is looked again, and who asks for the last is told none."""
    store = await open_store()
    await put(store, *(draft() for _ in range(10)))
    looked: list[int] = []
    nth_from_end = SqliteLog.nth_from_end

    def raced(log: SqliteLog, wanted: tuple[Range, ...], count: int) -> tuple[int | None, int]:
        found = nth_from_end(log, wanted, count)
        looked.append(found[0] or 0)
        assert store._keeper is not None
        store._keeper.trim(Retention(max_age_s=None, max_bytes=None, max_messages=2), 0)
        return found

    monkeypatch.setattr(SqliteLog, "nth_from_end", raced)
    last = await store.last(EVERYTHING, 5)
    assert (last.gap, [one.position for one in last.records]) == (None, [9, 10])
    assert looked == [6, 9]
