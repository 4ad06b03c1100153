"""Many at once: batches of publishes, several channels on one stream, compressed bodies (protocol)."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from tests.e2e.conftest import Listen
from tests.support.http1 import Reply, request
from tests.support.publisher import Pair, publish_once, publish_target, signed
from tests.support.refusals import assert_refused
from tests.support.server import Hub
from tests.support.sign import pct, several, v1, v2
from tests.support.sse import Client

pytestmark = pytest.mark.wire

NDJSON = {"Content-Type": "application/x-ndjson"}


def lines_of(*items: Any) -> bytes:
    """NDJSON; bytes are lines as they are."""
    return b"".join(
        (item if isinstance(item, bytes) else json.dumps(item).encode()) + b"\n" for item in items
    )


async def batch(hub: Hub, body: bytes, signature: str | None = None) -> Reply:
    """Publish a batch."""
    headers = {**NDJSON, "x-signature": v2("batch", body=body) if signature is None else signature}
    return await request(hub.public, "POST", "/v1/sse/batch", headers, body)


def item(channel: Pair, data: object, **more: object) -> dict[str, object]:
    """One line."""
    return {"event_id": channel[0], "event_type": channel[1], "data": data, **more}


async def test_batch_answers_line_by_line(listen: Listen, hub: Hub, channel: Pair) -> None:
    """Each line has its own answer, in order; a bad one spoils no neighbour; the good ones arrive in order."""
    client = await listen((channel[0], "*")).ready()
    other = (channel[0], f"{channel[1]}-other")
    body = lines_of(
        item(channel, 0), b"no json", item(other, 1), {"data": 1}, item(("a/b", "c"), 1), item(channel, 2)
    )
    reply = await batch(hub, body)
    assert reply.status == 200, reply
    results = reply.json()["data"]["results"]
    assert [result.get("code") for result in results] == [
        None,
        "bad_request",
        None,
        results[3]["code"],
        "bad_channel",
        None,
    ]
    assert results[3]["code"] in ("bad_request", "bad_channel")
    await client.count(3)
    assert client.payloads == [0, 1, 2]
    assert [event.id for event in client.events] == [results[at]["message_id"] for at in (0, 2, 5)]


async def test_batch_again_is_the_same_messages(listen: Listen, hub: Hub, channel: Pair) -> None:
    """The nonce of a batch and the place in it are a key: what is sent twice is stored once."""
    client = await listen(channel).ready()
    body = lines_of(item(channel, 0), item(channel, 1))
    signature = v2("batch", body=body)
    first, again = [(await batch(hub, body, signature)).json()["data"]["results"] for _ in range(2)]
    assert [result["message_id"] for result in again] == [result["message_id"] for result in first]
    assert all(result["duplicate"] for result in again)
    await publish_once(hub.public, channel, "end")
    await client.until_payload("end")
    assert client.payloads == [0, 1, "end"]


async def test_batch_needs_its_own_signature(hub: Hub, channel: Pair) -> None:
    """Only scope `batch` publishes a batch, over exactly these bytes."""
    body = lines_of(item(channel, 0))
    assert_refused(await batch(hub, body, v1(*channel)), 401, "unauthorized")
    assert_refused(await batch(hub, body, v2("batch", body=body + b" ")), 401, "unauthorized")
    assert (await batch(hub, body, v2("pub", *channel, body=body))).status in (401, 403)
    single = b'{"data":1}'
    headers = {"Content-Type": "application/json", "x-signature": v2("batch", body=single)}
    reply = await request(hub.public, "POST", publish_target(channel), headers, single)
    assert reply.status in (401, 403), reply


def client_of(hub: Hub, channels: list[Pair], signature: str) -> Client:
    """A started subscriber to several channels."""
    query = "&".join(f"channel={pct(event_id)}%2F{pct(event_type)}" for event_id, event_type in channels)
    return Client("c", hub.public, f"/v1/subscribe?{query}", {"x-signature": signature}).start()


async def test_several_channels_on_one_stream(hub: Hub, channel: Pair) -> None:
    """All channels asked for, in log order, each named; a resume goes on exactly; neighbours stay out."""
    one, two = channel, (f"{channel[0]}-two", channel[1])
    signature = v2("sub", several([two, one]))
    client = await client_of(hub, [one, two, one], signature).ready()
    for number, place in enumerate([one, two, (one[0], "other"), two, one]):
        assert (await publish_once(hub.public, place, number)).status == 200
    await client.count(4)
    assert client.payloads == [0, 1, 3, 4]
    named = [json.loads(event.data)["headers"] for event in client.events]
    assert [(headers["event_id"], headers["event_type"]) for headers in named] == [one, two, two, one]
    client.drop()
    await client.ready(2)
    await publish_once(hub.public, two, 5)
    await client.count(5)
    assert client.payloads == [0, 1, 3, 4, 5]
    await client.stop()


async def test_several_channels_need_a_signature_over_all(hub: Hub, channel: Pair) -> None:
    """A signature over fewer, over more, or over one of them opens nothing."""
    one, two = channel, (f"{channel[0]}-two", channel[1])
    query = "&".join(f"channel={event_id}/{event_type}" for event_id, event_type in (one, two))
    for signature in (
        v1(*one),
        v2("sub", *one),
        v2("sub", several([one])),
        v2("sub", several([one, two, ("x", "y")])),
    ):
        reply = await request(hub.public, "GET", f"/v1/subscribe?{query}", {"x-signature": signature})
        assert_refused(reply, 401, "unauthorized")


@pytest.mark.parametrize(
    "query", ["", "channel=", "channel=a", "channel=a/b/c", "channel=a/%00", "channel=/b"]
)
async def test_bad_channel_lists_are_400(hub: Hub, query: str) -> None:
    """Each value is one channel: two segments around one slash."""
    reply = await request(
        hub.public, "GET", f"/v1/subscribe?{query}", {"x-signature": v2("sub", several([]))}
    )
    assert reply.status == 400, reply
    assert reply.code in ("bad_channel", "bad_request")


async def test_compressed_body(listen: Listen, hub: Hub, channel: Pair) -> None:
    """A gzip body is inflated; one that inflates past its bounds is 413, a broken one 400, another coding 415."""
    client = await listen(channel).ready()
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip", **signed(channel)}
    target = publish_target(channel)

    async def publish(body: bytes, **more: str) -> Reply:
        return await request(hub.public, "POST", target, {**headers, **more}, body)

    whole = gzip.compress(b'{"data":"inflated"}')
    assert (await publish(whole)).status == 200
    bomb = gzip.compress(b'{"data":"' + b"0" * (64 << 20) + b'"}')
    assert len(bomb) < 1 << 20
    before = hub.rss_bytes()
    assert_refused(await publish(bomb), 413, "too_large")
    assert hub.rss_bytes() - before < 16 << 20
    assert_refused(await publish(whole[:-5]), 400, "bad_request")
    assert_refused(await publish(b"not gzip"), 400, "bad_request")
    assert_refused(await publish(whole, **{"Content-Encoding": "br"}), 415, "unsupported_media")
    assert_refused(await publish(whole, **{"Content-Encoding": "gzip, gzip"}), 415, "unsupported_media")
    await publish_once(hub.public, channel, "end")
    await client.until_payload("end")
    assert client.payloads == ["inflated", "end"]
