"""Foreign queues drain into subscribers with none lost while the hub is killed (guarantees G1, G3, G4, G5)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.counts import QUEUED, Record, each_scale
from tests.faults.queues import RedisQueue, drained
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


@pytest.mark.slow
async def test_stored_and_not_acknowledged_is_one_message(tmp_path: Path, redis_queue: RedisQueue) -> None:
    """Killed after its store has the entries and before Redis hears of it, the hub publishes none of them twice."""
    async with Proxy(redis_queue.server.address) as proxy:
        proxy.mode = "late"  # an acknowledgement is still on its way when a subscriber sees what it is for
        redis_queue.at(f"redis://127.0.0.1:{proxy.address[1]}/0")
        run = await drained(tmp_path, redis_queue, entries=400, kills=2)
    run.report.assert_clean()
    assert "2 of 2 kills with entries taken and not acknowledged" in run.figure, run.figure


@pytest.mark.slow
async def test_forgotten_keys_are_found(tmp_path: Path, redis_queue: RedisQueue) -> None:
    """The same run on a hub without keys: what was stored and not acknowledged is there twice."""
    async with Proxy(redis_queue.server.address) as proxy:
        proxy.mode = "late"
        redis_queue.at(f"redis://127.0.0.1:{proxy.address[1]}/0")
        module = "tests.faults.broken.dedup_off"
        run = await drained(tmp_path, redis_queue, entries=400, kills=2, module=module, within_s=5)
    assert "duplicate" in run.report.found, run.figure


@pytest.mark.slow
async def test_acknowledging_before_storing_is_found(tmp_path: Path, redis_queue: RedisQueue) -> None:
    """A hub that acknowledges what it took before its store has it loses entries, and the run says so."""
    module = "tests.faults.broken.ack_before_store"
    run = await drained(tmp_path, redis_queue, entries=1_000, kills=1, module=module, within_s=5)
    assert "lost" in run.report.found, run.figure
