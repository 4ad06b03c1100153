"""Reading the view on threads, and taking the file from under them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.store.kafka.entries import raw

from fast_sse.model.errors import UnavailableError
from fast_sse.store.base import Windows
from fast_sse.store.kafka.readers import DamagedError, ViewReaders
from fast_sse.store.kafka.view import View
from fast_sse.store.rows.log import SqliteLog


class Fixture:
    def __init__(self, directory: Path) -> None:
        self.view = View(directory / "view-a.db", Windows())
        self.view.open("e" * 13)
        self.damages = 0
        self.busy_at_damage: list[int] = []
        self.readers = ViewReaders(self.view.path, self.note)

    def note(self) -> None:
        self.damages += 1
        self.busy_at_damage.append(self.readers._busy)


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[Fixture]:
    found = Fixture(tmp_path)
    yield found
    await asyncio.to_thread(found.readers.close)
    found.view.close()


def newest(log: SqliteLog) -> int:
    return log.ends().newest


async def test_nobody_reads_a_view_that_is_being_made(made: Fixture) -> None:
    """Until the view is level, and again while it is made anew, reads are told to come later."""
    with pytest.raises(UnavailableError, match="being made"):
        await made.readers.run(newest)
    made.readers.resume()
    assert await made.readers.run(newest) == 0
    made.readers.suspend()
    with pytest.raises(UnavailableError, match="being made"):
        await made.readers.run(newest)


async def test_a_replaced_file_is_the_one_that_is_read(made: Fixture) -> None:
    """After suspend and resume no connection reads the old file under the new one's name."""
    made.view.fold([raw(0), raw(1)])
    made.readers.resume()
    assert await made.readers.run(newest) == 2
    made.readers.suspend()
    made.view.discard()
    made.view.open("f" * 13)
    made.view.fold([raw(0)])
    made.readers.resume()
    assert await made.readers.run(newest) == 1


async def test_suspending_waits_for_who_reads(made: Fixture) -> None:
    """The file is not taken from a read that is under way."""
    made.readers.resume()
    reading, go_on = threading.Event(), threading.Event()

    def slow(log: SqliteLog) -> int:
        reading.set()
        go_on.wait(10)
        return newest(log)

    read = asyncio.ensure_future(made.readers.run(slow))
    await asyncio.to_thread(reading.wait, 10)
    suspended = asyncio.ensure_future(asyncio.to_thread(made.readers.suspend))
    done, _ = await asyncio.wait({suspended}, timeout=0.05)
    assert not done
    go_on.set()
    assert await read == 0
    await suspended


async def test_one_read_is_one_snapshot(made: Fixture) -> None:
    """What is written meanwhile is not half seen."""
    made.readers.resume()

    def twice(log: SqliteLog) -> tuple[int, int]:
        before = newest(log)
        made.view.fold([raw(0)])
        return before, newest(log)

    assert await made.readers.run(twice) == (0, 0)
    assert await made.readers.run(newest) == 1


async def test_damage_is_reported(made: Fixture) -> None:
    """A view that holds what was never written to it, or that SQLite cannot read, is told to its keeper.

    While the file is still held: told later it would be said of the one that takes its place, which would go, too.
    """
    made.readers.resume()

    def damaged(_log: SqliteLog) -> int:
        raise DamagedError("broken")

    with pytest.raises(DamagedError):
        await made.readers.run(damaged)
    assert made.damages == 1
    await made.readers.run(newest)
    made.readers.suspend()
    made.view.discard()
    made.view.path.write_bytes(b"not a database" * 1000)
    made.readers.resume()
    with pytest.raises(UnavailableError):
        await made.readers.run(newest)
    assert made.damages == 2
    assert made.busy_at_damage == [1, 1]
