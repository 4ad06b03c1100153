"""A hub on a memory store that can be told to fail, and a source's facts."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import msgspec
import pytest
from tests.support.redis_server import RedisServer, need_redis

from fast_sse.hub.hub import Hub
from fast_sse.model.channel import Channel, Filter
from fast_sse.model.errors import FastSseError
from fast_sse.model.limits import Limits
from fast_sse.model.message import Draft, Record
from fast_sse.observe.observer import Fact
from fast_sse.store.base import Outcome
from fast_sse.store.memory import MemoryStore

EVERYTHING = Filter.of(Channel("*", "*"))
#: Waits that a person does not notice.
LIMITS = msgspec.structs.replace(
    Limits(), retry_store_s=0.01, retry_store_s_max=0.05, ingest_lease_s=0.6, ingest_entries_max=10
)
WITHIN_S = 10.0


class Facts:
    """An observer that keeps what it was told and wakes who waits for it."""

    def __init__(self) -> None:
        self.told: list[Fact] = []

    def notify(self, fact: Fact) -> None:
        self.told.append(fact)

    def of(self, kind: type[Fact]) -> list[Any]:
        """The facts of one kind."""
        return [fact for fact in self.told if isinstance(fact, kind)]


class FailingStore(MemoryStore):
    """A memory store whose next appends fail as they are told."""

    def __init__(self) -> None:
        super().__init__()
        #: Errors of the next appends, one each; `stores` says whether the drafts are stored all the same.
        self.errors: list[FastSseError] = []
        self.stores = False
        self.down: FastSseError | None = None
        self.appends: list[int] = []

    def append(self, drafts: Sequence[Draft]) -> asyncio.Future[list[Outcome]]:
        self.appends.append(len(drafts))
        error = self.errors.pop(0) if self.errors else self.down
        if error is None:
            return super().append(drafts)
        if self.stores:
            super().append(drafts)
        failed: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
        failed.set_result([error] * len(drafts))
        return failed

    async def records(self) -> list[Record]:
        """The whole log."""
        start = (await self.bounds()).trimmed
        return (await self.read(EVERYTHING, start, 1_000_000, 1 << 30)).records

    async def payloads(self) -> list[Any]:
        """The data of the whole log, in its order."""
        return [json.loads(record.data) for record in await self.records()]


@pytest.fixture
def facts() -> Facts:
    return Facts()


@pytest.fixture
async def store() -> AsyncIterator[FailingStore]:
    store = FailingStore()
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def hub(store: FailingStore, facts: Facts) -> AsyncIterator[Hub]:
    hub = make_hub(store, facts)
    await hub.start()
    yield hub
    await hub.close()


def make_hub(store: FailingStore, facts: Facts, limits: Limits = LIMITS) -> Hub:
    """A hub on the loop that runs, not yet started."""
    return Hub(store, limits, facts, now_ms=lambda: time.time_ns() // 1_000_000, rng=random.Random(1))


def package(data: Any, **more: Any) -> bytes:
    """What a producer of the original writes."""
    whole = {"event_id": "car0", "event_type": "sold", "event_name": "CarSold", "data": data, **more}
    return json.dumps({name: value for name, value in whole.items() if value is not ...}).encode()


async def until(true: Callable[[], Any], within_s: float = WITHIN_S) -> None:
    """Wait until something is so; what it looks at changes on a socket's other end or in a thread."""
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110  nothing announces it
            await asyncio.sleep(0.005)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One server for the tests of a module that let it live; each uses a queue of its own."""
    need_redis()
    with RedisServer(tmp_path_factory.mktemp("redis")) as running:
        yield running


_numbers = itertools.count()


@pytest.fixture
def queue() -> str:
    return f"sse:events:{next(_numbers)}"
