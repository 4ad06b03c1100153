"""A disk that is really full: a small tmpfs, filled by a file that is not the hub's (F8; guarantees G1, G2)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.http1 import request
from tests.support.publisher import Message, Pair, Publisher, signed, subscribe_target
from tests.support.readiness import becomes, publish_readiness
from tests.support.server import Hub
from tests.support.sse import Client

pytestmark = [pytest.mark.wire, pytest.mark.slow]

DISK_BYTES = 16 << 20
#: More than enough to fill what the store has left of its own files.
PUBLISHES_MAX = 5_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """An empty file system of 16 MiB."""
    if os.geteuid() != 0:
        assert os.environ.get("CI") != "true", "only root may mount, and CI skips nothing"
        pytest.skip("only root may mount")
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "fast-sse-test", place], check=True)
    yield place
    subprocess.run(["umount", place], check=True)


def fill(place: Path) -> Path:
    """Take all that is left."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return filler


async def refused(publisher: Publisher, channel: Pair) -> list[Message]:
    """Publish until the disk is full and twenty publishes in a row are refused; all that were refused."""
    found: list[Message] = []
    in_a_row = 0
    while in_a_row < 20:
        message = await publisher.publish(channel)
        assert len(publisher.history) < PUBLISHES_MAX, "the disk never filled up"
        if message.outcome == "ok":
            in_a_row = 0
        else:
            in_a_row += 1
            found.append(message)
    return found


async def test_readiness_tells_of_a_full_disk(tmp_path: Path, disk: Path, channel: Pair) -> None:
    """While publishes are refused for want of room, /readyz/publish says so, and sends publishers elsewhere."""
    async with Hub(tmp_path, settings={"FAST_SSE_DATA_DIR": str(disk / "data")}) as hub:
        publisher = Publisher("p", hub.public, pad_bytes=4_000, keyed=False)
        await publisher.publish_surely(channel)
        fill(disk)
        await refused(publisher, channel)
        publisher.close()
        assert await publish_readiness(hub.admin) == 503


async def test_full_disk_refuses_and_heals(tmp_path: Path, disk: Path, channel: Pair) -> None:
    """On a full disk publishes are 507 or 503 and not stored; streams stay; with room again it goes on by itself."""
    settings = {"FAST_SSE_DATA_DIR": str(disk / "data"), "FAST_SSE_HEARTBEAT_S": "0.2"}
    target = subscribe_target(channel)
    publisher = Publisher("p", ("", 0), pad_bytes=4_000, keyed=False)
    async with Hub(tmp_path, settings=settings) as hub:
        publisher.address = hub.public
        client = await Client("live", hub.public, target, signed(channel)).start().ready()
        for _ in range(20):
            await publisher.publish_surely(channel)
        filler = fill(disk)
        lost = await refused(publisher, channel)
        assert {attempt.status for message in lost for attempt in message.attempts} <= {503, 507}
        assert (await request(hub.admin, "GET", "/readyz/subscribe")).status == 200
        beats = client.heartbeats
        await client.until(lambda: client.heartbeats >= beats + 2)

        filler.unlink()
        assert hub.starts == 1
        # An attempt that was refused is not stored, so a message may be tried until it is.
        for _ in range(20):
            await publisher.publish_surely(channel)
        await becomes(hub.admin, 200, within_s=3)
        stored = [message.payload for message in publisher.history if message.outcome == "ok"]
        assert len(stored) + len(lost) == len(publisher.history)
        await client.count(len(stored))
        assert [payload["p"] for payload in client.payloads] == stored
        assert (len(client.opened), client.finals) == (1, [])
        await client.stop()

        hub.kill_now()
        await hub.await_exit()
        await hub.astart()
        late = Client("late", hub.public, target, signed(channel))
        late.last_event_id = "earliest"
        await late.start().count(len(stored))
        assert [payload["p"] for payload in late.payloads] == stored
        await late.stop()
    publisher.close()
