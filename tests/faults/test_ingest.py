"""Foreign queues drain into subscribers with none lost while the hub is killed (guarantees G1, G3, G4, G5)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.faults.counts import QUEUED, Record, each_scale
from tests.faults.queues import KafkaQueue, RedisQueue, drained
from tests.faults.scenarios import Run
from tests.ingest.kafka import Topic
from tests.support.kafka_broker import Broker, need_kafka
from tests.support.proxy import Proxy
from tests.support.redis_server import RedisServer, need_redis

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
