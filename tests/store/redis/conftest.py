"""Logs in a real redis-server: the shared one under a prefix of their own, or a server that the test may hurt."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.contract.backends import FOREVER
from tests.contract.redis_place import shared_server
from tests.support.redis_server import RedisServer, need_redis

from fast_sse.model.cursor import Cursor
from fast_sse.model.errors import StoreClosedError, UnavailableError
from fast_sse.model.message import Record
from fast_sse.store.base import Gap, OvertakenError
from fast_sse.store.redis.store import Deadlines, RedisStore
from fast_sse.store.redis.wire import Wire

_T = TypeVar("_T")

#: A silent log is looked at soon. A server has long to answer, however busy the machine is: a test that needs the end of
#: a deadline brings it about with `out_of_time`.
PATIENT = Deadlines(connect_s=30.0, answer_s=30.0, block_ms=200)
#: The same for tests that count what a server is asked: a reader that has waited in vain asks a script where it stands.
QUIET = Deadlines(connect_s=30.0, answer_s=30.0, block_ms=60_000)
_numbers = itertools.count()


@pytest.fixture
def redis_server() -> RedisServer:
    """The server that this worker's tests share; nobody hurts it."""
    need_redis()
    return shared_server()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server that the test may kill and fill."""
    need_redis()
    with RedisServer(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def prefix() -> str:
    """Of a log that nobody else has."""
    return f"log-{next(_numbers)}"


class OpenRedis:
    """Opens nodes on this test's log. As a context it closes them before what they are connected to goes away."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._opened: list[RedisStore] = []

    async def __call__(self, url: str, **options: Any) -> RedisStore:
        options = {"prefix": self._prefix, "deadlines": PATIENT, "retention": FOREVER, **options}
        store = RedisStore(url, **options)
        self._opened.append(store)
        await store.open()
        return store

    async def __aenter__(self) -> None:
        """Nothing to do."""

    async def __aexit__(self, *_: object) -> None:
        for store in self._opened:
            await store.close()


@pytest.fixture
async def open_redis(prefix: str) -> AsyncIterator[OpenRedis]:
    """A function that opens one more node on this test's log; all are closed at the end."""
    nodes = OpenRedis(prefix)
    async with nodes:
        yield nodes


@pytest.fixture
async def store(redis_server: RedisServer, open_redis: OpenRedis) -> RedisStore:
    """A node on the shared server."""
    return await open_redis(redis_server.url)


@pytest.fixture
async def quiet_store(redis_server: RedisServer, open_redis: OpenRedis) -> RedisStore:
    """The same, whose reader asks for nothing by itself within a test."""
    return await open_redis(redis_server.url, deadlines=QUIET)


async def heard(store: RedisStore, after: Cursor, count: int, seconds: float = 20.0) -> list[Record]:
    """The next records of a follower that, as the hub's does, waits out a server that is away."""
    found: list[Record] = []
    async with asyncio.timeout(seconds):
        while True:
            try:
                async for group in store.follow(after):
                    found += group
                    after = after.at(group[-1].position, group[-1].fingerprint)
                    if len(found) >= count:
                        return found
            except (OvertakenError, StoreClosedError):
                raise
            except UnavailableError:
                await asyncio.sleep(0.02)


async def level(store: RedisStore, cursor: Cursor) -> None:
    """Wait until this node's own reader has come to a place."""
    async with asyncio.timeout(10):
        while store._reader is None or store._reader.level != cursor:  # noqa: ASYNC110  it tells nobody else
            await asyncio.sleep(0.001)


async def out_of_time(wire: Wire) -> None:
    """The deadline of what was sent on a connection is over, and the connection with it."""
    wire._answer_s = 0
    wire._look()
    await wire.lost


async def at_once(answer: Awaitable[_T]) -> _T:
    """What is answered within a few turns of the loop: nothing is waited for."""
    task = asyncio.ensure_future(answer)
    for _ in range(5):
        await asyncio.sleep(0)
    assert task.done(), "it waits for something"
    return task.result()


async def overtaken(store: RedisStore, after: Cursor) -> Gap:
    """The gap that such a follower is told at this place."""
    try:
        raise AssertionError(f"went on with {await heard(store, after, 1)}")
    except OvertakenError as error:
        return error.gap


async def expect_down(store: RedisStore, after: Cursor) -> None:
    """A follower ends with the word that nothing comes for now."""
    with pytest.raises(UnavailableError):
        await asyncio.wait_for(anext(store.follow(after)), 20)


@asynccontextmanager
async def reconnecting(*stores: RedisStore) -> AsyncIterator[None]:
    """What is done inside cuts every connection of these nodes; afterwards all are connected anew."""
    links = [link for store in stores for link in (store._writes, store._reads, store._follows)]
    wires = [await link.connected() for link in links]
    yield
    for wire in wires:
        await wire.lost
    for link in links:
        await link.connected()
