"""Each number of the streams, moved."""

from __future__ import annotations

import asyncio
import time

import pytest
from tests.numbers.conftest import CAR, Watch
from tests.support.http1 import Connection, request_bytes
from tests.support.publisher import signed, subscribe_target
from tests.support.sign import v2

pytestmark = [pytest.mark.wire, pytest.mark.slow]

#: More than the sockets between a client that does not read and the hub can hold, in a few messages.
FLOOD = ["x" * 900_000] * 12


async def test_an_open_stream_is_counted(watch: Watch) -> None:
    """It is open, it began, and somebody listens to its filter; until it ends."""
    watched = await watch()
    async with watched.moves("streams_open", "streams_opened_total", "live_sets"):
        client = await watched.listen()
    async with watched.moves("streams_open", "live_sets"):
        await client.stop()


async def test_a_delivery_is_counted(watch: Watch) -> None:
    """In the flush, to its sockets, and by how long it took; the record stays in the tail."""
    watched = await watch()
    client = await watched.listen()
    async with watched.moves(
        "deliveries_total",
        "flushes_total",
        "written_total",
        "publish_flushed_seconds",
        "tail_records",
        "tail_bytes",
    ):
        await watched.publish()
        await client.until(lambda: any(seen.is_message for seen in client.seen))
    assert (await watched.numbers())["publish_flushed_seconds"] == {
        (("since", "arrival"),): 1,
        (("since", "stored"),): 0,
    }


@pytest.mark.parametrize(
    ("at", "query", "headers"),
    [
        ("now", "", {}),
        ("earliest", "?last_event_id=earliest", {}),
        ("last", "?last=1", {}),
        ("since", "?since=1h", {}),
        ("unreadable", "", {"last_event_id": "no-cursor"}),
        ("cursor", "", {"last_event_id": "m1.0000000000000.1"}),
    ],
)
async def test_where_a_stream_begins_is_counted(
    watch: Watch, at: str, query: str, headers: dict[str, str]
) -> None:
    """By a word of ours, whatever the client showed."""
    watched = await watch()
    async with watched.moves("stream_starts_total"):
        await watched.listen(CAR, query, **headers)
    await watched.tells("stream_starts_total", 1, at=at)


async def test_what_compression_saves_is_counted(watch: Watch) -> None:
    """Bytes before and after, the blocks, and the live sets that share a window."""
    watched = await watch(limits={"epoch_members_min": 1})
    reader, writer = await asyncio.open_connection(*watched.public)
    writer.write(
        request_bytes(
            "GET", subscribe_target(CAR) + "?compression=auto", {**signed(CAR), "accept-encoding": "gzip"}
        )
    )
    assert b"content-encoding: gzip" in (await reader.readuntil(b"\r\n\r\n")).lower()
    async with watched.moves(
        "compressions_total",
        "compression_epochs",
        "compression_plain_bytes_total",
        "compression_sent_bytes_total",
    ):
        for number in range(3):
            await watched.publish(number)
    writer.close()
    await writer.wait_closed()


async def test_a_catch_up_is_counted(watch: Watch) -> None:
    """Its records, and how long the store took for its pages."""
    watched = await watch()
    for number in range(3):
        await watched.publish(number)
    async with watched.moves("replayed_total", "replay_page_seconds", "written_total"):
        await watched.listen(query="?last=3")
    assert await watched.value("replayed_total") == 3


async def test_what_waits_for_a_flush_is_counted(watch: Watch) -> None:
    """While more waits than one flush takes."""
    watched = await watch(limits={"flush_bytes_max": 1})
    await watched.listen()
    async with watched.moves("pending_bytes"):
        batch = asyncio.create_task(watched.publish_batch(5000))
    assert (await batch).status == 200


async def test_a_gap_is_counted(watch: Watch) -> None:
    """A stream that is told that its cursor cannot be continued."""
    watched = await watch()
    async with watched.moves("gaps_total"):
        await watched.listen(last_event_id="no-cursor")


async def test_a_signature_that_ran_out_is_counted(watch: Watch) -> None:
    """A stream that is told so, instead of an error after which a browser would never try again."""
    watched = await watch()
    ended = v2("sub", *CAR, now=time.time() - 3600)
    headers = {"x-signature": ended, "accept": "text/event-stream"}
    async with watched.moves("streams_expired_total"), await Connection.open(watched.public) as connection:
        reply = await connection.exchange(request_bytes("GET", subscribe_target(CAR), headers))
    assert b"fast-sse.expired" in reply.body


async def test_a_slow_stream_is_counted(watch: Watch) -> None:
    """When it falls behind, when it comes back, and when it is cut because it never does."""
    patient, hasty = await watch(), await watch(limits={"stall_s": 0.5}, heartbeat_s=0.2)
    client = await patient.listen()
    async with patient.moves("fell_behind_total"):
        client.pause()
        for text in FLOOD:
            await patient.publish(text)
    async with patient.moves("came_back_total"):
        client.resume()
    await client.until(lambda: len(client.seen) >= len(FLOOD))
    client = await hasty.listen()
    async with hasty.moves("streams_evicted_total"):
        client.pause()
        for text in FLOOD:
            await hasty.publish(text)
