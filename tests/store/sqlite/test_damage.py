"""A log with malformed pages: what cannot be read is a gap, and never a stream that stands still."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.contract.asserting import put
from tests.contract.backends import FOREVER, draft

from fast_sse.model.channel import Channel, Filter
from fast_sse.model.cursor import Cursor
from fast_sse.model.errors import ConfigError, UnavailableError
from fast_sse.store.base import OvertakenError, Retention, Store
from fast_sse.store.sqlite.store import SqliteStore

RECORDS = 400
ALL = Filter.of(Channel("*", "*"))
ONE = Filter.of(Channel("a", "t"))

Damaged = Callable[..., Awaitable[SqliteStore]]


def pages_of(path: Path, name: str) -> tuple[int, list[int]]:
    """The size of a page, and the pages of a table or an index: its root first, leaves after it in their order."""
    connection = sqlite3.connect(path)
    size = connection.execute("PRAGMA page_size").fetchone()[0]
    (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    connection.close()
    content = path.read_bytes()
    found, queue = [], [root]
    while queue:
        page = queue.pop(0)
        found.append(page)
        at = (page - 1) * size
        kind, cells = content[at], int.from_bytes(content[at + 3 : at + 5])
        if kind in (2, 5):  # interior: the children of its cells, and the last one
            for cell in range(cells):
                start = at + int.from_bytes(content[at + 12 + 2 * cell : at + 14 + 2 * cell])
                queue.append(int.from_bytes(content[start : start + 4]))
            queue.append(int.from_bytes(content[at + 8 : at + 12]))
    return size, found


@pytest.fixture
async def damaged(tmp_path: Path) -> AsyncIterator[Damaged]:
    """A log of `RECORDS` records, some pages of which are overwritten while nobody has it open."""
    opened: list[Store] = []

    async def make(
        name: str, *which: int, retention: Retention = FOREVER, records: int = RECORDS
    ) -> SqliteStore:
        store = SqliteStore(tmp_path / "log", retention, ballast_bytes=4096)
        await store.open()
        for _ in range(records // 100):
            await put(store, *(draft(data=b'"%s"' % (b"x" * 300)) for _ in range(100)))
        await store.close()
        path = tmp_path / "log" / "log.db"
        size, pages = pages_of(path, name)
        with path.open("r+b") as file:
            for number in which:
                file.seek((pages[number] - 1) * size)
                file.write(b"\x55" * size)
        store = SqliteStore(tmp_path / "log", retention, ballast_bytes=4096)
        await store.open()
        opened.append(store)
        return store

    yield make
    for store in opened:
        await store.close()


async def replay(
    store: Store, wanted: Filter, after: Cursor, records_max: int = 50
) -> tuple[list[int], list[str]]:
    """Positions that come, and the gaps on the way; ends at the newest."""
    found: list[int] = []
    gaps: list[str] = []
    newest = (await store.bounds()).newest.position
    for _ in range(3 * RECORDS):
        page = await store.read(wanted, after, records_max, 1 << 20)
        if page.gap is not None:
            gaps.append(page.gap.reason)
        found += [record.position for record in page.records]
        assert page.through.position > after.position, "a stream that stands still"
        after = page.through
        if after.position >= newest:
            return found, gaps
    raise AssertionError("a stream that does not end")


@pytest.mark.parametrize("wanted", [ALL, ONE], ids=["all", "one channel"])
@pytest.mark.parametrize("which", [(1,), (9,), (20,), (9, 10, 20), (-2,)], ids=str)
async def test_a_page_of_records_is_a_gap(
    damaged: Damaged, wanted: Filter, which: tuple[int, ...], caplog: pytest.LogCaptureFixture
) -> None:
    """What is before it and what is behind it comes, in order; the gap is `unreadable`, logged, counted, and readiness knows."""
    store = await damaged("log", *which)
    start = (await store.bounds()).trimmed
    found, gaps = await replay(store, wanted, start)
    assert found == sorted(set(found))
    assert RECORDS - 15 * len(which) - 15 < len(found) < RECORDS
    assert set(gaps) == {"unreadable"}
    assert store.damaged
    assert {one.name: one.value for one in store.samples()}["log_unreadable_total"] == len(gaps)
    assert len([one for one in caplog.records if "log.db is damaged" in one.message]) == len(gaps)
    await replay(store, wanted, start)
    assert {one.name: one.value for one in store.samples()}["log_unreadable_total"] == len(gaps)


@pytest.mark.parametrize("which", [0, 1], ids=["root", "leaf"])
async def test_a_page_of_an_index_is_a_gap_for_its_channels(damaged: Damaged, which: int) -> None:
    """Whoever asks by the index is told; whoever reads the log itself has all of it."""
    records = 5 * RECORDS  # fewer have an index of one page
    store = await damaged("log_channel", which, records=records)
    start = (await store.bounds()).trimmed
    found, gaps = await replay(store, ONE, start)
    assert len(found) < records
    assert gaps
    assert set(gaps) == {"unreadable"}
    assert await replay(store, ALL, start) == (list(range(1, records + 1)), [])


async def test_where_the_next_row_would_go_nothing_begins(damaged: Damaged) -> None:
    """A log whose end is damaged cannot be gone on with: the start says so in one line."""
    with pytest.raises(ConfigError, match=r"log\.db is damaged"):
        await damaged("log", -1)


async def test_publishes_and_followers_go_on(damaged: Damaged) -> None:
    """The damaged log takes messages, and hands them on; a follower that comes to the damage is told."""
    store = await damaged("log", 9)
    newest = (await store.bounds()).newest
    follower = store.follow(newest)
    (cursor,) = await put(store, draft())
    assert [record.position for record in await anext(follower)] == [cursor.position]
    await follower.aclose()  # type: ignore[attr-defined]
    await store.ping()
    with pytest.raises(OvertakenError) as caught:
        async for _ in store.follow((await store.bounds()).trimmed):
            pass
    assert caught.value.gap.reason == "unreadable"


async def test_the_last_ones_and_a_time_are_found_or_a_gap(damaged: Damaged) -> None:
    """`last` and `since` over damage answer: with what can be read, or with a gap."""
    store = await damaged("log", -2)
    last = await store.last(ALL, 5)
    assert len(last.records) == 5 or last.gap is not None
    since = await store.since(1)
    assert since.gap is None or since.gap.reason == "unreadable"
    root = await damaged_channel_root(store)
    assert root.gap is not None


async def damaged_channel_root(store: SqliteStore) -> Any:
    """The last ones by an index whose connection says that it is damaged."""

    def broken(*_: object) -> None:
        error = sqlite3.DatabaseError("malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error

    log = store._readers._own() if store._readers else None
    assert log is not None
    log.nth_from_end = broken  # type: ignore[method-assign, assignment]
    return store._reading.last(log, (), 5, 1 << 20)


@pytest.mark.parametrize("where", [("log", 1), ("log_channel", 1)], ids=["records", "index"])
async def test_retention_stops_before_damage_and_publishes_go_on(
    damaged: Damaged, where: tuple[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    """What is damaged stays where it is: that is said, and nothing else ends with it."""
    name, page = where
    few = Retention(max_age_s=None, max_bytes=None, max_messages=10)
    store = await damaged(name, page, retention=few, records=5 * RECORDS)
    for _ in range(2):
        with pytest.raises(UnavailableError, match="cannot be deleted"):
            await store.trim()
    with pytest.raises(UnavailableError, match="cannot be deleted"):
        await store.erase(Channel("a", "t"))
    await put(store, draft("z"))
    await store.ping()
    assert caplog.text.count("retention and erasing cannot delete a damaged part") == 1
    assert store.damaged


async def test_a_row_number_that_changed_is_not_silent(damaged: Damaged) -> None:
    """A row that an index names and the table does not have is a gap where it was, for whoever asks by the index."""
    store = await damaged("log")
    await store.close()
    path = store._directory / "log.db"
    size, pages = pages_of(path, "log")
    content = bytearray(path.read_bytes())
    number = re.escape(b"\x81\x10")  # 144, as a cell's row number is written
    leaves = [at for at in ((page - 1) * size for page in pages) if content[at] == 13]
    at, found = next((at, found) for at in leaves if (found := re.search(number, content[at : at + size])))
    content[at + found.end() - 1] ^= 0x40
    path.write_bytes(content)
    store = SqliteStore(store._directory, FOREVER, ballast_bytes=4096)
    await store.open()
    positions, gaps = await replay(store, ONE, (await store.bounds()).trimmed)
    await store.close()
    assert "unreadable" in gaps
    assert RECORDS - 10 < len(positions) < RECORDS
