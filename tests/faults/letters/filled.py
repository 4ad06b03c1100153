"""A log with messages, or with dead letters, that no node of the run made: a store of this process puts them there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.faults.cluster.nodes import Log
from tests.faults.letters.run import LONELY
from tests.support.server import SETTINGS

from fast_sse.config import load
from fast_sse.model.channel import Channel
from fast_sse.model.cursor import Cursor
from fast_sse.model.message import Draft
from fast_sse.parts import make_store
from fast_sse.store.base import Appended, Store
from fast_sse.store.letters import DUE_MAX, Due, Turn

#: So that neither age nor size takes what was put there.
KEPT = {
    "FAST_SSE_RETENTION__MAX_AGE_S": "0",
    "FAST_SSE_RETENTION__MAX_BYTES": "0",
    "FAST_SSE_DEAD_LETTERS__MAX_COUNT": "1000000",
}
_HEADERS = b'{"send_time":"2026-01-01 00:00:00.000"}'


def settings_on(log: Log, directory: Path) -> dict[str, str]:
    """What leads a node to a log that was filled: a file is where the filler had it."""
    return {**KEPT, "FAST_SSE_DATA_DIR": str(directory / "filler")} if log.store == "sqlite" else KEPT


@asynccontextmanager
async def _opened(log: Log, directory: Path) -> AsyncIterator[Store]:
    settings = {
        **SETTINGS,
        **log.settings,
        **KEPT,
        "FAST_SSE_STORE": log.store,
        "FAST_SSE_NODE": "filler",
        "FAST_SSE_DATA_DIR": str(directory / "filler"),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        store = make_store(load())
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def _append(store: Store, count: int) -> Sequence[Cursor]:
    draft = Draft(channel=Channel(*LONELY), data=b'{"n":1}', headers=_HEADERS)
    outcomes = await store.append([draft] * count)
    return [outcome.cursor for outcome in outcomes if isinstance(outcome, Appended)]


async def with_messages(log: Log, directory: Path, count: int) -> Cursor:
    """Messages of a version that knew no dead letters, so no process ever began; the newest."""
    newest = Cursor("", "", 0)
    async with _opened(log, directory) as store:
        for _ in range(0, count, DUE_MAX):
            newest = (await _append(store, DUE_MAX))[-1]
    return newest


async def with_letters(log: Log, directory: Path, count: int) -> list[str]:
    """Dead letters of a process that said goodbye; their ids, the oldest first."""
    ids: list[str] = []
    async with _opened(log, directory) as store:
        seen = (await store.letters.begin("filler", "1")).seen
        for number, at in enumerate(range(0, count, DUE_MAX), 1):
            cursors = await _append(store, DUE_MAX)
            newest = cursors[-1].position
            turn = Turn(
                node="filler",
                start="1",
                number=number,
                every_ms=1000,
                grace_s=1.0,
                through=newest,
                decided=newest,
                seen=seen,
                due=[Due(cursor.position, cursor.fingerprint) for cursor in cursors],
                goodbye=at + DUE_MAX >= count,
            )
            seen = (await store.letters.settle(turn)).seen
            ids += [cursor.text for cursor in cursors]
    return ids
