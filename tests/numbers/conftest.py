"""A whole node in this process, and its scrape before and after something: what a test does must move its numbers.

Each call of `moves` and `tells` names the numbers that it proves; tests/numbers/test_table.py reads those names, and holds
them against docs/metrics.md.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from tests.app.conftest import address_of
from tests.support.http1 import Address, Reply, request
from tests.support.publisher import Pair, publish_once, signed, subscribe_target
from tests.support.sign import KEY, KID, SECRET, v2
from tests.support.sse import Client

from fast_sse.app import App
from fast_sse.config import load
from fast_sse.node import Node
from fast_sse.observe.logging import make_log
from fast_sse.observe.metrics import Sampler
from fast_sse.observe.observer import Observer
from fast_sse.parts import make_sources, make_store
from fast_sse.store.base import Store

CAR: Pair = ("car", "sold")
#: How long a number may take to move; none takes a hundredth of that.
MOVE_S = 10.0

#: The value of each series: by its name without the prefix, and its labels but for the node.
Scrape = dict[str, dict[tuple[tuple[str, str], ...], float]]


def read(text: str) -> tuple[Scrape, dict[str, Metric]]:
    """A scrape by Prometheus' own parser: the series of each number, and its family. A histogram's are how many it counted."""
    families = {family.name: family for family in text_string_to_metric_families(text)}
    found: Scrape = {}
    for family in families.values():
        for sample in family.samples:
            labels = {name: value for name, value in sample.labels.items() if name != "node"}
            if family.type != "histogram" or sample.name.endswith("_count"):
                name = family.name if family.type == "histogram" else sample.name
                found.setdefault(name.removeprefix("fast_sse_"), {})[(*sorted(labels.items()),)] = (
                    sample.value
                )
    return found, families


class Watched:
    """A node that runs in a task of this loop, and its operators' listener."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.clients: list[Client] = []
        self.ready: asyncio.Future[tuple[Address, Address]] = asyncio.get_running_loop().create_future()
        self.app = App(
            node, lambda public, admin: self.ready.set_result((address_of(public), address_of(admin)))
        )
        self.task = asyncio.create_task(self.app.run())

    async def begun(self) -> Watched:
        """Wait until both listeners answer."""
        either: set[asyncio.Future[Any]] = {self.ready, self.task}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not self.ready.done():
            await self.task
        return self

    async def end(self) -> None:
        """Stop the node and all who listen."""
        for client in self.clients:
            await client.stop()
        self.app.stop()
        await self.task

    @property
    def public(self) -> Address:
        """Where clients go."""
        return self.ready.result()[0]

    @property
    def admin(self) -> Address:
        """Where operators go."""
        return self.ready.result()[1]

    async def text(self) -> str:
        """One scrape."""
        return (await request(self.admin, "GET", "/metrics")).body.decode()

    async def numbers(self) -> Scrape:
        """One scrape, read."""
        return read(await self.text())[0]

    async def value(self, name: str) -> float:
        """One number, added up over its labels; 0 while there is none."""
        return sum((await self.numbers()).get(name, {}).values())

    @asynccontextmanager
    async def moves(self, *names: str) -> AsyncIterator[None]:
        """What is done inside moves each of these: a counter grows, another number is another one, if only for a moment."""
        before = await self.numbers()
        yield
        left = set(names)
        try:
            async with asyncio.timeout(MOVE_S):
                while left:
                    after = await self.numbers()
                    left = {name for name in left if not _moved(name, before, after)}
        except TimeoutError:
            pytest.fail(f"did not move: {sorted(left)}")

    async def tells(self, name: str, value: Any, **labels: str) -> None:
        """A number that stands while the process lives is this one."""
        assert (await self.numbers())[name][(*sorted(labels.items()),)] == value

    async def publish(self, data: Any = 1, channel: Pair = CAR, **extra: Any) -> Reply:
        """One message."""
        return await publish_once(self.public, channel, data, **extra)

    async def publish_batch(self, count: int) -> Reply:
        """So many messages at once."""
        return await self.publish_each([CAR] * count)

    async def publish_each(self, channels: Sequence[Pair]) -> Reply:
        """One message to each channel, at once."""
        lines = [{"event_id": event_id, "event_type": kind, "data": 1} for event_id, kind in channels]
        body = b"\n".join(json.dumps(line).encode() for line in lines)
        headers = {"x-signature": v2("batch", body=body), "content-type": "application/x-ndjson"}
        return await request(self.public, "POST", "/v1/sse/batch", headers, body)

    async def listen(self, channel: Pair = CAR, query: str = "", **headers: str) -> Client:
        """A stream that has begun. It ends with the node, or when it is told to."""
        given = {**signed(channel), **{name.replace("_", "-"): value for name, value in headers.items()}}
        self.clients.append(Client("c", self.public, subscribe_target(channel) + query, given))
        await self.clients[-1].start().ready()
        return self.clients[-1]


def _moved(name: str, before: Scrape, after: Scrape) -> bool:
    old, new = before.get(name, {}), after.get(name, {})
    return sum(new.values()) > sum(old.values()) if name.endswith("_total") else new != old


class Watch:
    """Runs nodes with quick limits; all are stopped later."""

    def __init__(self, stack: AsyncExitStack, directory: Path) -> None:
        self._stack = stack
        self._directory = directory

    async def __call__(
        self,
        store: Store | None = None,
        /,
        *,
        observers: Sequence[Observer] = (),
        samplers: Sequence[Sampler] = (),
        waits: bool = True,
        **settings: Any,
    ) -> Watched:
        """A node, by default on a memory store. `waits`: until it serves."""
        given = {
            "port": 0,
            "admin_port": 0,
            "store": "memory",
            "drain_s": 0,
            "node": "n1",
            "auth": {"secret": SECRET, "keys": {KID: KEY}},
            "data_dir": str(self._directory),
            **settings,
        }
        config = load(None, given)
        log = make_log("debug", io.StringIO())
        node = Node(
            config,
            store or make_store(config),
            make_sources(config),
            log,
            observers=observers,
            samplers=samplers,
        )
        watched = Watched(node)
        self._stack.push_async_callback(watched.end)
        return await watched.begun() if waits else watched


@pytest.fixture
async def watch(tmp_path: Path) -> AsyncIterator[Watch]:
    """Runs nodes, whose settings are named."""
    async with AsyncExitStack() as stack:
        yield Watch(stack, tmp_path / "data")
