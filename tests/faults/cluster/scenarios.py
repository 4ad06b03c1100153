"""The runs of several nodes, as functions: the tests ask that they come out clean, the broken builds that they do not."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.faults.cluster.nodes import PRODUCT, Cluster, Log, cluster, cross_node_latency
from tests.faults.crowd import TARGETS, Crowd
from tests.faults.scenarios import Run, resumed
from tests.support.balancer import Balancer
from tests.support.http1 import Address
from tests.support.proxy import Proxy
from tests.support.publisher import Message, Publisher

#: One reply in five is cut.
CUT_EVERY = 5
#: Seconds between two messages of one publisher, where a run is as long as what is done to the nodes takes.
PACE_S = 0.02


async def one_order(
    directory: Path,
    log: Log,
    *,
    nodes: int,
    messages: int,
    module: str = PRODUCT,
    drain_s: float = 60.0,
    settings: Callable[[int], dict[str, str]] = lambda _number: {},
    disturb: Callable[[], None] | None = None,
) -> Run:
    """Publishers and subscribers on every node, exact channels and wildcards: what each sees, in which order.

    `disturb` is called three times, evenly over the messages, each time when a publish was just sent.
    """
    async with cluster(directory, log, nodes, module=module, settings=settings) as group:
        crowd = Crowd(group.addresses[0], publishers=2 * nodes)
        group.spread(crowd)
        async with crowd:
            if disturb is not None:
                _at_quarters(crowd, messages, disturb)
            await crowd.publish(messages)
            await crowd.drain(drain_s)
            report = crowd.report()
            latency = cross_node_latency(crowd)
    return Run(report, f"{report.text()}; {latency.text}")


def _at_quarters(crowd: Crowd, messages: int, disturb: Callable[[], None]) -> None:
    due = [messages * quarter // 4 for quarter in (3, 2, 1)]

    def sent() -> None:
        if due and crowd.acknowledged >= due[-1]:
            due.pop()
            disturb()

    for publisher in crowd.publishers:
        publisher.on_sent = sent


async def hops(
    directory: Path, log: Log, *, hops: int, nodes: int = 3, module: str = PRODUCT, drain_s: float = 60.0
) -> Run:
    """Subscribers leave a node after a few events and go on at the next with what they last saw, under load."""
    async with cluster(directory, log, nodes, module=module) as group:
        crowd = Crowd(group.addresses[0], wait_ms=1)
        group.spread(crowd)
        for client in crowd.clients:
            client.hop = _to_the_next(group, client.address)
        async with crowd:
            for client in crowd.clients:
                client.leave_after = lambda: crowd.random.randint(1, 30)
                client.drop()
            while resumed(crowd) < hops:
                await crowd.publish(100)
            for client in crowd.clients:
                client.leave_after = None
            await crowd.drain(drain_s)
            report = crowd.report().require(hops=resumed(crowd))
    return Run(report, report.text())


def _to_the_next(group: Cluster, begin: Address) -> Callable[[], Address]:
    turns = itertools.cycle(group.addresses)
    while next(turns) != begin:
        pass
    first: Iterator[Address] = itertools.chain([begin], turns)
    return lambda: next(first)


async def rolling(directory: Path, log: Log, *, rounds: int, nodes: int = 3, drain_s: float = 60.0) -> Run:
    """Each round stops and starts every node, one after the other, behind a balancer and under load."""
    async with (
        cluster(directory, log, nodes) as group,
        Balancer(group.addresses) as balancer,
        Crowd(balancer.address) as crowd,
    ):
        statuses = []
        async with under_load(crowd):
            for node in group.nodes * rounds:
                node.terminate_now()
                statuses.append(await node.await_exit())
                await node.astart()
        await crowd.drain(drain_s)
        report = crowd.report().require(restarts=len(statuses), resumes=resumed(crowd))
    tries = max(len(message.attempts) for message in crowd.messages)
    again = sum(len(message.attempts) > 1 for message in crowd.messages)
    # More than one keyed retry, or an end of a node that is not a drain, is what this run is to find.
    report.defects["final"] += [f"a publish took {tries} attempts"] if tries > 2 else []
    report.defects["final"] += [f"a node ended with {status}" for status in statuses if status != 0]
    return Run(
        report,
        f"{report.text()}; {again} publishes sent a second time, {balancer.turned_away} clients found no node, "
        f"longest without a stream {max(_away_ms(crowd)):.0f} ms",
    )


@asynccontextmanager
async def under_load(crowd: Crowd) -> AsyncIterator[None]:
    """All publishers publish for as long as the block runs, at a pace that leaves the nodes room to start; each
    message is ok at its end.
    """
    ended = asyncio.Event()

    async def work(publisher: Publisher) -> None:
        while not ended.is_set():
            await publisher.publish_surely(crowd.random.choice(TARGETS))
            crowd.acknowledged += 1
            await asyncio.sleep(PACE_S)

    async with asyncio.TaskGroup() as tasks:
        for publisher in crowd.publishers:
            tasks.create_task(work(publisher))
        try:
            yield
        finally:
            ended.set()


def _away_ms(crowd: Crowd) -> list[float]:
    """How long each client was without a stream, each time."""
    return [
        (opened.ns - closed_ns) / 1e6
        for client in crowd.clients
        for closed_ns, opened in zip(client.closed_ns, client.opened[1:], strict=False)
    ] or [0.0]


async def retries_elsewhere(
    directory: Path, log: Log, *, messages: int, module: str = PRODUCT, drain_s: float = 30.0
) -> Run:
    """One reply in five is cut after the commit; the publisher goes to the other node with the same key."""
    async with (
        cluster(directory, log, 2, module=module) as group,
        Proxy(group.addresses[0]) as proxy,
        Crowd(group.addresses[0], publishers=1) as crowd,
    ):
        (publisher,) = crowd.publishers
        repeated = []
        for number in range(messages):
            publisher.close()
            publisher.address = proxy.address
            channel = crowd.random.choice([("car0", "sold"), ("car1", "seen"), ("*", "*")])
            if number % CUT_EVERY:
                await publisher.publish_surely(channel)
                continue
            repeated.append(await _cut_then_elsewhere(publisher, proxy, group.addresses[1], channel))
        await crowd.drain(drain_s)
        report = crowd.report().require(replies_cut=proxy.replies_cut, retried_elsewhere=len(repeated))
    known = sum(message.duplicate for message in repeated)
    return Run(report, f"{report.text()}; {known} of {len(repeated)} retries answered as duplicate")


async def _cut_then_elsewhere(
    publisher: Publisher, proxy: Proxy, other: Address, channel: tuple[str, str]
) -> Message:
    proxy.mode = "cut_reply"
    message = await publisher.publish(channel)
    assert message.outcome == "unknown", "the proxy was to cut this reply"
    proxy.mode = "pass"
    publisher.address = other
    while message.outcome != "ok":
        await publisher.repeat(message)
    publisher.close()
    return message


async def stopped_node(
    directory: Path, log: Log, *, stops: int, stopped_s: float, drain_s: float = 60.0
) -> Run:
    """One node is stopped by SIGSTOP under load and continued, again and again; the other one serves on."""
    async with cluster(directory, log, 2) as group:
        crowd = Crowd(group.addresses[0])
        group.spread(crowd)
        zombie, meanwhile = group.nodes[1], []
        async with crowd:
            for _ in range(stops):
                async with under_load(crowd):
                    before = crowd.acknowledged
                    os.kill(zombie.pid, signal.SIGSTOP)
                    await asyncio.sleep(stopped_s)  # the fault itself: that long nothing of the node runs
                    meanwhile.append(crowd.acknowledged - before)
                    os.kill(zombie.pid, signal.SIGCONT)
            await crowd.drain(drain_s)
            report = crowd.report().require(stops=stops, acknowledged_meanwhile=min(meanwhile))
    return Run(report, report.text())
