"""No silent gap (guarantee G6): a cursor that cannot be continued exactly is answered 200, and the gap has a name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.e2e.conftest import Listen
from tests.support.publisher import Pair, publish_once, signed, subscribe_target
from tests.support.server import Hub
from tests.support.sse import GAP, Client

pytestmark = pytest.mark.wire

#: Trims at once, and keeps next to nothing in memory: what the hub still has it may well continue from.
TRIMS = {
    "FAST_SSE_LIMITS__TRIM_INTERVAL_S": "0.05",
    "FAST_SSE_LIMITS__TAIL_RECORDS_MAX": "2",
    "FAST_SSE_DEAD_LETTERS__GRACE_S": "0.5",  # what waits for its grace is not trimmed
}


async def publish(hub: Hub, channel: Pair, *data: object) -> list[str]:
    """Publish and return the message ids."""
    replies = [await publish_once(hub.public, channel, one) for one in data]
    assert [reply.status for reply in replies] == [200] * len(data)
    return [reply.json()["data"]["message_id"] for reply in replies]


def client_of(hub: Hub, channel: Pair, cursor: str) -> Client:
    """A started client that comes with a cursor."""
    client = Client("c", hub.public, subscribe_target(channel), signed(channel))
    client.last_event_id = cursor
    return client.start()


def named(client: Client) -> dict[str, str]:
    """The detail of the client's first event, which must be a gap with the id that it resumes at."""
    first = client.seen[0]
    assert first.event == GAP, client.describe()
    detail: dict[str, str] = json.loads(first.data)
    assert set(detail) == {"reason", "from", "resumed_at"}
    assert detail["resumed_at"] == first.id
    return detail


UNREADABLE = [
    "garbage",
    "0",
    "s1",
    "s1.x.1",
    "x9.0000000000000.1",
    "é",
    "1" * 5_000,
    "s1.0000000000000." + "9" * 21,
]


@pytest.mark.parametrize("cursor", UNREADABLE, ids=lambda cursor: cursor[:20])
async def test_unreadable_cursor(listen: Listen, hub: Hub, channel: Pair, cursor: str) -> None:
    """What is no cursor of ours is a gap and never a 4xx, which would end a browser's stream; it goes on from now."""
    (newest,) = await publish(hub, channel, "before")
    client = await listen(channel, cursor).count(1)
    assert (named(client)["reason"], named(client)["resumed_at"]) == ("unreadable", newest)
    await publish(hub, channel, "after")
    await client.count(2)
    assert client.payloads == ["after"]


async def test_cursor_ahead(listen: Listen, hub: Hub, channel: Pair) -> None:
    """A place that the log never reached is a gap; the stream goes on from the newest."""
    (newest,) = await publish(hub, channel, "before")
    log, _, place = newest.rpartition(".")
    number, dash, rest = place.partition("-")
    client = await listen(channel, f"{log}.{int(number) + 1_000_000_000}{dash}{rest}").count(1)
    assert (named(client)["reason"], named(client)["resumed_at"]) == ("ahead", newest)
    await publish(hub, channel, "after")
    await client.count(2)
    assert client.payloads == ["after"]


OTHER_LOGS = [
    "s1.0000000000000.1",
    "m1.0000000000000.1",
    "r1.0000000000000.1-1-0000000",
    "k1.0000000000000.1-0000000",
]


@pytest.mark.parametrize("cursor", OTHER_LOGS)
async def test_cursor_of_another_log(listen: Listen, hub: Hub, channel: Pair, cursor: str) -> None:
    """An id of another store or epoch is the gap `epoch`; all that is retained of the channel follows."""
    await publish(hub, channel, 0, 1)
    client = await listen(channel, cursor).count(3)
    assert (named(client)["reason"], named(client)["from"]) == ("epoch", cursor)
    assert client.payloads == [0, 1]


@pytest.mark.parametrize("store", ["memory", "sqlite"])
async def test_trimmed_cursor(tmp_path: Path, store: str) -> None:
    """A cursor below what retention keeps is the gap `trimmed`; everything retained follows, without a hole."""
    channel = ("car", "sold")
    settings = {"FAST_SSE_RETENTION__MAX_MESSAGES": "5", **TRIMS}
    async with Hub(tmp_path, store=store, settings=settings) as hub:
        ids = await publish(hub, channel, *range(20))
        client = client_of(hub, channel, ids[0])
        await client.until_payload(len(ids) - 1)
        while not client.gaps:
            # Trimming takes its own time: publish, and ask again.
            await client.stop()
            ids += await publish(hub, channel, len(ids))
            client = client_of(hub, channel, ids[0])
            await client.until_payload(len(ids) - 1)
        assert (named(client)["reason"], named(client)["from"]) == ("trimmed", ids[0])
        resumed = ids.index(named(client)["resumed_at"])
        assert [event.id for event in client.events] == ids[resumed + 1 :]
        assert 0 < resumed < len(ids)
        await client.stop()


@pytest.mark.parametrize("store", ["memory", "sqlite"])
async def test_quiet_channel_has_no_false_gap(tmp_path: Path, store: str) -> None:
    """While others' messages come and are trimmed, a connected client's cursor moves on: its resume is no gap."""
    quiet, busy = ("car", "sold"), ("bus", "sold")
    settings = {
        "FAST_SSE_RETENTION__MAX_MESSAGES": "20",
        "FAST_SSE_HEARTBEAT_S": "0.1",
        # Nobody hears the others' messages: each waits for its grace before it may be trimmed.
        "FAST_SSE_DEAD_LETTERS__GRACE_S": "0.5",
        **TRIMS,
    }
    async with Hub(tmp_path, store=store, settings=settings) as hub:
        client = await client_of(hub, quiet, "").ready()
        first = client.last_event_id
        for _ in range(5):
            newest = (await publish(hub, busy, *range(60)))[-1]
            # Each message above the twenty is trimmed away, the last one's trim included: the ids move that far.
            await client.until(lambda newest=newest: client.last_event_id == newest)  # type: ignore[misc]
        late = await client_of(hub, quiet, first).ready()
        while not late.gaps:  # what nobody heard is trimmed once it has died
            await late.stop()
            late = await client_of(hub, quiet, first).ready()
        assert named(late)["reason"] == "trimmed"
        client.drop()
        await client.ready(2)
        await publish(hub, quiet, "mine")
        await client.count(1)
        assert client.payloads == ["mine"]
        assert not client.gaps
        await late.stop()
        await client.stop()


async def test_lost_tail(tmp_path: Path) -> None:
    """When the log lost what clients had seen (an old copy is put back), their cursor is the gap `lost_tail`."""
    channel = ("car", "sold")
    data, copy = tmp_path / "data", tmp_path / "copy"
    hub = Hub(tmp_path)
    async with hub:
        kept = await publish(hub, channel, "kept")
        assert (await stopped(hub)) == 0
        shutil.copytree(data, copy)
        await hub.astart()
        lost = await publish(hub, channel, "lost", "lost too")
        hub.kill_now()
        await hub.await_exit()
        for file in copy.glob("log.db*"):
            shutil.copy2(file, data)
        for file in data.glob("log.db-*"):
            file.unlink()
        await hub.astart()
        client = client_of(hub, channel, lost[0])
        await client.count(1)
        assert named(client)["reason"] == "lost_tail"
        (fresh,) = await publish(hub, channel, "fresh")
        await client.count(2)
        assert client.payloads == ["fresh"]
        assert fresh not in lost, "a position was used twice"
        whole = client_of(hub, channel, kept[0])
        await whole.until_payload("fresh")
        assert not whole.gaps, "this cursor stands before the loss: nothing it has not seen was lost to it"
        await client.stop()
        await whole.stop()


async def stopped(hub: Hub) -> int:
    """SIGTERM and the exit status."""
    hub.terminate_now()
    return await hub.await_exit()


@pytest.mark.parametrize("end", ["SIGTERM", "SIGKILL"])
async def test_restart_on_sqlite_is_no_gap(tmp_path: Path, end: str) -> None:
    """Over a restart, clean or not, a client on SQLite goes on exactly where it was."""
    channel = ("car", "sold")
    hub = Hub(tmp_path, settings={"FAST_SSE_DRAIN_S": "0.1"})
    async with hub:
        client = await client_of(hub, channel, "").ready()
        for number in range(5):
            await publish(hub, channel, number)
            await client.count(number + 1)
            if end == "SIGTERM":
                hub.terminate_now()
            else:
                hub.kill_now()
            assert await hub.await_exit() == (0 if end == "SIGTERM" else -9)
            await hub.astart()
        await publish(hub, channel, 5)
        await client.count(6)
        assert client.payloads == list(range(6))
        assert not client.finals
        await client.stop()


async def test_restart_of_memory_is_a_gap(tmp_path: Path) -> None:
    """A memory store that is gone is a new epoch, and every client that comes back is told."""
    channel = ("car", "sold")
    hub = Hub(tmp_path, store="memory", settings={"FAST_SSE_DRAIN_S": "0.1"})
    async with hub:
        client = await client_of(hub, channel, "").ready()
        (old,) = await publish(hub, channel, 0)
        await client.count(1)
        hub.kill_now()
        await hub.await_exit()
        await hub.astart()
        await client.count(2)
        (gap,) = client.gaps
        assert json.loads(gap.data)["reason"] == "epoch"
        assert json.loads(gap.data)["from"] == old
        await publish(hub, channel, 1)
        await client.count(3)
        assert client.payloads == [0, 1]
        await client.stop()
