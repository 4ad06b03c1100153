"""A Kafka broker that dies, stops or falls silent under a hub with publishers and subscribers (reliability F3, F4, F13).

The broker is one of the test's own, and stands behind a proxy that clients are told to use (`advertised.listeners`). A
strike is triggered by a publisher that has just sent its request, so it always finds one in flight.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.faults.counts import Record, each_scale
from tests.faults.crowd import Crowd
from tests.faults.scenarios import Run
from tests.support.kafka_broker import Broker, need_kafka, topic_name
from tests.support.proxy import Proxy
from tests.support.publisher import publish_once
from tests.support.readiness import becomes, publish_readiness
from tests.support.server import Hub

# A broker and a hub take their time on a busy machine; each wait inside has a bound of its own.
pytestmark = [pytest.mark.wire, pytest.mark.timeout(240)]

#: The hub's deadline for a publish: outages are made longer than this.
APPEND_S = 2.0
#: Rounds of every kind of strike, and messages.
STRIKES = {"ci": (1, 600), "chaos": (10, 20_000)}


class Bench:
    """A hub on a broker behind a proxy."""

    def __init__(self, hub: Hub, broker: Broker, proxy: Proxy, crowd: Crowd) -> None:
        self.hub = hub
        self.broker = broker
        self.proxy = proxy
        self.crowd = crowd

    async def told(self, status: int) -> None:
        """Wait until some publisher is answered with this status from now on."""
        before = self._count(status)
        async with asyncio.timeout(30):
            while self._count(status) == before:  # noqa: ASYNC110  what the hub answers is on other sockets
                await asyncio.sleep(0.02)

    def _count(self, status: int) -> int:
        return sum(
            attempt.status == status for message in self.crowd.messages for attempt in message.attempts
        )

    async def outage(self) -> None:
        """Wait until the outage was told as the protocol says: first as unknown, then as certainly not stored."""
        await self.told(504)
        await self.told(503)


@asynccontextmanager
async def bench(directory: Path) -> AsyncIterator[Bench]:
    need_kafka()
    broker = Broker(directory / "broker")
    async with Proxy(("127.0.0.1", broker.port)) as proxy:
        address = f"127.0.0.1:{proxy.address[1]}"
        broker.options["advertised.listeners"] = f"PLAINTEXT://{address}"
        settings = {
            "FAST_SSE_KAFKA__BOOTSTRAP_SERVERS": address,
            "FAST_SSE_KAFKA__TOPIC": topic_name(),
            "FAST_SSE_LIMITS__APPEND_S": str(APPEND_S),
            "FAST_SSE_DRAIN_S": "1",
        }
        try:
            await asyncio.to_thread(broker.start)
            async with (
                Hub(directory, store="kafka", settings=settings) as hub,
                Crowd(hub.public) as crowd,
            ):
                yield Bench(hub, broker, proxy, crowd)
        finally:
            broker.kill()


async def struck(
    directory: Path, strikes: Sequence[Callable[[Bench], Awaitable[None]]], messages: int
) -> Run:
    """Publish while the broker is struck, evenly over the messages; everybody sees everything once, in one order."""
    async with bench(directory) as made:
        crowd = made.crowd
        due = asyncio.Event()
        done = bit = 0

        def sent() -> None:
            if crowd.acknowledged >= (done + 1) * messages // (len(strikes) + 1):
                due.set()

        for publisher in crowd.publishers:
            publisher.on_sent = sent

        async def strike_all() -> None:
            nonlocal done, bit
            for strike in strikes:
                await due.wait()
                bit += any(publisher.in_flight for publisher in crowd.publishers)
                await strike(made)
                done += 1
                due.clear()

        async with asyncio.TaskGroup() as group:
            striking = group.create_task(strike_all())
            await crowd.publish(messages)
            while not striking.done():
                await crowd.publish(len(crowd.publishers))
        await crowd.join_late()
        await crowd.drain(60.0)
        report = crowd.report().require(strikes=done, strikes_in_flight=bit)
        await becomes(made.hub.admin, 200)
    return Run(report, report.text())


async def kill(made: Bench) -> None:
    made.broker.kill()
    await asyncio.to_thread(made.broker.start)


async def pause(made: Bench) -> None:
    made.broker.pause()
    try:
        await made.outage()
        assert await publish_readiness(made.hub.admin) == 503
    finally:
        made.broker.resume()


async def blackhole(made: Bench) -> None:
    made.proxy.blackhole()
    await made.outage()
    made.proxy.mode = "pass"
    made.proxy.cut()


async def cut(made: Bench) -> None:
    made.proxy.cut()
    await made.told(200)


async def half_open(made: Bench) -> None:
    made.proxy.forget_clients()
    made.proxy.mode = "pass"
    await made.told(200)


async def late(made: Bench) -> None:
    made.proxy.mode = "late"
    await made.told(200)
    await made.told(200)
    made.proxy.mode = "pass"
    made.proxy.cut()  # what is late would come behind what is not


@each_scale
async def test_a_broken_broker_loses_repeats_and_reorders_nothing(
    tmp_path: Path, scale: str, record: Record
) -> None:
    """Killed, stopped, unreachable, cut off, half open or late: 504 and 503 in time, then all goes on; a keyed retry is one message."""
    rounds, messages = STRIKES[scale]
    run = await struck(tmp_path, [kill, pause, blackhole, cut, half_open, late] * rounds, messages)
    record(
        f"{messages:,} messages, {rounds} times killed, stopped, unreachable, cut off, half open, late",
        run.figure,
    )
    run.report.assert_clean()


@pytest.mark.slow
async def test_a_hub_waits_for_a_broker_that_is_down(tmp_path: Path) -> None:
    """A hub that starts first is alive and not ready; it serves when the broker is there, and nobody sees a refusal."""
    need_kafka()
    broker = Broker(tmp_path / "broker")
    settings = {
        "FAST_SSE_KAFKA__BOOTSTRAP_SERVERS": broker.bootstrap,
        "FAST_SSE_LIMITS__APPEND_S": str(APPEND_S),
    }
    hub = Hub(tmp_path, store="kafka", settings=settings)
    starting = asyncio.ensure_future(hub.astart())
    try:
        async with asyncio.timeout(20):
            while "store is not available" not in hub.tail_of_log():  # noqa: ASYNC110  another process writes it
                await asyncio.sleep(0.05)
        assert not starting.done()
        await asyncio.to_thread(broker.start)
        await starting
        reply = await publish_once(hub.public, ("car0", "sold"), 1)
        assert (reply.status, reply.json()["data"]["durability"]) == (200, "acks-all")
    finally:
        await asyncio.to_thread(hub.end)
        broker.kill()


@pytest.mark.slow
async def test_a_hub_ends_in_order_while_its_broker_is_silent(tmp_path: Path) -> None:
    """SIGTERM ends the process with 0 within its drain, although nobody answers it any more."""
    async with bench(tmp_path) as made:
        await made.crowd.publish(20)
        made.broker.pause()
        try:
            made.hub.terminate_now()
            assert await asyncio.wait_for(made.hub.await_exit(), 50) == 0
        finally:
            made.broker.resume()


@pytest.mark.slow
async def test_a_stopped_hub_wakes_up_and_repeats_nothing(tmp_path: Path) -> None:
    """SIGSTOP under load: what it holds when it wakes is delivered once, in order, and its publishers hear the truth."""
    async with bench(tmp_path) as made:
        crowd, hub = made.crowd, made.hub
        await crowd.publish(100)
        publishing = asyncio.ensure_future(crowd.publish(200))
        await made.told(200)
        hub.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(
            2 * APPEND_S
        )  # longer than every deadline of a publish and of its client's thread
        hub.process.send_signal(signal.SIGCONT)
        await publishing
        await crowd.join_late()
        await crowd.drain(30.0)
        crowd.report().assert_clean()
