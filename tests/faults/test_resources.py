"""When the machine has no more to give: file descriptors, disk (guarantees G1, G2; reliability F8, F17)."""

from __future__ import annotations

import asyncio
import resource
from pathlib import Path

import pytest
from tests.faults.crowd import Crowd
from tests.support.http1 import Connection
from tests.support.kernel import eventually
from tests.support.publisher import Pair, publish_once
from tests.support.server import Hub

CAR: Pair = ("car0", "sold")

pytestmark = [pytest.mark.slow, pytest.mark.wire]


def open_files(hub: Hub) -> int:
    """File descriptors of the hub."""
    return sum(1 for _ in Path(f"/proc/{hub.pid}/fd").iterdir())


def cpu_s(hub: Hub) -> float:
    """Processor time of the hub so far, in seconds of 100 ticks."""
    fields = Path(f"/proc/{hub.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


async def test_running_out_of_descriptors_harms_nobody_inside(tmp_path: Path) -> None:
    """With no descriptor left, open streams and publishers go on, the accept loop does not spin, and it recovers."""
    hub = Hub(tmp_path)
    async with hub, Crowd(hub.public, patterns=[CAR, ("*", "*")], publishers=2) as crowd:
        await crowd.publish(20, channels=[CAR])
        limits = resource.prlimit(hub.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(hub.pid, resource.RLIMIT_NOFILE, (open_files(hub) + 5, limits[1]))
        idle = [await Connection.open(hub.public) for _ in range(30)]
        await eventually(
            lambda: open_files(hub) >= resource.prlimit(hub.pid, resource.RLIMIT_NOFILE)[0], 20, "full"
        )
        busy_s = cpu_s(hub)
        began = asyncio.get_running_loop().time()
        await crowd.publish(200, channels=[CAR])
        await crowd.drain()
        spent, passed = cpu_s(hub) - busy_s, asyncio.get_running_loop().time() - began
        assert spent < 0.9 * passed + 0.2, f"{spent:.2f} s of processor in {passed:.2f} s"
        crowd.report().assert_clean()
        for connection in idle:
            connection.abort()
        resource.prlimit(hub.pid, resource.RLIMIT_NOFILE, limits)
        assert (await publish_once(hub.public, CAR, "after")).status == 200
        assert hub.alive()


async def test_disk_that_takes_no_more_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """While every write to a file fails, no publish is acknowledged; streams stay; it heals without a restart."""
    hub = Hub(tmp_path)
    async with hub, Crowd(hub.public) as crowd:
        await crowd.publish(100)
        limits = resource.prlimit(hub.pid, resource.RLIMIT_FSIZE)
        refused = []
        for _ in range(3):
            resource.prlimit(hub.pid, resource.RLIMIT_FSIZE, (4096, limits[1]))
            refused += [await publisher.publish(CAR) for publisher in crowd.publishers]
            resource.prlimit(hub.pid, resource.RLIMIT_FSIZE, limits)
            for publisher in crowd.publishers:
                await publisher.publish_surely(CAR)
            await crowd.publish(50)
        await crowd.join_late()
        await crowd.drain()
        assert not [message for message in refused if message.outcome == "ok"], (
            "acknowledged, with nowhere to store it"
        )
        answers = {attempt.status for message in refused for attempt in message.attempts}
        assert answers <= {503, 504, 507}, answers
        crowd.report().require(refused=len(refused)).assert_clean()
        assert not [client for client in crowd.clients[:-1] if len(client.opened) > 1], (
            "streams were to stay open"
        )
