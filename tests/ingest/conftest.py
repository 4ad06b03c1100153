"""A hub on a memory store that can be told to fail, a source's facts, and a queue in Redis with its sources."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from typing import Any

import msgspec
import pytest
from tests.support.redis_server import RedisServer, need_redis

from fast_sse.hub.hub import Hub
from fast_sse.hub.letters import LetterDesk
from fast_sse.hub.replays import ReplayDrafts
from fast_sse.ingest.poison import imported, reread
from fast_sse.ingest.redis_hole import numbers
from fast_sse.ingest.redis_stream import RedisStream, _NoGroupError
from fast_sse.model.channel import Channel, Filter
from fast_sse.model.errors import FastSseError
from fast_sse.model.letter import Letter, Poison
from fast_sse.model.limits import Limits
from fast_sse.model.message import Draft, Record
from fast_sse.observe.observer import Fact
from fast_sse.store.base import Outcome
from fast_sse.store.letters import LetterBounds, Wanted
from fast_sse.store.memory.letters import MemoryLetters
from fast_sse.store.memory.store import MemoryStore

EVERYTHING = Filter.of(Channel("*", "*"))
#: Waits that a person does not notice, and a lease that a busy machine does not outlive.
LIMITS = msgspec.structs.replace(
    Limits(), retry_store_s=0.01, retry_store_s_max=0.05, ingest_lease_s=2.0, ingest_entries_max=10
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


class FailingLetters(MemoryLetters):
    """Letters whose next poison fails as it is told."""

    #: The error of each poison; `stores` says whether it is kept all the same.
    down: FastSseError | None = None
    stores = False
    asked = 0

    async def keep(self, poison: Poison) -> bool:
        self.asked += 1
        if self.down is None:
            return await super().keep(poison)
        if self.stores:
            await super().keep(poison)
        raise self.down


class FailingStore(MemoryStore):
    """A memory store whose next appends fail as they are told."""

    def __init__(self, letters: LetterBounds = LetterBounds()) -> None:  # noqa: B008 - frozen
        super().__init__()
        self._letters = self.dead = FailingLetters(
            self._origin, letters, self._log.get, lambda: self._log.newest, self._pace.read
        )
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

    async def poison(self) -> list[Letter]:
        """The dead letters, whole, in the order of their places in the queue."""
        heads = (await self.letters.list(Wanted(), "", 1000)).items
        found = [await self.letters.get(head.id) for head in heads]
        return sorted((one for one in found if one is not None), key=_place)


def _place(letter: Letter) -> tuple[int, ...]:
    assert letter.source is not None
    return tuple(map(int, letter.source.place.split("-")))


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


def desk_of(hub: Hub, facts: Facts) -> LetterDesk:
    """What operators do with the letters of a hub, under the limits of these tests."""
    drafts = ReplayDrafts(lambda _channel: None, lambda letter: reread(letter, LIMITS), 604_800.0, time.time)
    return LetterDesk(
        hub.store.letters,
        hub.publish,
        facts,
        drafts,
        lambda source, raw: imported(source, raw, LIMITS, "node"),
        lambda: hub.dead_letters.waiting,
    )


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


class Queue:
    """A queue as its producers and its operator see it."""

    def __init__(self, server: RedisServer, name: str) -> None:
        self.server = server
        self.name = name

    def do(self, command: str, *words: Any) -> Any:
        return self.server.do(command, self.name, *words)

    def add(self, *data: Any, field: str = "car0") -> None:
        """Plain XADD, as the original's producers do it."""
        for value in data:
            self.do("XADD", "*", field, package(value))

    def add_raw(self, *words: Any) -> bytes:
        """XADD of fields and values as they are; the entry's id."""
        added: bytes = self.do("XADD", "*", *words)
        return added

    @property
    def pending(self) -> int:
        return int(self.do("XPENDING", "fast-sse")["pending"])

    def take(self, count: int) -> None:
        """Take entries and never acknowledge them: what a reader that crashed has done."""
        self.server.do("XGROUP", "CREATE", self.name, "fast-sse", "0", "MKSTREAM")
        group = ("GROUP", "fast-sse", "somebody")
        self.server.do("XREADGROUP", *group, "COUNT", count, "STREAMS", self.name, ">")


Make = Callable[..., RedisStream]


@pytest.fixture
def foreign(server: RedisServer, queue: str) -> Queue:
    return Queue(server, queue)


@pytest.fixture
async def make(server: RedisServer, queue: str, hub: Hub, facts: Facts) -> AsyncIterator[Make]:
    """`make()` starts a source on the queue of the test; all are stopped later."""
    sources: list[RedisStream] = []

    def made(url: str = server.url, node: str = "node-1", hub: Hub = hub) -> RedisStream:
        source = RedisStream(url, queue, "fast-sse", node, hub, facts)
        sources.append(source)
        source.start()
        return source

    yield made
    for source in sources:
        await source.stop()


class Reader:
    """A source that takes when it is told to."""

    def __init__(self, server: RedisServer, queue: str, hub: Hub, facts: Facts) -> None:
        self._made = partial(RedisStream, server.url, queue, "fast-sse", "node", hub, facts)
        self._source = self._made()

    async def take(self) -> list[int]:
        """A batch, as the source takes it."""
        assert await self._source._lease.acquire()
        try:
            found = await self._source._take()
        except _NoGroupError:
            await self._source._make_group()
            found = await self._source._take()
        return [numbers(place)[0] for place, _ in found]

    async def take_and_die(self) -> list[int]:
        """A batch, by a reader that is killed, or cut off, before it tells anything."""
        assert await self._source._lease.acquire()
        words = (self._source._group, "hub", LIMITS.ingest_entries_max)
        taken, *_ = await self._source._lease.run_script("take.lua", *words)
        return [numbers(place)[0] for place, _ in taken]

    async def restart(self) -> None:
        """Another process, without memory."""
        await self.close()
        self._source = self._made()

    async def close(self) -> None:
        """The end of it."""
        await self._source._lease.release()
        await self._source._client.aclose()


@pytest.fixture
async def reader(server: RedisServer, queue: str, store: FailingStore, facts: Facts) -> AsyncIterator[Reader]:
    limits = msgspec.structs.replace(LIMITS, ingest_lease_s=600.0)  # nothing renews it between two takes
    reader = Reader(server, queue, make_hub(store, facts, limits), facts)
    yield reader
    await reader.close()


@pytest.fixture
def fill(foreign: Queue) -> Callable[[int, int], None]:
    """`fill(1, 5)` adds the entries 1-0 to 5-0."""

    def filled(first: int, last: int) -> None:
        for entry in range(first, last + 1):
            foreign.do("XADD", f"{entry}-0", "car0", package(entry))

    return filled
