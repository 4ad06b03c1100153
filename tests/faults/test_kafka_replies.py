"""The broker's reply to a Produce request is the moment when the command ran and the hub does not know (G2, G3, F7).

A proxy that reads Kafka's frames strikes just then, by construction: it picks a request on its way to the broker, lets
nobody read the log from there on, and when the reply comes it cuts the connection or kills the hub instead of passing
it on. So the hub has neither the reply nor the entry, which the log does have.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.faults.counts import PRODUCED_CUT, PRODUCED_KILLS, Record, each_scale
from tests.faults.crowd import Crowd
from tests.faults.scenarios import PRODUCT, Run
from tests.support.kafka_broker import Broker, topic_name
from tests.support.kafka_proxy import FETCH, PRODUCE, CutError, KafkaProxy, Request, Rule
from tests.support.server import Hub

# A broker and a hub take their time on a busy machine; each wait inside has a bound of its own.
pytestmark = [pytest.mark.wire, pytest.mark.timeout(240)]

#: Of so many Produce requests one is struck.
EVERY = 4
#: A cut connection is made again at once: what is tested is what the hub sends over it.
AT_ONCE = {"reconnect.backoff.ms": "10", "reconnect.backoff.max.ms": "20"}
#: Messages enough for every subscriber to have one.
SOMETHING = 100
DRAIN_S = 3.0


class AtTheReply(Rule):
    """Cuts `wanted` connections, at one in EVERY Produce requests of publishes, each when its reply comes; before it calls
    `strike`.
    """

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.strike: Callable[[], None] = lambda: None
        self.struck = 0
        self._produced = 0
        self._picked: Request | None = None
        self._readable = asyncio.Event()
        self._readable.set()

    async def asked(self, request: Request) -> None:
        if request.api != PRODUCE or request.control:
            return
        self._produced += 1
        if self._picked is None and self._produced % EVERY == 0 and self.struck < self.wanted:
            self._picked = request
            self._readable.clear()

    async def answered(self, request: Request) -> None:
        if request.api == FETCH:
            await self._readable.wait()
        elif request is self._picked:
            self.struck += 1
            self.strike()
            raise CutError

    def lost(self, request: Request) -> None:
        if request is self._picked:  # also when it went down with a connection, and was never answered
            self._picked = None
            self._readable.set()


class Bench(NamedTuple):
    """A hub whose way to its log is the proxy's, and its crowd."""

    hub: Hub
    crowd: Crowd


@asynccontextmanager
async def bench(directory: Path, broker: Broker, rule: Rule, module: str) -> AsyncIterator[Bench]:
    async with KafkaProxy(broker, rule) as proxy:
        settings = {
            "FAST_SSE_KAFKA__BOOTSTRAP_SERVERS": proxy.bootstrap,
            "FAST_SSE_KAFKA__TOPIC": topic_name(),
            "FAST_SSE_KAFKA__OPTIONS": json.dumps(AT_ONCE),
        }
        async with (
            Hub(directory, store="kafka", settings=settings, module=module) as hub,
            Crowd(hub.public) as crowd,
        ):
            yield Bench(hub, crowd)


async def cut(
    directory: Path,
    broker: Broker,
    *,
    replies: int,
    keyed: int = 2,
    module: str = PRODUCT,
    drain_s: float = 60.0,
) -> Run:
    """Cut the producer's connection at that many replies; `keyed` of the four publishers have keys."""
    rule = AtTheReply(replies)
    async with bench(directory, broker, rule, module) as (_, crowd):
        for publisher in crowd.publishers[keyed:]:
            publisher.keyed = False
        while rule.struck < replies:
            await crowd.publish(20)
        await crowd.publish(SOMETHING)
        await crowd.join_late()
        await crowd.drain(drain_s)
        report = crowd.report()
    unkeyed = [message for publisher in crowd.publishers[keyed:] for message in publisher.history]
    known = sum(message.outcome == "ok" for message in unkeyed)
    report.require(produce_replies_cut=rule.struck, unkeyed=known)
    return Run(report, f"{report.text()}; {len(unkeyed) - known} unkeyed publishes were answered as unknown")


async def killed(
    directory: Path, broker: Broker, *, kills: int, module: str = PRODUCT, drain_s: float = 60.0
) -> Run:
    """Kill the hub at that many replies; publishers with keys repeat what it did not answer, at the next one."""
    rule = AtTheReply(kills)
    async with bench(directory, broker, rule, module) as (hub, crowd):
        down = asyncio.Event()

        def strike() -> None:
            hub.kill_now()
            down.set()

        rule.strike = strike

        async def bring_back() -> None:
            for _ in range(kills):
                await down.wait()
                down.clear()
                await hub.await_exit()
                await hub.astart()

        async with asyncio.TaskGroup() as group:
            bringing_back = group.create_task(bring_back())
            while not bringing_back.done():
                await crowd.publish(20)
        await crowd.publish(SOMETHING)
        await crowd.join_late()
        await crowd.drain(drain_s)
        report = crowd.report()
    known = sum(message.duplicate for message in crowd.messages)
    report.require(kills=rule.struck, answered_as_duplicate=known)
    return Run(report, report.text())


@each_scale
async def test_a_produce_reply_that_never_comes_makes_no_second_message(
    tmp_path: Path, kafka_broker: Broker, scale: str, record: Record
) -> None:
    """The hub sends it again by itself, and the broker knows it: one message in its order, with a key or without."""
    wanted = PRODUCED_CUT[scale]
    run = await cut(tmp_path, kafka_broker, replies=wanted)
    record(f"{wanted:,} replies to Produce cut", run.figure)
    run.report.assert_clean()
    assert run.report.counts["produce_replies_cut"] == wanted


@each_scale
async def test_a_hub_killed_by_the_reply_makes_no_second_message(
    tmp_path: Path, kafka_broker: Broker, scale: str, record: Record
) -> None:
    """Its successor knows the publisher's retry by its key, which the log told: answered as a duplicate, and one message."""
    wanted = PRODUCED_KILLS[scale]
    run = await killed(tmp_path, kafka_broker, kills=wanted)
    record(f"{wanted:,} kills by the reply to Produce", run.figure)
    run.report.assert_clean()
    assert run.report.counts["kills"] == wanted


@pytest.mark.slow
async def test_a_producer_that_repeats_itself_is_found(tmp_path: Path, kafka_broker: Broker) -> None:
    """The same run on a producer without idempotence: what has no key is there twice."""
    module = "tests.faults.broken.no_idempotence"
    run = await cut(tmp_path, kafka_broker, replies=2, keyed=0, module=module, drain_s=DRAIN_S)
    assert "duplicate" in run.report.found, run.figure


@pytest.mark.slow
async def test_forgotten_keys_are_found(tmp_path: Path, kafka_broker: Broker) -> None:
    """The same kills on a hub without keys: what was stored and not answered is there twice."""
    module = "tests.faults.broken.dedup_off"
    run = await killed(tmp_path, kafka_broker, kills=1, module=module, drain_s=DRAIN_S)
    assert "duplicate" in run.report.found, run.figure
