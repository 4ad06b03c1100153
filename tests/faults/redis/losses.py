"""What a Redis that dies takes with it, and whether everybody who should know was told.

The crowd's own checker asks for a run without any loss. Here losses are the point: what may be lost is what the
server's settings allow, and a loss is right only if every stream it concerns had a gap for it, exactly one.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.faults.checker import Report
from tests.faults.crowd import TARGETS, Crowd, payload_of
from tests.support.publisher import Message
from tests.support.readiness import becomes
from tests.support.redis_server import Persistence, RedisServer
from tests.support.server import Hub
from tests.support.sse import Client


class Losses(NamedTuple):
    """One run."""

    report: Report
    #: Reasons of the gaps of each client that was there from the beginning.
    gaps: list[list[str]]
    #: Acknowledged messages that a client asked for and never saw, by client.
    lost: list[list[Message]]
    refused: int
    bit: int
    killed_ns: list[int]
    figure: str


def hub_on(directory: Path, url: str, **settings: str) -> Hub:
    """A hub whose log is in that Redis."""
    return Hub(directory, store="redis", settings={"FAST_SSE_REDIS__URL": url, **settings})


def reasons(client: Client) -> list[str]:
    """Why a client was told that something is missing."""
    return [str(json.loads(gap.data)["reason"]) for gap in client.gaps]


async def until(there: Callable[[], bool], within_s: float = 20.0) -> None:
    """Wait for something that other tasks bring about."""
    async with asyncio.timeout(within_s):
        while not there():  # noqa: ASYNC110  many tasks may bring it about, and none of them tells
            await asyncio.sleep(0.005)


async def one_of_each(crowd: Crowd) -> None:
    """Every publisher publishes once to every channel: what each subscriber must see in the end."""
    for publisher in crowd.publishers:
        for target in dict.fromkeys(TARGETS):
            await publisher.publish_surely(target)
            crowd.acknowledged += 1


def lost_to(crowd: Crowd) -> list[list[Message]]:
    """For each client: acknowledged, asked for, never seen."""
    found = []
    for subscription, client in crowd.subscriptions_with_clients():
        seen = {payload_of(event) for event in client.events}
        wanted = [m for m in crowd.messages if m.outcome == "ok" and subscription.wants(m.channel)]
        found.append([message for message in wanted if message.payload not in seen])
    return found


async def server_dies(
    directory: Path, *, persistence: Persistence, kills: int, messages: int, drain_s: float = 30.0
) -> Losses:
    """Kill -9 of Redis with publishes in flight, refusals while it is down, a start on what it kept; again and again."""
    with RedisServer(directory / "redis", persistence=persistence) as server:
        async with hub_on(directory, server.url) as hub, Crowd(hub.public) as crowd:
            killer = _Killer(server, crowd, hub)
            async with asyncio.TaskGroup() as group:
                killing = group.create_task(killer.run(kills, messages, new_epoch=persistence == "none"))
                while not killing.done():
                    await crowd.publish(50)
            await one_of_each(crowd)
            drained = await crowd.drain(drain_s)
            assert drained, "somebody never saw what was published last"
            assert hub.alive()
            assert hub.starts == 1
            report = crowd.report().require(kills_in_flight=killer.bit)
            gaps, lost = [reasons(client) for client in crowd.clients], lost_to(crowd)
            told = sum(map(len, gaps))
            figure = (
                f"persistence {persistence}: {len(crowd.messages):,} messages, {kills} kills, {killer.bit} with a publish in flight; "
                f"{killer.refused} publishes refused while it was down; {sum(map(len, lost))} of "
                f"{report.counts['pairs']:,} deliveries lost, {told} gaps at {len(gaps)} streams"
            )
            return Losses(report, gaps, lost, killer.refused, killer.bit, killer.killed_ns, figure)


class _Killer:
    """The publisher that has just sent a request gives the order."""

    def __init__(self, server: RedisServer, crowd: Crowd, hub: Hub) -> None:
        self._server = server
        self._hub = hub
        self._crowd = crowd
        self._struck = asyncio.Event()
        self._due = 0
        self.killed_ns: list[int] = []
        self.bit = 0
        self.refused = 0

    async def run(self, kills: int, messages: int, *, new_epoch: bool) -> None:
        for publisher in self._crowd.publishers:
            publisher.on_sent = self._sent
        for number in range(1, kills + 1):
            self._struck.clear()
            self._due = number * messages // (kills + 1)
            await self._struck.wait()
            await asyncio.to_thread(self._server.kill)
            await until(lambda: self._refusals() > 0)
            self.refused += self._refusals()
            await becomes(self._hub.admin, 503)  # nothing can be stored, and whoever balances must hear of it
            await asyncio.to_thread(self._server.start)
            if new_epoch:
                await until(lambda: all(len(client.gaps) >= number for client in self._crowd.clients))  # noqa: B023

    def _refusals(self) -> int:
        attempts = [attempt for message in self._crowd.messages for attempt in message.attempts[-3:]]
        return sum(one.status == 503 and one.invoked_ns > self.killed_ns[-1] for one in attempts)

    def _sent(self) -> None:
        if not self._due or self._crowd.acknowledged < self._due:
            return
        self._due = 0
        os.kill(self._server.pid, signal.SIGKILL)
        self.killed_ns.append(time.monotonic_ns())
        self.bit += any(publisher.in_flight for publisher in self._crowd.publishers)
        self._struck.set()
