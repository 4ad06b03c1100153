"""Each number of the log, moved."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.app.conftest import StubbornStore
from tests.numbers.conftest import CAR, Watch
from tests.support.http1 import request
from tests.support.publisher import publish_target, signed
from tests.support.redis_server import RedisServer, need_redis

from fast_sse.store.base import Windows
from fast_sse.store.memory.store import MemoryStore

pytestmark = [pytest.mark.wire, pytest.mark.slow]


async def test_a_stored_message_is_counted(watch: Watch) -> None:
    """Its outcome, its commit, and that the follower took it; with SQLite also the write-ahead log."""
    watched = await watch(store="sqlite")
    async with watched.moves(
        "publishes_total", "commit_seconds", "commit_messages", "records_total", "log_wal_bytes"
    ):
        await watched.publish()
    await watched.tells("publishes_total", 1, outcome="stored")


async def test_a_message_that_waits_for_the_store_is_counted(watch: Watch) -> None:
    """Until the store answers, with its size."""
    store = StubbornStore()
    watched = await watch(store)
    store.held = asyncio.Event()
    async with watched.moves("publishes_pending", "publishes_pending_bytes"):
        publish = asyncio.create_task(watched.publish())
    store.held.set()
    assert (await publish).status == 200


async def test_a_long_line_is_counted(watch: Watch) -> None:
    """A message whose line some clients cannot read."""
    watched = await watch(limits={"line_bytes_warn": 100})
    async with watched.moves("long_lines_total"):
        await watched.publish("x" * 200)


async def test_a_follower_that_lags_is_seen(watch: Watch) -> None:
    """While more waits for its flush than may, it takes nothing, and the log grows."""
    watched = await watch(limits={"flush_bytes_max": 1, "pending_bytes_max": 1})
    await watched.listen()
    async with watched.moves("follower_level", "follower_lag_positions"):
        batch = asyncio.create_task(watched.publish_batch(3000))
    assert (await batch).status == 200
    await watched.clients[0].until(lambda: len(watched.clients[0].seen) >= 3000)


async def test_retention_is_counted(watch: Watch) -> None:
    """Entries that it removed."""
    watched = await watch(
        retention={"max_messages": 5}, dead_letters={"enabled": False}, limits={"trim_interval_s": 0.05}
    )
    async with watched.moves("trimmed_total"):
        await watched.publish_batch(20)


async def test_keys_that_are_forgotten_early_are_counted(watch: Watch) -> None:
    """More of them came within their window than are kept."""
    store = MemoryStore(windows=Windows(keys_max=2))
    watched = await watch(store, limits={"trim_interval_s": 0.05})
    async with watched.moves("keys_cut_total"):
        for number in range(5):
            headers = {
                **signed(CAR),
                "content-type": "application/json",
                "idempotency-key": f"k{number}",
            }
            await request(watched.public, "POST", publish_target(CAR), headers, b'{"data": 1}')


async def test_a_store_that_goes_away_is_seen(watch: Watch, tmp_path: Path) -> None:
    """A publish would not be stored, the log is not read, and each attempt to read it again is counted; then all is well."""
    need_redis()
    with RedisServer(tmp_path / "redis", persistence="always") as server:
        quick = {"retry_store_s": 0.05, "retry_store_s_max": 0.1}
        watched = await watch(store="redis", redis={"url": server.url}, limits=quick)
        await watched.tells("store_up", 1)
        async with watched.moves("store_up", "following", "follower_restarts_total"):
            server.kill()
        async with watched.moves("store_up", "following"):
            server.start()
