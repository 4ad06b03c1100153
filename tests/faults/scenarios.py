"""The fault runs, as functions: the tests ask that they come out clean, the broken builds that they do not."""

from __future__ import annotations

import asyncio
import bisect
import itertools
import statistics
from pathlib import Path
from typing import NamedTuple

from tests.faults.checker import Report, position
from tests.faults.crowd import Crowd
from tests.faults.killer import Killer
from tests.support.proxy import Proxy
from tests.support.publisher import Publisher
from tests.support.server import Hub

PRODUCT = "fast_sse"


class Run(NamedTuple):
    """What the checker said, and one line of figures."""

    report: Report
    figure: str


async def kill_9(
    directory: Path, *, kills: int, messages: int, module: str = PRODUCT, drain_s: float = 30.0
) -> Run:
    """Kill a hub on SQLite again and again under load; publishers retry, subscribers resume."""
    async with Hub(directory, module=module) as hub, Crowd(hub.public) as crowd:
        killer = Killer(hub, crowd, kills, messages)
        async with asyncio.TaskGroup() as group:
            killing = group.create_task(killer.run())
            await crowd.publish(messages)
            while not killing.done():
                await crowd.publish(len(crowd.publishers))
        await crowd.join_late()
        await crowd.drain(drain_s)
        report = crowd.report()
    answered_twice = sum(message.duplicate for message in crowd.messages)
    report.require(kills=len(killer.killed_ns), kills_in_flight=killer.bit)
    back = sorted(killer.back_ms())
    return Run(
        report,
        f"{report.text()}; {killer.bit} of {kills} kills with a publish in flight, {answered_twice} messages stored "
        f"before the kill and acknowledged after it; kill to next 2xx p50 {statistics.median(back):.0f} ms, "
        f"max {back[-1]:.0f} ms",
    )


async def reconnects(
    directory: Path,
    *,
    resumes: int,
    store: str,
    tail: int = 0,
    module: str = PRODUCT,
    drain_s: float = 30.0,
) -> Run:
    """Clients leave after a few events, again and again, and come back with what they last saw.

    `tail` shortens what the hub keeps in memory to that many records, so that resumes read the store.
    """
    settings = {"FAST_SSE_LIMITS__TAIL_RECORDS_MAX": str(tail)} if tail else {}
    hub = Hub(directory, store=store, module=module, settings=settings)
    async with hub, Crowd(hub.public, wait_ms=1) as crowd:
        for client in crowd.clients:
            client.leave_after = lambda: crowd.random.randint(1, 50)
            client.drop()
        while resumed(crowd) < resumes:
            await crowd.publish(200)
        for client in crowd.clients:
            client.leave_after = None
        await crowd.drain(drain_s)
        report = crowd.report().require(resumes=resumed(crowd))
        if tail:
            report.require(resumes_past_the_tail=resumed_past(crowd, tail))
    return Run(report, report.text())


def resumed(crowd: Crowd) -> int:
    """Streams after each client's first."""
    return sum(len(client.opened) - 1 for client in crowd.clients)


def resumed_past(crowd: Crowd, tail: int) -> int:
    """Streams that opened with more records behind them than the hub keeps in memory: the store answered these."""
    placed = [
        (attempt.done_ns, position(m.message_id)) for m in crowd.messages for attempt in m.attempts[-1:]
    ]
    known = sorted((done_ns, place[1][0]) for done_ns, place in placed if place)
    newest = list(itertools.accumulate((place for _, place in known), max))
    times = [done_ns for done_ns, _ in known]
    past = 0
    for client in crowd.clients:
        for opened in client.opened:
            cursor = position(opened.cursor)
            before = bisect.bisect(times, opened.ns) - 1
            past += cursor is not None and before >= 0 and newest[before] - cursor[1][0] > tail
    return past


async def retries(
    directory: Path, *, replies: int, store: str, module: str = PRODUCT, drain_s: float = 30.0
) -> Run:
    """Every second reply is cut off behind the hub's back; the publisher tries again with the same key."""
    channel = ("car0", "sold")
    async with (
        Hub(directory, store=store, module=module) as hub,
        Proxy(hub.public) as proxy,
        Crowd(hub.public, patterns=[channel, ("*", "*")], publishers=2) as crowd,
    ):
        cut, whole = crowd.publishers
        cut.address = proxy.address
        for _ in range(replies):
            await _publish_with_cut_reply(cut, proxy, channel)
            await whole.publish_surely(channel)
        await crowd.drain(drain_s)
        report = crowd.report()
    known = sum(message.duplicate for message in cut.history)
    report.require(replies_cut=proxy.replies_cut, answered_as_duplicate=known)
    return Run(report, f"{report.text()}; {known} of {proxy.replies_cut} retries answered as duplicate")


async def _publish_with_cut_reply(publisher: Publisher, proxy: Proxy, channel: tuple[str, str]) -> None:
    """First attempt: stored, its reply cut. Second: through."""
    proxy.mode = "cut_reply"
    message = await publisher.publish(channel)
    assert message.outcome == "unknown", "the proxy was to cut this reply"
    proxy.mode = "pass"
    while message.outcome != "ok":
        await publisher.repeat(message)
