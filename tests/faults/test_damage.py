"""A malformed page in the log of a hub that runs: streams pass it with a gap, and never stand still before it (G6, F16)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.faults.crowd import Crowd
from tests.store.sqlite.test_damage import pages_of
from tests.support.http1 import Connection, request_bytes
from tests.support.publisher import signed, subscribe_target
from tests.support.server import Hub
from tests.support.sse import Client

pytestmark = [pytest.mark.wire, pytest.mark.slow]

CHANNEL = ("car0", "sold")
SETTINGS = {"FAST_SSE_LIMITS__TAIL_BYTES_MAX": "100000", "FAST_SSE_DRAIN_S": "0.2"}


def damage(log: Path) -> int:
    """Overwrite a page of records in the middle; how many it held."""
    size, pages = pages_of(log, "log")
    at = (pages[len(pages) // 2] - 1) * size
    with log.open("r+b") as file:
        file.seek(at + 3)  # where a page says how many cells it has
        held = int.from_bytes(file.read(2))
        file.seek(at)
        file.write(b"\x55" * size)
    return held


@pytest.mark.parametrize("path", [CHANNEL, ("*", "*")], ids=["a channel", "everything"])
async def test_a_malformed_page_is_a_gap_and_not_silence(tmp_path: Path, path: tuple[str, str]) -> None:
    """What lies before it and behind it comes, live messages go on, and readiness says `damaged`."""
    async with Hub(tmp_path, settings=SETTINGS) as hub, Crowd(hub.public, patterns=[]) as crowd:
        await crowd.publish(400, channels=[CHANNEL])
        hub.terminate_now()
        assert await hub.await_exit() == 0
        held = damage(tmp_path / "data" / "log.db")
        await hub.astart()
        target = subscribe_target(path) + "?last_event_id=earliest"
        client = Client("replay", hub.public, target, signed(path)).start()
        await client.ready()
        await crowd.publish(20, channels=[CHANNEL])
        for publisher in crowd.publishers:
            await client.until_payload(publisher.history[-1].payload)
        reasons = [json.loads(gap.data)["reason"] for gap in client.gaps]
        messages = len(client.events)
        async with await Connection.open(hub.admin) as operators:
            ready = await operators.exchange(request_bytes("GET", "/readyz/publish", {}))
        await client.stop()
    assert set(reasons) == {"unreadable"}
    assert messages == 420 - held
    assert (ready.status, ready.json()["data"]["damaged"]) == (200, True)
    assert "log.db is damaged" in hub.log.read_text()
