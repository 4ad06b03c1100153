"""Nodes are restarted one after the other, or share one port (guarantee G9; fault F11)."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.cluster.nodes import Log, cluster
from tests.faults.cluster.scenarios import rolling
from tests.faults.counts import ROLLS, Record, each_scale
from tests.faults.crowd import Crowd
from tests.support.server import stable_port

pytestmark = pytest.mark.wire


@each_scale
@pytest.mark.timeout(1800)
async def test_a_rolling_restart_is_not_noticed(tmp_path: Path, log: Log, scale: str, record: Record) -> None:
    """Each publish is ok after one keyed retry at most, subscribers miss nothing, and none sees a final status."""
    rounds = ROLLS[scale]
    run = await rolling(tmp_path, log, rounds=rounds)
    record(f"{rounds} rounds, 3 nodes on {log.store}", run.figure)
    run.report.assert_clean()
    assert run.report.counts["restarts"] == 3 * rounds


@pytest.mark.slow
async def test_processes_share_one_port(tmp_path: Path, log: Log, record: Record) -> None:
    """With reuse_port two processes listen on one port: both are given streams, and everybody is told everything."""
    port = stable_port()
    shared = {"FAST_SSE_REUSE_PORT": "true"}
    async with (
        cluster(tmp_path, log, 2, port=port, settings=lambda _number: shared) as group,
        Crowd(("127.0.0.1", port)) as crowd,
    ):
        streams = await group.streams()
        await crowd.publish(200)
        await crowd.drain()
        report = crowd.report()
    record("200 messages, 2 processes on one port", f"{report.text()}; streams of each {streams}")
    assert sum(streams) == len(crowd.clients)
    assert min(streams) > 0, "the kernel gave all of twenty streams to one of two processes"
    report.assert_clean()
