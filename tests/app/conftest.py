"""A whole node in this process, over a store that opens, answers and closes when the test says so."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest
from tests.support.http1 import Address, Connection, Reply, request
from tests.support.sign import SECRET, v1

from fast_sse.app import App
from fast_sse.config import Config, load
from fast_sse.model.message import Draft
from fast_sse.node import Node
from fast_sse.observe.logging import make_log
from fast_sse.parts import make_sources
from fast_sse.store.base import Bounds, Outcome
from fast_sse.store.memory.store import MemoryStore

PUBLISH = "/v1/sse/events/carid000001/types/cart_changed"
SUBSCRIBE = "/v1/subscribe/events/carid000001/types/cart_changed"
SIGNED = {"x-signature": v1("carid000001", "cart_changed"), "Content-Type": "application/json"}
BODY = b'{"data": {"quantity": 2}}'


class StubbornStore(MemoryStore):
    """A store that opens, answers and closes when the test says so.

    Attributes:
        error: what `open` raises, for as long as it is set.
        silent: how often `bounds` still fails.
        opens, appends: how often each was called.
        tried: set whenever `open` is called.
        opening: what `open` waits for, when it is set.
        held: what `append` waits for, when it is set.
    """

    def __init__(self) -> None:
        super().__init__()
        self.error: Exception | None = None
        self.silent: list[Exception] = []
        self.opens = self.appends = 0
        self.tried = asyncio.Event()
        self.opening: asyncio.Event | None = None
        self.held: asyncio.Event | None = None
        self.closed = False

    async def open(self) -> None:
        """Fail for as long as there is an error."""
        self.opens += 1
        self.tried.set()
        if self.opening is not None:
            await self.opening.wait()
        if self.error:
            raise self.error
        await super().open()

    async def bounds(self) -> Bounds:
        """Fail as often as there is an error for it."""
        if self.silent:
            raise self.silent.pop()
        return await super().bounds()

    def append(self, drafts: Sequence[Draft]) -> asyncio.Future[list[Outcome]]:
        """Wait for `held`, when it is set."""
        self.appends += 1
        if self.held is None:
            return super().append(drafts)
        return asyncio.ensure_future(self._later(self.held, drafts))

    async def _later(self, held: asyncio.Event, drafts: Sequence[Draft]) -> list[Outcome]:
        await held.wait()
        return await super().append(drafts)

    async def close(self) -> None:
        """Close and remember it."""
        self.closed = True
        await super().close()


class Running:
    """A node that runs in a task of this loop.

    Attributes:
        settings: reads the settings at a reload.
        ends: how often the process would have been ended at once.
    """

    def __init__(
        self, config: Config, store: StubbornStore, *, demo: bool = False, missed: bool = False
    ) -> None:
        self.log = io.StringIO()
        self.ready: asyncio.Future[tuple[Address, Address]] = asyncio.get_running_loop().create_future()
        self.settings: Callable[[], Config] = lambda: config
        self.ends = 0
        self.node = Node(config, store, make_sources(config), make_log("debug", self.log), demo=demo)
        self.app = App(
            self.node,
            self.announce,
            reload=lambda: self.settings(),  # noqa: PLW0108  a test may change it
            missed_reload=lambda: missed,
            end_at_once=self._end,
        )
        self.task = asyncio.create_task(self.app.run())

    def announce(self, public: str, admin: str) -> None:
        """Take note of the addresses."""
        self.ready.set_result((address_of(public), address_of(admin)))

    def _end(self) -> None:
        self.ends += 1

    async def addresses(self) -> tuple[Address, Address]:
        """Public and admin, once the node says that it is ready."""
        futures: set[asyncio.Future[Any]] = {self.ready, self.task}
        await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
        if not self.ready.done():
            await self.task
        return self.ready.result()

    async def admin(self) -> Address:
        """The operators' listener, which answers before the node is ready."""

        async def started() -> bool:
            return bool(self.lines("start"))

        await until(started)
        (line,) = self.lines("start")
        return address_of(line["admin"])

    def lines(self, event: str) -> list[dict[str, Any]]:
        """Log lines with this event."""
        lines = map(json.loads, self.log.getvalue().splitlines())
        return [line for line in lines if line["event"] == event]


#: `start(setting=...)` runs a node with quick limits.
Start = Callable[..., Running]


@pytest.fixture
def store() -> StubbornStore:
    """What the first node of the test stands on; each other one has a store of its own."""
    return StubbornStore()


@pytest.fixture
async def start(store: StubbornStore, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Start]:
    """`start(setting=...)` runs a node with quick limits; all are stopped later."""
    monkeypatch.setenv("FAST_SSE_AUTH__SECRET", SECRET)
    monkeypatch.setenv("FAST_SSE_LIMITS__RETRY_STORE_S", "0.01")
    running: list[Running] = []

    def run(*, demo: bool = False, missed: bool = False, **flags: Any) -> Running:
        settings = {"port": 0, "admin_port": 0, "store": "memory", "drain_s": 0.05, **flags}
        own = StubbornStore() if running else store
        running.append(Running(load(None, settings), own, demo=demo, missed=missed))
        return running[-1]

    yield run
    for one in running:
        if not one.task.done():
            if one.node.state != "draining":
                one.app.stop()
            for event in (store.opening, store.held):
                if event is not None:
                    event.set()
            await one.task


def address_of(text: str) -> Address:
    """Host and port of an address as the log and the ready line show it."""
    host, _, port = text.rpartition(":")
    return host, 0 if host == "unix" else int(port)


async def ask(address: Address, path: str) -> Reply:
    """A GET without credentials."""
    return await request(address, "GET", path)


async def refused(address: Address) -> bool:
    """Whether an address takes no connection; one that the closing listener had not accepted yet is reset."""
    try:
        async with await Connection.open(address):
            return False
    except (ConnectionRefusedError, ConnectionResetError):
        return True


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask again, turn by turn, until the answer is yes."""
    async with asyncio.timeout(10):
        while not await condition():  # noqa: ASYNC110  what it asks is on the other end of a socket
            await asyncio.sleep(0.005)
