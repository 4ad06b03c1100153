"""What a subscriber sees: head, priming, resume, earliest, last, heartbeats (protocol, Subscribe)."""

from __future__ import annotations

import asyncio
import json
import re
import time
from pathlib import Path

import pytest
from tests.e2e.conftest import HEARTBEAT_S, Listen
from tests.support.events import Block, Retry
from tests.support.http1 import request, request_bytes
from tests.support.publisher import Pair, publish_once, publish_target, signed, subscribe_target
from tests.support.server import Hub
from tests.support.sign import v2
from tests.support.sse import Client

pytestmark = pytest.mark.wire


async def publish(hub: Hub, channel: Pair, *data: object) -> list[str]:
    """Publish and return the message ids."""
    replies = [await publish_once(hub.public, channel, one) for one in data]
    assert [reply.status for reply in replies] == [200] * len(data)
    return [reply.json()["data"]["message_id"] for reply in replies]


async def test_head_and_priming(listen: Listen, hub: Hub, channel: Pair) -> None:
    """A stream opens with the head that proxies need, a jittered `retry:` and an event that `onmessage` never sees."""
    (newest,) = await publish(hub, channel, "before")
    client = await listen(channel).ready()
    head = client.opened[0].headers
    assert head["content-type"] == "text/event-stream; charset=utf-8"
    assert head["cache-control"] == "no-store, no-transform"
    assert head["x-accel-buffering"] == "no"
    assert head["incremental"] == "?1"
    assert head["transfer-encoding"] == "chunked"
    (_, retry), (_, prime) = client.items[:2]
    assert isinstance(retry, Retry)
    assert prime == Block(newest, "fast-sse.start", f'{{"cursor":"{newest}","resumed":false}}')
    assert re.fullmatch(r"[A-Za-z0-9._~-]{1,128}", client.last_event_id)
    assert not client.seen


async def test_retry_is_jittered(listen: Listen, channel: Pair) -> None:
    """Clients that lose one hub together do not come back in step."""
    clients = [await listen(channel).ready() for _ in range(10)]
    assert len({client.retry_ms for client in clients}) > 1


async def test_message_id_is_the_event_id(listen: Listen, hub: Hub, channel: Pair) -> None:
    """The id of the answer is the `id:` on every stream; data arrives as it was published, and send_time is added."""
    client = await listen(channel).ready()
    value = {"a": [1, 2.50, None], "e": "é\u2028\u0085", "n": "line\nline"}
    ids = await publish(hub, channel, value, "text", 7, None, [])
    await client.count(5)
    assert [event.id for event in client.events] == ids
    assert client.payloads == [value, "text", 7, None, []]
    stamp = json.loads(client.events[0].data)["headers"]["send_time"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", stamp)


async def test_event_name_and_headers_of_the_publisher(listen: Listen, hub: Hub, channel: Pair) -> None:
    """`event` names the SSE event; reserved headers of a publisher are dropped; `event_name` is in no envelope."""
    client = await listen(channel).ready()
    headers = {"X-Trace-ID": "t", "event_id": "forged", "send_time": "forged", "fast-sse-x": "forged"}
    await publish_once(hub.public, channel, 1, event="price", headers=headers, event_name="secret-name")
    await client.count(1)
    (event,) = client.events
    assert event.event == "price"
    assert "forged" not in event.data
    assert "secret-name" not in event.data
    assert json.loads(event.data)["headers"]["X-Trace-ID"] == "t"


async def test_resume_after_a_message(listen: Listen, hub: Hub, channel: Pair) -> None:
    """Last-Event-ID goes on exactly behind that message, live messages follow, and the cursor is primed back."""
    ids = await publish(hub, channel, 0, 1, 2, 3)
    client = await listen(channel, ids[1]).count(2)
    await publish(hub, channel, 4)
    await client.count(3)
    assert client.payloads == [2, 3, 4]
    first = next(item for _, item in client.items if isinstance(item, Block))
    assert first == Block(ids[1], "fast-sse.start", f'{{"cursor":"{ids[1]}","resumed":true}}')
    assert not client.gaps


async def test_resume_from_priming_alone(listen: Listen, hub: Hub, channel: Pair) -> None:
    """A client that drops before its first event still resumes exactly, thanks to priming."""
    client = await listen(channel, wait_ms=1).ready()
    client.address = ("127.0.0.1", 1)
    client.drop()
    await publish(hub, channel, "missed")
    client.address = hub.public
    await client.count(1)
    assert client.payloads == ["missed"]
    assert not client.gaps


@pytest.mark.parametrize("field", ["last_event_id", "lastEventId"])
async def test_cursor_in_the_query(listen: Listen, hub: Hub, channel: Pair, field: str) -> None:
    """A first connection, which cannot send the header, names its cursor in the query; the header wins."""
    ids = await publish(hub, channel, 0, 1, 2)
    assert (await listen(channel, query=f"{field}={ids[0]}").count(2)).payloads == [1, 2]
    assert (await listen(channel, ids[1], query=f"{field}={ids[0]}").count(1)).payloads == [2]


async def test_what_a_polyfill_adds_beats_what_the_page_wrote(
    listen: Listen, hub: Hub, channel: Pair
) -> None:
    """EventSource polyfills come back with `lastEventId` behind an address that may name an older `last_event_id`."""
    ids = await publish(hub, channel, 0, 1, 2)
    both = f"last_event_id={ids[0]}&lastEventId={ids[1]}"
    assert (await listen(channel, query=both).count(1)).payloads == [2]


async def test_earliest_replays_everything(listen: Listen, hub: Hub, channel: Pair) -> None:
    """`earliest` gives all that is retained of the channel, in order, then what comes."""
    own = [f"{channel[0]}-{number}" for number in range(6)]
    ids = await publish(hub, channel, *own[:5])
    client = await listen(channel, query="last_event_id=earliest").until_payload(own[4])
    ids += await publish(hub, channel, own[5])
    await client.until_payload(own[5])
    # Other tests of the same log have published to all channels.
    assert [event.id for event in client.events if event.payload in own] == ids
    assert not client.gaps


async def test_last_n(listen: Listen, hub: Hub, channel: Pair) -> None:
    """`last=N` gives the last N of this channel, then live; a cursor beats it."""
    ids = await publish(hub, channel, *range(5))
    client = await listen(channel, query="last=2").count(2)
    await publish(hub, channel, 5)
    await client.count(3)
    assert client.payloads == [3, 4, 5]
    assert (await listen(channel, ids[3], query="last=5").count(2)).payloads == [4, 5]


async def test_heartbeats_keep_coming(listen: Listen, channel: Pair) -> None:
    """A quiet stream carries comment lines, again and again, and they dispatch nothing."""
    client = await listen(channel).ready()
    await client.until(lambda: client.heartbeats >= 3, within_s=3 * HEARTBEAT_S * 1.5 + 10)
    assert not client.seen


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"HEARTBEAT_S": "0.1"}, {"LIMITS__STALL_S": "0.1"}], ids=str)
async def test_heartbeats_come_no_faster_than_asked(tmp_path: Path, settings: dict[str, str]) -> None:
    """A short heartbeat or deadline is kept to, as all bounds are: it never makes the hub spin."""
    short = {f"FAST_SSE_{name}": value for name, value in settings.items()}
    async with Hub(tmp_path, store="memory", settings=short) as hub:
        client, began = (
            Client("c", hub.public, subscribe_target(("a", "b")), signed(("a", "b"))),
            time.monotonic(),
        )
        await client.start().ready()
        await client.outlast(1.0)
        passed = time.monotonic() - began
        # A deadline of 0.1 s is watched twice as often.
        assert client.heartbeats <= 2 + 1.5 * passed / 0.05
        await client.stop()


async def test_heartbeats_as_events(listen: Listen, hub: Hub, channel: Pair) -> None:
    """`heartbeat=event` is for pages, which cannot see comments; it carries no id and keeps the client's."""
    client = await listen(channel, query="heartbeat=event").ready()
    cursor = client.last_event_id

    def beats() -> list[Block]:
        return [
            item for _, item in client.items if isinstance(item, Block) and item.event == "fast-sse.heartbeat"
        ]

    await client.until(lambda: len(beats()) >= 2)
    assert {beat.data for beat in beats()} == {"{}"}
    assert client.last_event_id == cursor
    assert client.heartbeats == 0
    assert not client.seen


async def test_since(listen: Listen, hub: Hub, channel: Pair) -> None:
    """What the store took at that time or later, then live; a cursor beats it, a bad time is 400."""
    own = [f"{channel[0]}-{number}" for number in range(4)]
    ids = await publish(hub, channel, *own[:3])
    client = await listen(channel, query="since=1h").until_payload(own[2])
    ids += await publish(hub, channel, own[3])
    await client.until_payload(own[3])
    # Other tests of the same log have published to all channels.
    assert [event.id for event in client.events if event.payload in own] == ids
    assert (await listen(channel, ids[1], query="since=1h").count(2)).payloads == own[2:]
    later = await listen(channel, query="since=2100-01-01T00:00:00%2B01:00").ready()
    await publish(hub, channel, 4)
    await later.count(1)
    assert later.payloads == [4]
    refused = listen(channel, query="since=1764417600")
    await refused.until(lambda: bool(refused.finals))
    assert refused.finals == [400]


async def test_a_signature_that_ran_out_while_the_client_was_away(
    listen: Listen, hub: Hub, channel: Pair
) -> None:
    """200 and `fast-sse.expired` with the client's own cursor: the page's handler fetches a new signature and goes on."""
    (cursor,) = await publish(hub, channel, 0)
    old = v2("sub", *channel, lives_s=30, now=time.time() - 200)
    client = listen(channel, cursor, headers={"x-signature": old})
    await client.count(1)
    await client.until(lambda: bool(client.closed_ns))
    (told,) = client.seen
    assert (told.event, told.id, told.data) == ("fast-sse.expired", cursor, '{"reason":"expired"}')
    assert client.retry_ms is not None
    assert 30_000 <= client.retry_ms <= 60_000


async def test_prime_0_sends_no_position_block(listen: Listen, hub: Hub, channel: Pair) -> None:
    """`prime=0` is for clients that would show them: no id without a message, ever."""
    client = listen(channel, query="prime=0")
    await client.until(lambda: bool(client.opened))
    await publish(hub, channel, 1)
    await client.count(1)
    blocks = [item for _, item in client.items if isinstance(item, Block) and item.id]
    assert [block.data is None for block in blocks] == [False]


@pytest.mark.front
async def test_http_1_0_stream_ends_with_the_connection(hub: Hub, channel: Pair) -> None:
    """An HTTP/1.0 client gets the stream without chunks, until close."""
    raw = request_bytes("GET", subscribe_target(channel), signed(channel)).replace(b"HTTP/1.1", b"HTTP/1.0")
    reader, writer = await asyncio.open_connection(*hub.public)
    writer.write(raw)
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert (await reader.readline()).startswith(b"retry: ")
    writer.transport.abort()


async def test_ttl_is_never_delivered_late(listen: Listen, hub: Hub, channel: Pair) -> None:
    """Past its `ttl_s` a message is skipped on replay, and the skip is no gap; before it was delivered live."""
    live = await listen(channel).ready()
    await publish_once(hub.public, channel, f"short {channel}", ttl_s=0.001)
    await publish_once(hub.public, channel, f"long {channel}")
    await live.until_payload(f"long {channel}")
    late = await listen(channel, query="last_event_id=earliest").until_payload(f"long {channel}")
    assert f"short {channel}" not in late.payloads
    assert not late.gaps


async def test_same_key_twice_is_one_message(listen: Listen, hub: Hub, channel: Pair) -> None:
    """Same key, same body: the first message again. Other body: 409. The key may stand in the body as well."""
    client = await listen(channel).ready()
    first = await publish_once(hub.public, channel, 1, idempotency_key="k")
    again = await publish_once(hub.public, channel, 1, idempotency_key="k")
    other = await publish_once(hub.public, channel, 2, idempotency_key="k")
    await publish(hub, channel, "end")
    await client.until_payload("end")
    assert client.payloads == [1, "end"]
    assert (first.json()["data"]["duplicate"], again.json()["data"]["duplicate"]) == (False, True)
    assert first.json()["data"]["message_id"] == again.json()["data"]["message_id"]
    assert (other.status, other.code) == (409, "key_conflict")


async def test_connection_is_kept_for_many_publishes(hub: Hub, channel: Pair) -> None:
    """Pipelined publishes are answered in the order in which they were sent."""
    listener = await Client("order", hub.public, subscribe_target(channel), signed(channel)).start().ready()
    raw = b"".join(
        request_bytes(
            "POST",
            publish_target(channel),
            {"Content-Type": "application/json", **signed(channel)},
            b'{"data":%d}' % number,
        )
        for number in range(20)
    )
    reader, writer = await asyncio.open_connection(*hub.public)
    writer.write(raw)
    ids = []
    for _ in range(20):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(re.search(rb"content-length: (\d+)", head.lower())[1])  # type: ignore[index]
        ids.append(json.loads(await reader.readexactly(length))["data"]["message_id"])
    await listener.count(20)
    assert [event.id for event in listener.events] == ids
    assert listener.payloads == list(range(20))
    writer.transport.abort()
    await listener.stop()


async def test_unknown_routes_and_methods(hub: Hub, channel: Pair) -> None:
    """Unknown: 404. Known with another method: 405 and Allow. Operators' paths do not exist here."""
    assert (await request(hub.public, "GET", "/nothing")).code == "not_found"
    for path in ("/healthz", "/readyz/publish", "/metrics", "/v1/dead-letters", "/v1/channels", "/"):
        assert (await request(hub.public, "GET", path)).status == 404, path
    wrong = await request(hub.public, "DELETE", publish_target(channel))
    assert (wrong.status, wrong.code, wrong.headers["allow"]) == (405, "method_not_allowed", "POST")
