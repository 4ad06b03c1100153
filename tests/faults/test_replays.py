"""Clients that replay the whole log without a pause, beside publishes: the disk stays within its bound."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.faults.counts import REPLAYS, Record, each_scale
from tests.faults.crowd import Crowd
from tests.support.http1 import request_bytes
from tests.support.publisher import signed, subscribe_target
from tests.support.server import Hub

pytestmark = pytest.mark.wire

MIB = 1 << 20
CLIENTS = 4
ALL = ("*", "*")
PAD = 20_000
WAL_BYTES_MAX = 32 * MIB
MAX_BYTES = 24 * MIB
SETTINGS = {
    "FAST_SSE_RETENTION__MAX_BYTES": str(MAX_BYTES),
    "FAST_SSE_LIMITS__TAIL_BYTES_MAX": str(MIB),
    "FAST_SSE_DRAIN_S": "0.2",
    "FAST_SSE_LIMITS__TRIM_INTERVAL_S": "0.2",
}


async def replay(hub: Hub) -> int:
    """From the earliest on, for as long as it takes to read some of it, again and again; how many bytes came."""
    target = subscribe_target(ALL) + "?last_event_id=earliest"
    read = 0
    while True:
        reader, writer = await asyncio.open_connection(*hub.public)
        try:
            writer.write(request_bytes("GET", target, signed(ALL)))
            for _ in range(64):
                read += len(await reader.read(256 * 1024))
                if done.is_set():
                    return read
        finally:
            writer.close()


done = asyncio.Event()


@each_scale
async def test_replays_without_a_pause_leave_the_disk_alone(
    tmp_path: Path, scale: str, record: Record
) -> None:
    """The write-ahead log stays within its bound while many times as much is written; nothing is lost, every publish is taken."""
    written = REPLAYS[scale] * MIB
    wal = tmp_path / "data" / "log.db-wal"
    sizes: list[int] = []
    done.clear()
    async with (
        Hub(tmp_path, settings=SETTINGS) as hub,
        Crowd(hub.public, pad_bytes=PAD, patterns=[ALL]) as crowd,
    ):
        readers = [asyncio.ensure_future(replay(hub)) for _ in range(CLIENTS)]
        while len(crowd.messages) * PAD < written:
            await crowd.publish(40)
            sizes.append(wal.stat().st_size)
        done.set()
        read = sum(await asyncio.gather(*readers))
        await crowd.drain()
        report = crowd.report().require(replayed_mib=read // MIB)
    record(
        f"{written // MIB} MiB beside {read // MIB} MiB replayed",
        f"{report.text()}; wal {max(sizes) // MIB} MiB",
    )
    report.assert_clean()
    assert max(sizes) < WAL_BYTES_MAX
