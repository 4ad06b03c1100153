"""Nodes that stand still, a store that stands still, and clocks that are set: the grace runs only while turns are answered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.faults.cluster.nodes import Log, on_kafka, on_redis
from tests.faults.counts import LETTERS, Record, at_scales, each_scale
from tests.faults.letters.scenarios import clocks_step, purged_while_stopped, stopped, store_away
from tests.faults.letters.standing import log_moved_away, stream_stands_still
from tests.support.kafka_broker import Broker
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.wire

#: In CI one of the two is enough: a node's half of it is the same.
each_shared = at_scales("store", ci=["redis"], chaos=["redis", "kafka"])
HOUR_S = 3600.0
#: Long enough to publish in a part of it what is published past a node that stands still.
GRACE_S = {"ci": 1.0, "chaos": 8.0}
#: What the clocks of the nodes are set by.
ALONE = [("sqlite", (HOUR_S,)), ("sqlite", (-HOUR_S,))]
TWO = [("redis", (HOUR_S, -HOUR_S)), ("kafka", (HOUR_S, -HOUR_S))]


@each_shared
@pytest.mark.parametrize("graces", [0.5, 2.0])
async def test_a_node_that_stands_still_lets_nothing_die_on_waking(
    tmp_path: Path, log_on: Callable[[str], Log], scale: str, store: str, graces: float, record: Record
) -> None:
    """For half of the grace nothing happens; for longer there are letters in doubt, which go when it wakes and tells."""
    count = LETTERS[scale]
    verdict = await stopped(tmp_path, log_on(store), messages=count, grace_s=GRACE_S[scale], graces=graces)
    record(f"{count:,} messages past a node that stood still for {graces:g} graces, {store}", verdict.figure)
    verdict.assert_sure()


@each_shared
async def test_what_was_purged_meanwhile_stays_away(
    tmp_path: Path, log_on: Callable[[str], Log], scale: str, store: str, record: Record
) -> None:
    """It was decided, and the node that wakes hears of that before it decides."""
    count = min(LETTERS[scale], 500)
    verdict = await purged_while_stopped(tmp_path, log_on(store), messages=count)
    record(f"{count:,} letters purged while a node that waits stood still, {store}", verdict.figure)
    verdict.assert_sure()


@each_scale
async def test_nothing_dies_of_a_redis_that_stands_still(
    tmp_path: Path, redis_server: RedisServer, scale: str, record: Record
) -> None:
    """For twice the grace; who comes on its return is handed what waited."""
    count = LETTERS[scale]
    log = on_redis(redis_server)
    pause, resume = redis_server.pause, redis_server.resume
    verdict = await store_away(tmp_path, log, messages=count, grace_s=1.0, pause=pause, resume=resume)
    record(f"{2 * count:,} messages waited while redis stood still", verdict.figure)
    verdict.assert_sure()


@pytest.mark.chaos
async def test_nothing_dies_of_a_kafka_that_stands_still(
    tmp_path: Path, kafka_broker: Broker, record: Record
) -> None:
    """For twice the grace; who comes on its return is handed what waited."""
    count = LETTERS["chaos"]
    log = on_kafka(kafka_broker)
    pause, resume = kafka_broker.pause, kafka_broker.resume
    verdict = await store_away(tmp_path, log, messages=count, grace_s=2.0, pause=pause, resume=resume)
    record(f"{2 * count:,} messages waited while kafka stood still", verdict.figure)
    verdict.assert_sure()


@each_scale
async def test_nothing_dies_of_a_log_that_was_moved_away(tmp_path: Path, scale: str, record: Record) -> None:
    """Until after the grace; who comes on its return is handed what became due meanwhile."""
    count = LETTERS[scale]
    verdict = await log_moved_away(tmp_path, messages=count, grace_s=GRACE_S[scale])
    record(f"{2 * count:,} messages became due while the file of sqlite was away", verdict.figure)
    verdict.assert_sure()


@at_scales("store", ci=["sqlite", "redis"], chaos=["sqlite", "redis", "kafka"])
async def test_what_a_stream_that_stands_still_is_not_handed_dies_until_it_reads_on(
    tmp_path: Path, log_on: Callable[[str], Log], scale: str, store: str, record: Record
) -> None:
    """Longer than the grace: letters on every node, and each of them is removed when the stream has it."""
    count = LETTERS[scale]
    paused = await stream_stands_still(tmp_path, log_on(store), messages=count)
    figure = f"{len(paused.letters):,} letters, {paused.late:,} removed, {len(paused.left)} left"
    record(f"{count:,} messages behind a stream that stood still, {store}", figure)
    assert paused.behind <= paused.letters
    assert (paused.left, paused.late) == (set(), paused.made)


@each_scale
@pytest.mark.parametrize("hours", [1, -1])
async def test_a_store_whose_clock_is_set_changes_nothing(
    tmp_path: Path, redis_server: RedisServer, scale: str, hours: int, record: Record
) -> None:
    """That of Redis jumps by an hour while messages wait: nothing dies early, and nothing waits for ever."""
    count, steps_s, log = LETTERS[scale], (hours * HOUR_S,) * 2, on_redis(redis_server)
    verdict = await clocks_step(tmp_path, log, messages=count, steps_s=steps_s, of_the_store=True)
    record(f"{2 * count:,} messages waited while the clock of redis was set by {hours:+d} h", verdict.figure)
    verdict.assert_sure()


@at_scales("clocks", ci=[ALONE[0], TWO[0]], chaos=[*ALONE, *TWO], ids=lambda clocks: str(clocks[0]))  # type: ignore[index]
async def test_clocks_that_are_set_change_nothing(
    tmp_path: Path,
    log_on: Callable[[str], Log],
    scale: str,
    clocks: tuple[str, tuple[float, ...]],
    record: Record,
) -> None:
    """While messages wait the wall clock of each node jumps by an hour: nothing dies early, and nothing waits for ever."""
    count = LETTERS[scale]
    store, steps_s = clocks
    verdict = await clocks_step(tmp_path, log_on(store), messages=count, steps_s=steps_s)
    steps = " and ".join(f"{seconds / HOUR_S:+g} h" for seconds in steps_s)
    record(f"{2 * count:,} messages waited while clocks were set by {steps}, {store}", verdict.figure)
    verdict.assert_sure()
