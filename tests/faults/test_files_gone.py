"""The files of the log moved, removed and replaced under load: no 2xx for what the next process would not find (G1)."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.faults.counts import FILES_MOVED, Record, each_scale
from tests.faults.crowd import CHANNELS, Crowd
from tests.support.http1 import Connection, request_bytes
from tests.support.kernel import eventually
from tests.support.readiness import becomes
from tests.support.server import Hub

pytestmark = pytest.mark.wire

PATTERNS = [("*", "*"), ("car0", "sold")]
SETTINGS = {"FAST_SSE_DRAIN_S": "0.2"}


async def readiness(hub: Hub) -> tuple[int, str]:
    """Status and body of the probe of publishes."""
    async with await Connection.open(hub.admin) as operators:
        reply = await operators.exchange(request_bytes("GET", "/readyz/publish", {}))
    return reply.status, reply.body.decode()


@each_scale
async def test_a_log_that_is_moved_away_and_back_loses_nothing(
    tmp_path: Path, scale: str, record: Record
) -> None:
    """Refused while it is away, and from then on as before; after a restart all that was acknowledged is there."""
    count = FILES_MOVED[scale]
    log, away = tmp_path / "data" / "log.db", tmp_path / "away.db"
    refused = 0
    async with Hub(tmp_path, settings=SETTINGS) as hub, Crowd(hub.public, patterns=PATTERNS) as crowd:
        for _ in range(count.moves):
            await crowd.publish(count.messages)
            work = asyncio.ensure_future(crowd.publish(count.messages))
            log.rename(away)
            await eventually(
                lambda: any(m.attempts and m.attempts[-1].status == 503 for m in crowd.messages),
                10.0,
                "a refusal",
            )
            refused += any(attempt.status == 503 for m in crowd.messages for attempt in m.attempts)
            away.rename(log)
            await work
        hub.terminate_now()
        assert await hub.await_exit() == 0
        await hub.astart()
        await crowd.publish(count.messages)
        await crowd.join_late()
        await crowd.drain()
        report = crowd.report().require(refused=refused)
    record(f"{len(crowd.messages):,} messages, moved {count.moves} times", report.text())
    report.assert_clean()


def removed(data: Path) -> None:
    (data / "log.db").unlink()


def replaced(data: Path) -> None:
    shutil.copy(data / "log.db", data / "older.db")
    (data / "older.db").rename(data / "log.db")


WAYS: dict[str, Callable[[Path], object]] = {
    "removed": removed,
    "replaced": replaced,
    "the directory removed": shutil.rmtree,
}


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
async def test_a_log_that_is_gone_takes_nothing_more(tmp_path: Path, way: str) -> None:
    """From the first refusal on there is no 2xx, readiness says why, streams stay, and SIGTERM ends the hub."""
    async with (
        Hub(tmp_path, settings=SETTINGS) as hub,
        Crowd(hub.public, publishers=2, patterns=PATTERNS) as crowd,
    ):
        await crowd.publish(100)
        WAYS[way](tmp_path / "data")
        refused = False
        for _ in range(50):
            for publisher in crowd.publishers:
                message = await publisher.publish(CHANNELS[0])
                assert not (refused and message.outcome == "ok"), "acknowledged into a file that is gone"
                refused = refused or message.outcome == "fail"
        assert refused
        await becomes(hub.admin, 503)
        assert "removed or replaced" in (await readiness(hub))[1]
        assert all(len(client.opened) == 1 for client in crowd.clients), "streams stay"
        hub.terminate_now()
        assert await hub.await_exit() == 0
