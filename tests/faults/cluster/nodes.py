"""Several real hubs on one real store, and a crowd that is spread over them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from tests.faults.crowd import Crowd, payload_of
from tests.support.http1 import Address, request
from tests.support.kafka_broker import Broker, topic_name
from tests.support.redis_server import RedisServer
from tests.support.server import Hub

PRODUCT = "fast_sse"
#: A drain that a test can wait for.
QUICK = {"FAST_SSE_DRAIN_S": "0.4"}


class Log(NamedTuple):
    """A log that nodes share: the store's name, and the settings that lead to it."""

    store: str
    settings: dict[str, str]


def on_redis(server: RedisServer) -> Log:
    """The log that a server of the test's own holds."""
    return Log("redis", {"FAST_SSE_REDIS__URL": server.url})


def on_kafka(broker: Broker) -> Log:
    """A topic of its own on the broker that the tests of a worker share."""
    settings = {"FAST_SSE_KAFKA__BOOTSTRAP_SERVERS": broker.bootstrap, "FAST_SSE_KAFKA__TOPIC": topic_name()}
    return Log("kafka", settings)


class Cluster:
    """Running nodes, called n0, n1, ...: each a process with a directory, a port and a name of its own."""

    def __init__(self, nodes: list[Hub]) -> None:
        self.nodes = nodes

    @property
    def addresses(self) -> list[Address]:
        """Where each node listens."""
        return [node.public for node in self.nodes]

    def spread(self, crowd: Crowd) -> None:
        """Publishers and subscribers in turn over the nodes, before they begin."""
        for publisher, address in zip(crowd.publishers, itertools.cycle(self.addresses), strict=False):
            publisher.address = address
        for client, address in zip(crowd.clients, itertools.cycle(self.addresses), strict=False):
            client.address = address

    def elsewhere(self, address: Address) -> Address:
        """The node after the one at an address."""
        return self.addresses[(self.addresses.index(address) + 1) % len(self.nodes)]

    async def streams(self) -> list[int]:
        """Open streams of each node, as it says itself."""
        return [int(await metric(node, "fast_sse_streams_open")) for node in self.nodes]


async def metric(node: Hub, name: str, label: str = "", *, always: bool = False) -> float:
    """One number of a node's /metrics: the sum over its labels, or over those with `label` (as `name="value"`).

    One that is not there is 0, or, where it is `always` there, has another name now.
    """
    reply = await request(node.admin, "GET", "/metrics")
    lines = reply.body.decode().splitlines()
    found = [line for line in lines if line.startswith((f"{name}{{", f"{name} ")) and label in line]
    assert found or not always, f"{name} is no metric"
    return sum(float(line.rpartition(" ")[2]) for line in found)


@asynccontextmanager
async def cluster(
    directory: Path,
    log: Log,
    count: int,
    *,
    module: str = PRODUCT,
    port: int | None = None,
    settings: Callable[[int], dict[str, str]] = lambda _number: {},
) -> AsyncIterator[Cluster]:
    """`count` nodes over one log, all started; `settings` of a node come on top. `port` is one for all of them."""
    nodes = []
    for number in range(count):
        place = directory / f"n{number}"
        place.mkdir(parents=True)
        own = {**QUICK, "FAST_SSE_NODE": f"n{number}", **log.settings, **settings(number)}
        nodes.append(Hub(place, store=log.store, settings=own, module=module, port=port))
    async with AsyncExitStack() as stack:
        first, *others = nodes
        await stack.enter_async_context(first)  # it makes the log; the others find it
        await asyncio.gather(*(stack.enter_async_context(node) for node in others))
        yield Cluster(nodes)


class Latency(NamedTuple):
    """Milliseconds from the request of a publisher to the event of a subscriber on another node."""

    p50_ms: float
    p99_ms: float
    samples: int

    @property
    def text(self) -> str:
        """In words."""
        return (
            f"cross-node p50 {self.p50_ms:.1f} ms, p99 {self.p99_ms:.1f} ms "
            f"under full load ({self.samples:,} samples)"
        )


def cross_node_latency(crowd: Crowd) -> Latency:
    """Over every message that went from one node to another and whose first attempt was answered."""
    sent = {
        message.payload: (message.attempts[0].invoked_ns, publisher.address)
        for publisher in crowd.publishers
        for message in publisher.history
        if len(message.attempts) == 1
    }
    waits = sorted(
        (event.ns - sent[payload][0]) / 1e6
        for client in crowd.clients
        for event in client.events
        if (payload := payload_of(event)) in sent and sent[payload][1] != client.address
    )
    assert waits, "no message crossed from node to node"
    return Latency(quantile(waits, 0.5), quantile(waits, 0.99), len(waits))


def quantile(ordered: Sequence[float], part: float) -> float:
    """The value below which `part` of them lie."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]
