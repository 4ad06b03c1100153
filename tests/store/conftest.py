"""SQLite stores in a directory of the test's; whatever a test leaves open is closed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.contract.backends import FOREVER

from fast_sse.store.base import Retention
from fast_sse.store.sqlite.store import SqliteStore

Opener = Callable[..., Awaitable[SqliteStore]]


@pytest.fixture
async def open_store(tmp_path: Path) -> AsyncIterator[Opener]:
    opened: list[SqliteStore] = []

    async def open_store(retention: Retention = FOREVER, **options: Any) -> SqliteStore:
        store = SqliteStore(tmp_path / "log", retention, **{"retry_s": 0.0, "ballast_bytes": 4096, **options})
        await store.open()
        opened.append(store)
        return store

    yield open_store
    for store in opened:
        await store.close()
