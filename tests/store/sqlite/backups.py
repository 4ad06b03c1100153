"""What tests of backups share: a log with something of everything, and a backup that is taken while others write."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.contract.asserting import put
from tests.contract.backends import draft
from tests.contract.letters.node import begun, poison

from fast_sse.model.cursor import Cursor
from fast_sse.store.sqlite.backup import back_up
from fast_sse.store.sqlite.store import SqliteStore
from fast_sse.store.sqlite.verify import Contents


def silent(_what: str, _percent: int) -> None:
    pass


async def fill(store: SqliteStore, count: int = 1000) -> list[Cursor]:
    """Messages in two channels with a key each, two dead letters, and a message that waits to be one."""
    (node,) = await begun(store, "a")
    cursors = await put(store, *(draft("ab"[n % 2], data=b'"%d"' % n, keys=(f"k{n}",)) for n in range(count)))
    await node.tell(cursors[1], due=cursors[:1], handed=cursors[1:2])
    await node.letters.keep(poison())
    return cursors


def rows(file: Path) -> dict[str, list[Any]]:
    """Every row of every table of a log."""
    with closing(sqlite3.connect(file)) as connection:
        named = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
        ).fetchall()
        return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for (name,) in named}


async def back_up_beside(store: SqliteStore, to: Path, *between: Callable[[], Awaitable[object]]) -> Contents:
    """A backup of an open store; what is to happen meanwhile happens between its first reads, one thing each."""
    loop, waiting = asyncio.get_running_loop(), list(between)

    def sleep(_seconds: float) -> None:
        if waiting:
            asyncio.run_coroutine_threadsafe(_awaited(waiting.pop(0)), loop).result()

    contents = await asyncio.to_thread(back_up, store._directory, to, silent, sleep=sleep)
    assert not waiting, "the backup was done before all of it happened"
    return contents


async def _awaited(what: Callable[[], Awaitable[object]]) -> None:
    await what()
