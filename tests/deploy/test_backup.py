"""What docs/deploying.md says of backups: how one is taken while the hub runs, and what a restored one tells clients."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.publisher import Pair, publish_once, signed, subscribe_target
from tests.support.server import Hub
from tests.support.sse import Client

pytestmark = [pytest.mark.wire, pytest.mark.slow]


def back_up(directory: Path, to: Path) -> None:
    """What `sqlite3 log.db ".backup ..."` does."""
    with closing(sqlite3.connect(directory / "log.db")) as log, closing(sqlite3.connect(to)) as copy:
        log.backup(copy)


def put_back(copy: Path, directory: Path, *, keep_reserve: bool) -> None:
    """Restore by the book: the copy in place of the log and of what belongs to it."""
    for name in ("log.db", "log.db-wal", "log.db-shm", *(() if keep_reserve else ("log.reserve",))):
        (directory / name).unlink(missing_ok=True)
    (directory / "log.db").write_bytes(copy.read_bytes())


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

    Without log.reserve the log is a new one: gap `epoch`, then everything kept. With the reserve of the log that was
    lost, it is the same one with a hole: gap `lost_tail` for who was in it, and nothing for who was behind it.
    """
    data, copy = tmp_path / "data", tmp_path / "copy.db"
    async with Hub(tmp_path) as hub:
        kept = await publish(hub, channel, range(5))
        back_up(data, copy)
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
