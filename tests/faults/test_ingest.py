"""Foreign queues drain into subscribers with none lost while the hub is killed (guarantees G1, G3, G4, G5)."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.faults.counts import QUEUED, Record, each_scale
from tests.faults.crowd import payload_of
from tests.faults.queues import KafkaQueue, RedisQueue, done, drained, filled, has_seen
from tests.faults.scenarios import Run
from tests.ingest.kafka import Topic
from tests.support.kafka_broker import Broker, need_kafka
from tests.support.proxy import Proxy
from tests.support.publisher import publish_once, signed, subscribe_target
from tests.support.redis_server import RedisServer, need_redis
from tests.support.server import Hub
from tests.support.sse import Client

pytestmark = pytest.mark.wire


@pytest.fixture
def redis_queue(tmp_path: Path) -> Iterator[RedisQueue]:
    """An empty queue on a server of the test's own, with what the original's would have: no persistence."""
    need_redis()
    with RedisServer(tmp_path / "redis") as server:
        yield RedisQueue(server)


@each_scale
async def test_a_redis_queue_drains_over_kills(
    tmp_path: Path, redis_queue: RedisQueue, scale: str, record: Record
) -> None:
    """Every entry is one message, in queue order, for every subscriber; every poison is kept aside, once."""
    count = QUEUED[scale]
    run = await drained(tmp_path, redis_queue, entries=count.messages, kills=count.kills)
    record(f"{count.messages:,} entries of a Redis stream, {count.kills} kills", run.figure)
    run.report.assert_clean()
    assert run.report.counts["kills_on_the_way"] == count.kills, run.figure
    dead = redis_queue.dead()
    assert len(dead) == len(set(dead)) == count.messages // 100


@pytest.fixture
def kafka_queue(tmp_path: Path) -> Iterator[KafkaQueue]:
    """An empty topic of four partitions, on a broker that lets a member be missed soon."""
    need_kafka()
    with Broker(tmp_path / "kafka", group_min_session_timeout_ms=500) as broker:
        yield KafkaQueue(Topic(broker, "events", partitions=KafkaQueue.lanes))


@each_scale
async def test_a_kafka_topic_drains_over_kills(
    tmp_path: Path, kafka_queue: KafkaQueue, scale: str, record: Record
) -> None:
    """Every record is one message, in the order of its partition, for every subscriber; every poison is kept aside."""
    count = QUEUED[scale]
    run = await drained(tmp_path, kafka_queue, entries=count.messages, kills=count.kills)
    record(f"{count.messages:,} records of a Kafka topic with 4 partitions, {count.kills} kills", run.figure)
    run.report.assert_clean()
    assert run.report.counts["kills_on_the_way"] == count.kills, run.figure


async def unacknowledged(tmp_path: Path, queue: RedisQueue, **more: Any) -> Run:
    """Two kills, each when a subscriber sees what was stored and the acknowledgement is still on its way, and is lost."""
    async with Proxy(queue.server.address) as proxy:
        proxy.mode, proxy.latency_s = "late", 0.1
        queue.at(f"redis://127.0.0.1:{proxy.address[1]}/0")
        return await drained(tmp_path, queue, entries=200, kills=2, before_kill=proxy.cut, **more)


@pytest.mark.slow
async def test_stored_and_not_acknowledged_is_one_message(tmp_path: Path, redis_queue: RedisQueue) -> None:
    """Killed after its store has the entries and before Redis hears of it, the hub publishes none of them twice."""
    run = await unacknowledged(tmp_path, redis_queue)
    run.report.assert_clean()
    assert "2 of 2 kills with entries taken and not acknowledged" in run.figure, run.figure


@pytest.mark.slow
async def test_forgotten_keys_are_found(tmp_path: Path, redis_queue: RedisQueue) -> None:
    """The same run on a hub without keys: what was stored and not acknowledged is there twice."""
    run = await unacknowledged(tmp_path, redis_queue, module="tests.faults.broken.dedup_off", within_s=10)
    assert "duplicate" in run.report.found, run.figure


@pytest.mark.slow
async def test_acknowledging_before_storing_is_found(tmp_path: Path, redis_queue: RedisQueue) -> None:
    """A hub that acknowledges what it took before its store has it loses entries, and the run says so."""
    module = "tests.faults.broken.ack_before_store"
    run = await drained(tmp_path, redis_queue, entries=1_000, kills=1, module=module, within_s=5)
    assert "lost" in run.report.found, run.figure


@pytest.mark.slow
async def test_a_node_that_was_stopped_takes_nothing_from_its_follower(
    tmp_path: Path, redis_queue: RedisQueue
) -> None:
    """SIGSTOP in the middle of the queue: another node goes on with what was in hand; woken up, the first one adds nothing.

    Each has a log of its own, so that what each of them published can be told apart: the first the beginning of the
    queue, the second the rest, and both at most the one batch that the first had stored and not acknowledged.
    """
    entries, batch = 3_000, 20
    settings = {
        **redis_queue.settings,
        "FAST_SSE_LIMITS__INGEST_LEASE_S": "0.5",
        "FAST_SSE_LIMITS__INGEST_ENTRIES_MAX": str(batch),
    }
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    hubs = [Hub(tmp_path / name, settings={**settings, "FAST_SSE_NODE": name}) for name in ("a", "b")]
    async with hubs[0], hubs[1]:
        everything = subscribe_target(("*", "*")), signed(("*", "*"))
        clients = [
            await Client(str(n), hub.public, *everything).start().ready() for n, hub in enumerate(hubs)
        ]
        queued, published, _ = filled(entries, 1)
        good = [message.payload for message in published]
        redis_queue.fill(queued)
        first = await first_to_see(clients, 500)
        second = 1 - first
        os.kill(hubs[first].pid, signal.SIGSTOP)
        left = redis_queue.left()
        await clients[second].until(partial(has_seen, clients[second], {good[-1]}, [0]))
        await done(redis_queue, 20)
        os.kill(hubs[first].pid, signal.SIGCONT)
        await said(hubs[first], "ingest lease lost")
        await publish_once(hubs[first].public, ("car0", "sold"), "marker")
        await clients[first].until_payload("marker")
        await asyncio.gather(*(client.stop() for client in clients))
    began, ended = ([payload_of(event) for event in clients[n].events] for n in (first, second))
    assert began.pop() == "marker"
    assert sum(left) > 0, "it was stopped in the middle of the queue"
    assert began == good[: len(began)]
    assert ended == good[-len(ended) :]
    assert 0 <= len(began) + len(ended) - len(good) <= batch


async def first_to_see(clients: list[Client], events: int) -> int:
    """The number of the client that is the first to have seen that many."""
    waits = [asyncio.ensure_future(client.count(events)) for client in clients]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    return next(n for n, wait in enumerate(waits) if wait.done())


async def said(hub: Hub, words: str, within_s: float = 20.0) -> None:
    """Wait until a hub has written some words to its log."""
    async with asyncio.timeout(within_s):
        while words not in hub.log.read_text():  # noqa: ASYNC110  another process writes it
            await asyncio.sleep(0.02)
