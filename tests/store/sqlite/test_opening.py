"""An opening that is given up: the thread cannot be stopped, and must not keep the directory."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from fast_sse.model.errors import HeldError
from fast_sse.store.sqlite.keeper import Keeper
from fast_sse.store.sqlite.store import SqliteStore


async def test_an_opening_that_is_given_up_lets_the_directory_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start that took too long is tried again in the same process, as soon as its thread is done."""
    opened, go_on, closed = threading.Event(), threading.Event(), threading.Event()
    open_files, close = SqliteStore._open_files, Keeper.close

    def slowly(store: SqliteStore, writer: Any) -> Any:
        found = open_files(store, writer)
        opened.set()
        go_on.wait(20)
        return found

    def told(keeper: Keeper, last_given: int) -> None:
        close(keeper, last_given)
        closed.set()

    with monkeypatch.context() as slow:
        slow.setattr(SqliteStore, "_open_files", slowly)
        given_up = asyncio.create_task(SqliteStore(tmp_path, ballast_bytes=4096).open())
        assert await asyncio.to_thread(opened.wait, 20)
    monkeypatch.setattr(Keeper, "close", told)
    given_up.cancel()
    await asyncio.wait([given_up])
    assert given_up.cancelled()
    again = SqliteStore(tmp_path, ballast_bytes=4096)
    with pytest.raises(HeldError):
        await again.open()
    go_on.set()
    assert await asyncio.to_thread(closed.wait, 20)
    await again.open()
    await again.close()
