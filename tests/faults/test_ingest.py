"""Foreign queues drain into subscribers with none lost while the hub is killed (guarantees G1, G3, G4, G5)."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.faults.cluster.nodes import on_kafka, on_redis
from tests.faults.counts import QUEUED, QUEUED_ELSEWHERE, Record, each_scale
from tests.faults.crowd import payload_of
from tests.faults.held import Held, HeldAcks, HeldCommits
from tests.faults.queues import BATCH, KafkaQueue, RedisQueue, done, drained, filled, has_seen
from tests.faults.scenarios import Run
from tests.ingest.kafka import Topic
from tests.support.kafka_broker import Broker, topic_name
from tests.support.kafka_proxy import KafkaProxy
from tests.support.proxy import Proxy
from tests.support.publisher import publish_once, signed, subscribe_target
from tests.support.redis_server import RedisServer, need_redis
from tests.support.server import Hub
from tests.support.sse import Client

# Brokers and hubs take their time on a busy machine; each wait inside has a bound of its own.
pytestmark = [pytest.mark.wire, pytest.mark.timeout(240)]

WITHOUT_KEYS = "tests.faults.broken.dedup_off"


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of the test's own, with what the original's would have: no persistence."""
    need_redis()
    with RedisServer(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def redis_queue(redis_server: RedisServer) -> RedisQueue:
    """An empty queue."""
    return RedisQueue(redis_server)


@each_scale
async def test_a_redis_queue_drains_over_kills(
    tmp_path: Path, redis_queue: RedisQueue, scale: str, record: Record
) -> None:
    """Every entry is one message, in queue order, for every subscriber; every poison is one dead letter."""
    count = QUEUED[scale]
    run = await drained(tmp_path, redis_queue, entries=count.messages, kills=count.kills)
    record(f"{count.messages:,} entries of a Redis stream, {count.kills} kills", run.figure)
    run.report.assert_clean()
    assert run.report.counts["kills_on_the_way"] == count.kills, run.figure


@pytest.fixture
def kafka_queue(kafka_broker: Broker) -> KafkaQueue:
    """An empty topic of four partitions."""
    return KafkaQueue(Topic(kafka_broker, topic_name(), partitions=KafkaQueue.lanes))


@each_scale
async def test_a_kafka_topic_drains_over_kills(
    tmp_path: Path, kafka_queue: KafkaQueue, scale: str, record: Record
) -> None:
    """Every record is one message, in the order of its partition, for every subscriber; every poison is one dead letter."""
    count = QUEUED[scale]
    run = await drained(tmp_path, kafka_queue, entries=count.messages, kills=count.kills)
    record(f"{count.messages:,} records of a Kafka topic with 4 partitions, {count.kills} kills", run.figure)
    run.report.assert_clean()
    assert run.report.counts["kills_on_the_way"] == count.kills, run.figure


@pytest.mark.slow
async def test_a_kill_that_comes_too_late_is_tried_again(tmp_path: Path, redis_queue: RedisQueue) -> None:
    """A hub that is done before its kill proves nothing: more is queued, and the kill that counts is another one."""
    kills: list[int] = []

    def late_once() -> None:
        while not kills and any(redis_queue.left()):
            time.sleep(0.01)
        kills.append(len(kills))

    run = await drained(tmp_path, redis_queue, entries=200, kills=1, before_kill=late_once)
    run.report.assert_clean()
    assert (run.report.counts["kills"], run.report.counts["kills_on_the_way"]) == (2, 1), run.figure
    assert run.report.counts["messages"] == 200 * 3 * 99 // 100


async def unacknowledged(tmp_path: Path, queue: RedisQueue, entries: int, kills: int, **more: Any) -> Run:
    """Kills, evenly, each when the entries in hand are stored and their acknowledgement is on its way, and is lost."""
    held = Held(entries // BATCH // (kills + 1), kills)
    async with HeldAcks(queue.server.address, held) as proxy:
        queue.at(f"redis://127.0.0.1:{proxy.address[1]}/0")
        return await drained(tmp_path, queue, entries=entries, held=held, **more)


async def uncommitted(tmp_path: Path, queue: KafkaQueue, entries: int, kills: int, **more: Any) -> Run:
    """The same on a Kafka topic, whose offsets are committed."""
    held = Held(entries // BATCH // (kills + 1), kills)
    async with KafkaProxy(queue.topic.broker, HeldCommits(held)) as proxy:
        queue.at(proxy.bootstrap)
        return await drained(tmp_path, queue, entries=entries, held=held, **more)


@pytest.mark.slow
async def test_stored_and_not_acknowledged_is_one_message(tmp_path: Path, redis_queue: RedisQueue) -> None:
    """Killed after its store has the entries and before Redis hears of it, the hub publishes and keeps none of them twice."""
    run = await unacknowledged(tmp_path, redis_queue, 200, 2)
    run.report.assert_clean()
    assert "; 2 kills with entries taken and not acknowledged" in run.figure, run.figure


@each_scale
async def test_a_redis_queue_drains_into_kafka_over_kills(
    tmp_path: Path, redis_queue: RedisQueue, kafka_broker: Broker, scale: str, record: Record
) -> None:
    """The same where the log is in Kafka: it knows the keys of what was stored by a hub that is gone."""
    kills, entries = QUEUED_ELSEWHERE[scale]
    run = await unacknowledged(tmp_path, redis_queue, entries, kills, log=on_kafka(kafka_broker))
    record(f"{entries:,} entries of a Redis stream into Kafka, {kills} kills before XACK", run.figure)
    run.report.assert_clean()
    assert run.report.counts["kills_on_the_way"] == kills, run.figure


@each_scale
async def test_a_kafka_topic_drains_into_redis_over_kills(
    tmp_path: Path, kafka_queue: KafkaQueue, redis_server: RedisServer, scale: str, record: Record
) -> None:
    """The same with a topic as the queue and the log in Redis, before the offset is committed."""
    kills, entries = QUEUED_ELSEWHERE[scale]
    run = await uncommitted(tmp_path, kafka_queue, entries, kills, log=on_redis(redis_server))
    record(f"{entries:,} records of a Kafka topic into Redis, {kills} kills before the commit", run.figure)
    run.report.assert_clean()
    assert run.report.counts["kills_on_the_way"] == kills, run.figure


@pytest.mark.slow
async def test_forgotten_keys_are_found(tmp_path: Path, redis_queue: RedisQueue) -> None:
    """The same run on a hub without keys: what was stored and not acknowledged is there twice."""
    run = await unacknowledged(tmp_path, redis_queue, 200, 2, module=WITHOUT_KEYS)
    assert "duplicate" in run.report.found, run.figure


@pytest.mark.slow
async def test_forgotten_keys_are_found_beside_kafka(tmp_path: Path, kafka_queue: KafkaQueue) -> None:
    """The same on a topic."""
    run = await uncommitted(tmp_path, kafka_queue, 200, 1, module=WITHOUT_KEYS)
    assert "duplicate" in run.report.found, run.figure


@pytest.mark.slow
async def test_acknowledging_before_storing_is_found(tmp_path: Path, redis_queue: RedisQueue) -> None:
    """A hub that acknowledges what it took before its store has it loses entries, and the run says so."""
    module = "tests.faults.broken.ack_before_store"
    # What it never stored is acknowledged too, so that no kill looks as if it came in time.
    run = await drained(tmp_path, redis_queue, entries=1_000, kills=1, module=module, end_s=5, late_max=0)
    assert "lost" in run.report.found, run.figure


class Stopped(NamedTuple):
    """Two nodes at one queue, of which the reader was stopped in the middle and woken up at the end."""

    good: list[str]
    left: int
    reader: list[str]
    other: list[str]


async def stopped_midway(
    tmp_path: Path, queue: RedisQueue, store: str = "sqlite", more: dict[str, str] | None = None
) -> Stopped:
    """SIGSTOP the node that reads, let the other finish the queue, SIGCONT; then one message, "marker", on the first.

    Until then each reply of the queue takes 10 ms, so that what is left is seconds of work when the order comes.
    """
    async with Proxy(queue.server.address) as proxy:
        proxy.mode, proxy.latency_s = "late", 0.01
        queue.at(f"redis://127.0.0.1:{proxy.address[1]}/0")
        return await _stopped_midway(tmp_path, queue, proxy, store, more or {})


async def _stopped_midway(
    tmp_path: Path, queue: RedisQueue, proxy: Proxy, store: str, more: dict[str, str]
) -> Stopped:
    settings = {
        **queue.settings,
        **more,
        "FAST_SSE_LIMITS__INGEST_LEASE_S": "2",  # longer than a busy machine holds up the node that reads
        "FAST_SSE_LIMITS__INGEST_ENTRIES_MAX": str(BATCH),
    }
    hubs: dict[str, Hub] = {}
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        hubs[name] = Hub(tmp_path / name, store=store, settings={**settings, "FAST_SSE_NODE": name})
    async with hubs["a"], hubs["b"]:
        everything = subscribe_target(("*", "*")), signed(("*", "*"))
        clients = {name: Client(name, hub.public, *everything).start() for name, hub in hubs.items()}
        for client in clients.values():
            await client.ready()
        reader = await reader_of(queue)
        (other,) = hubs.keys() - {reader}
        queued, published, _ = filled(3_000, queue.lanes)
        good = [message.payload for message in published]
        queue.fill(queued)
        await clients[reader].count(500)
        os.kill(hubs[reader].pid, signal.SIGSTOP)
        proxy.mode = "pass"
        left = sum(queue.left())
        await clients[other].until(partial(has_seen, clients[other], {good[-1]}, [0]))
        await done(queue, 20)
        os.kill(hubs[reader].pid, signal.SIGCONT)
        # Whichever comes first: its lease is another's, or the reply it waited for is older than it may be.
        await said(hubs[reader], "ingest lease lost", "ingest failed")
        await publish_once(hubs[reader].public, ("car0", "sold"), "marker")
        await clients[reader].until_payload("marker")
        if store != "sqlite":
            await clients[other].until_payload("marker")
        await asyncio.gather(*(client.stop() for client in clients.values()))
    seen = {name: [payload_of(event) for event in client.events] for name, client in clients.items()}
    return Stopped(good, left, seen[reader], seen[other])


async def reader_of(queue: RedisQueue, within_s: float = 20.0) -> str:
    """The node that reads a queue, as soon as one does: it asks for the lease when it is ready."""
    async with asyncio.timeout(within_s):
        while (held := queue.server.do("GET", f"{queue.name}:lease:fast-sse")) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return str(held.partition(b":")[0].decode())


async def said(hub: Hub, *either: str, within_s: float = 20.0) -> None:
    """Wait until a hub has written one of these to its log."""
    async with asyncio.timeout(within_s):
        while not any(words in hub.log.read_text() for words in either):  # noqa: ASYNC110  another process writes it
            await asyncio.sleep(0.02)


@pytest.mark.slow
async def test_a_node_that_was_stopped_takes_nothing_from_its_follower(
    tmp_path: Path, redis_queue: RedisQueue
) -> None:
    """SIGSTOP in the middle of the queue: another node goes on with what was in hand; woken up, the first one adds nothing.

    Each has a log of its own, so that what each of them published can be told apart: the first the beginning of the
    queue, the second the rest, and both at most the one batch that the first had stored and not acknowledged.
    """
    run = await stopped_midway(tmp_path, redis_queue)
    assert run.left > 0, "it was stopped in the middle of the queue"
    assert run.reader.pop() == "marker"
    assert run.reader == run.good[: len(run.reader)]
    assert run.other == run.good[-len(run.other) :]
    assert 0 <= len(run.reader) + len(run.other) - len(run.good) <= BATCH


@pytest.mark.slow
async def test_a_shared_log_has_each_entry_once_over_a_stop(tmp_path: Path, redis_queue: RedisQueue) -> None:
    """The same on two nodes with one log: every subscriber on either of them sees each entry once, in queue order."""
    more = {"FAST_SSE_REDIS__URL": redis_queue.server.url}
    run = await stopped_midway(tmp_path, redis_queue, "redis", more)
    assert run.left > 0, "it was stopped in the middle of the queue"
    assert run.reader == run.other == [*run.good, "marker"]
