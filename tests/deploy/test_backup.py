"""What docs/backups.md says of a backup that is put back: what clients are told, with log.reserve and without."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from tests.support.publisher import Pair, publish_once, signed, subscribe_target
from tests.support.server import Hub
from tests.support.sse import Client

from fast_sse.store.sqlite.backup import back_up
from fast_sse.store.sqlite.restore import restore

pytestmark = [pytest.mark.wire, pytest.mark.slow]


def silent(_what: str, _percent: int) -> None:
    pass


def put_back(backup: Path, directory: Path, *, keep_reserve: bool) -> None:
    """By the page: restored into a directory without a log; or put in place of the log alone."""
    for name in ("log.db", "log.db-wal", "log.db-shm"):
        (directory / name).unlink(missing_ok=True)
    if keep_reserve:
        (directory / "log.db").write_bytes(backup.read_bytes())
        return
    for name in ("log.reserve", "log.ballast"):
        (directory / name).unlink()
    restore(backup, directory, silent)


async def publish(hub: Hub, channel: Pair, numbers: range) -> list[str]:
    """Publish numbers; their ids."""
    replies = [await publish_once(hub.public, channel, number) for number in numbers]
    return [reply.json()["data"]["message_id"] for reply in replies]


async def resumed(hub: Hub, channel: Pair, cursor: str, events: int) -> Client:
    """A client that comes back with an id, once it has so many events, gaps included."""
    client = Client("c", hub.public, subscribe_target(channel), signed(channel))
    client.last_event_id = cursor
    await client.start().count(events)
    await client.stop()
    return client


@pytest.mark.parametrize("keep_reserve", [False, True])
async def test_a_restored_backup_names_what_is_missing(
    tmp_path: Path, channel: Pair, keep_reserve: bool
) -> None:
    """A backup of a running hub, restored: clients that saw more are told, no id is given twice, the rest is served.

    Restored, the log is a new one: gap `epoch`, then everything kept. With the reserve of the log that was
    lost, it is the same one with a hole: gap `lost_tail` for who was in it, and nothing for who was behind it.
    """
    data, copy = tmp_path / "data", tmp_path / "copy.db"
    async with Hub(tmp_path) as hub:
        kept = await publish(hub, channel, range(5))
        await asyncio.to_thread(back_up, data, copy, silent)
        lost = await publish(hub, channel, range(5, 10))
        hub.kill_now()
        await hub.await_exit()
        put_back(copy, data, keep_reserve=keep_reserve)
        await hub.astart()
        fresh = await publish(hub, channel, range(100, 102))
        assert not set(fresh) & {*kept, *lost}

        behind = await resumed(hub, channel, kept[2], 4 if keep_reserve else 8)
        within = await resumed(hub, channel, lost[2], 3 if keep_reserve else 8)
        reasons = [[json.loads(gap.data)["reason"] for gap in client.gaps] for client in (behind, within)]
        if keep_reserve:
            assert reasons == [[], ["lost_tail"]]
            assert (behind.payloads, within.payloads) == ([3, 4, 100, 101], [100, 101])
        else:
            assert reasons == [["epoch"], ["epoch"]]
            assert behind.payloads == within.payloads == [0, 1, 2, 3, 4, 100, 101]
