"""Each number of a foreign queue, moved: a stream of a real Redis."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.app.conftest import StubbornStore
from tests.numbers.conftest import Watch
from tests.support.redis_server import RedisServer, need_redis

from fast_sse.model.errors import NotStoredError
from fast_sse.model.message import Draft
from fast_sse.store.base import Outcome

pytestmark = [pytest.mark.wire, pytest.mark.slow]

PACKAGE = json.dumps({"event_type": "sold", "data": 1, "idempotency_key": "k"})


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of the test's own."""
    need_redis()
    with RedisServer(tmp_path / "redis") as server:
        yield server


class Unwilling(StubbornStore):
    """A store that takes nothing while it is told so."""

    refuses = False

    def append(self, drafts: Sequence[Draft]) -> asyncio.Future[list[Outcome]]:
        """Refuse, or store."""
        if not self.refuses:
            return super().append(drafts)
        refused: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
        refused.set_result([NotStoredError("not now")] * len(drafts))
        return refused


async def test_a_queue_is_counted(watch: Watch, redis: RedisServer) -> None:
    """That it is read, what was taken, what was known, and what is no message."""
    watched = await watch(ingest={"redis_stream": {"url": redis.url}})
    async with watched.moves("ingest_taken_total", "ingest_duplicates_total"):
        for _ in range(2):
            redis.do("XADD", "sse:events", "*", "car", PACKAGE)
    async with watched.moves("ingest_poison_total"):
        redis.do("XADD", "sse:events", "*", "car", "no message")
    async with watched.moves("ingest_reading"):
        redis.kill()


async def test_a_queue_that_is_held_up_is_counted(watch: Watch, redis: RedisServer) -> None:
    """Attempts that the store did not take, and the entries that wait meanwhile; and those that the queue let go."""
    store = Unwilling()
    quick = {"retry_store_s": 0.01, "retry_store_s_max": 0.02, "ingest_entries_max": 1}
    store.refuses = True
    for _ in range(5):
        redis.do("XADD", "sse:events", "*", "car", PACKAGE)
    watched = await watch(store, ingest={"redis_stream": {"url": redis.url}}, limits=quick)
    async with watched.moves("ingest_held_up_total"):
        pass
    async with watched.moves("ingest_gone_total", "ingest_lag"):
        redis.do("XTRIM", "sse:events", "MAXLEN", "1")
        store.refuses = False
