"""`GET /v1/messages`: what a stream would replay, as JSON, a page at a time; and the end of one is the start of the other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from tests.e2e.conftest import Listen
from tests.e2e.test_gaps import TRIMS, UNREADABLE, client_of, named, publish
from tests.faults.cluster.nodes import on_kafka, on_redis
from tests.support.http1 import request
from tests.support.kafka_broker import Broker
from tests.support.publisher import Pair, publish_once, publish_target, signed
from tests.support.redis_server import RedisServer, need_redis
from tests.support.server import Hub
from tests.support.sign import v2

pytestmark = pytest.mark.wire


async def page(hub: Hub, channel: Pair, status: int = 200, **fields: Any) -> dict[str, Any]:
    """One answer: its `data`, or an error as it is."""
    query = urlencode({"channel": "/".join(channel), **fields}, quote_via=quote, safe="*")
    reply = await request(hub.public, "GET", f"/v1/messages?{query}", signed(channel))
    assert reply.status == status, reply
    answer: dict[str, Any] = reply.json()
    return answer["data"] if status == 200 else answer


async def pages(hub: Hub, channel: Pair, limit: int, after: str = "") -> list[dict[str, Any]]:
    """All messages from there to the end, page by page."""
    found: list[dict[str, Any]] = []
    while True:
        one = await page(hub, channel, limit=limit, after=after)
        assert len(one["messages"]) <= limit
        assert "gap" not in one
        found += one["messages"]
        after = one["next"]
        if not one["more"]:
            return found


@pytest.mark.parametrize("wild", [False, True])
@pytest.mark.parametrize("limit", [1, 3, 200])
async def test_pages_are_what_a_stream_replays(
    hub: Hub, channel: Pair, listen: Listen, limit: int, wild: bool
) -> None:
    """The same messages, ids, event names and envelopes, however small the pages; and on another channel nothing of it."""
    asked = (channel[0], "*") if wild else channel
    for number in range(7):
        to = channel if number % 3 else (channel[0], "*")
        body = {"data": {"n": number}, "headers": {"X-Trace-ID": f"t{number}"}}
        if number % 2:
            body["event"] = "cart"
        reply = await request(
            hub.public,
            "POST",
            publish_target(to),
            {"Content-Type": "application/json", **signed(to)},
            json.dumps(body).encode(),
        )
        assert reply.status == 200
        await publish_once(hub.public, (f"{channel[0]}-other", channel[1]), number)
    client = await listen(asked, "earliest").count(7)
    found = await pages(hub, asked, limit)
    assert [(one["id"], one.get("event", "message")) for one in found] == [
        (one.id, one.event) for one in client.events
    ]
    envelopes = [{"data": one["data"], "headers": one["headers"]} for one in found]
    assert envelopes == [json.loads(one.data) for one in client.events]
    assert ("event_id" in found[0]["headers"]) is wild


async def test_a_stream_goes_on_where_a_page_ended(hub: Hub, channel: Pair, listen: Listen) -> None:
    """`next` is a cursor: what is published between the fetch and the stream comes, once."""
    await publish(hub, channel, 1, 2)
    first = await page(hub, channel)
    assert [one["data"] for one in first["messages"]] == [1, 2]
    assert first["more"] is False
    await publish(hub, channel, 3)
    client = await listen(channel, first["next"]).count(1)
    assert client.payloads == [3]
    assert not client.gaps
    again = await page(hub, channel, after=first["next"])
    assert [one["data"] for one in again["messages"]] == [3]


async def test_where_a_page_begins(hub: Hub, channel: Pair) -> None:
    """At the oldest, behind a cursor, at the last so many, or at a time; an empty channel has an empty page and a cursor."""
    empty = await page(hub, channel)
    assert (empty["messages"], empty["more"]) == ([], False)
    ids = await publish(hub, channel, *range(5))

    async def values(**fields: Any) -> list[int]:
        return [one["data"] for one in (await page(hub, channel, **fields))["messages"]]

    assert await values() == await values(after="earliest") == await values(since="15m") == [0, 1, 2, 3, 4]
    assert await values(after=ids[1]) == [2, 3, 4]
    assert await values(last=2) == [3, 4]
    assert await values(after=empty["next"], limit=2) == [0, 1]
    assert await values(since=4_000_000_000_000) == []


@pytest.mark.parametrize("cursor", [one for one in UNREADABLE if one], ids=lambda cursor: cursor[:20])
async def test_a_cursor_that_cannot_be_read_is_named(hub: Hub, channel: Pair, cursor: str) -> None:
    """As on a stream: the gap says so, and it goes on from now."""
    (newest,) = await publish(hub, channel, "before")
    found = await page(hub, channel, after=cursor)
    assert found["gap"]["reason"] in ("unreadable", "epoch")
    if found["gap"]["reason"] == "unreadable":
        assert found["gap"] == {"reason": "unreadable", "from": cursor, "resumed_at": newest}
        assert (found["messages"], found["next"], found["more"]) == ([], newest, False)


class Trimmed(NamedTuple):
    """A store that lets go of what is old until `left` of twenty messages are left: by itself, or when `let_go` is called, which
    gets the last id that goes.
    """

    store: str
    settings: dict[str, str]
    left: int = 5
    let_go: Callable[[str], object] = lambda _id: None


@pytest.fixture(params=["memory", "sqlite", "redis", "kafka"])
def trimmed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Trimmed]:
    """Each store. A broker trims by its own clock, every five minutes: here the topic's beginning is moved at once."""
    few = TRIMS | {"FAST_SSE_RETENTION__MAX_MESSAGES": "5"}
    if request.param == "redis":
        need_redis()
        with RedisServer(tmp_path / "redis") as server:
            yield Trimmed("redis", few | on_redis(server).settings)
        return
    if request.param != "kafka":
        yield Trimmed(request.param, few)
        return
    broker: Broker = request.getfixturevalue("kafka_broker")
    log = on_kafka(broker)
    admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})

    def delete_records(last: str) -> None:
        offset = int(last.split(".")[2].partition("-")[0])
        place = TopicPartition(log.settings["FAST_SSE_KAFKA__TOPIC"], 0, offset + 1)
        admin.delete_records([place])[place].result(10)

    yield Trimmed("kafka", TRIMS | log.settings, 10, delete_records)


async def test_pages_that_trimming_overtook_name_the_gap(tmp_path: Path, trimmed: Trimmed) -> None:
    """The place is gone: the page says from where it goes on, and begins there. A stream is told the same."""
    channel: Pair = ("a", "t")
    async with Hub(tmp_path, store=trimmed.store, settings=trimmed.settings) as hub:
        ids = await publish(hub, channel, *range(3))
        first = await page(hub, channel, limit=1)
        assert (first["messages"][0]["id"], first["more"]) == (ids[0], True)
        ids += await publish(hub, channel, *range(3, 20))
        await asyncio.to_thread(trimmed.let_go, ids[9])
        found = first
        while len(found["messages"]) != trimmed.left:  # trimming takes its own time
            found = await page(hub, channel, after=ids[0])
        assert (found["gap"]["reason"], found["gap"]["from"]) == ("trimmed", ids[0])
        later = await pages(hub, channel, 2, found["gap"]["resumed_at"])
        assert later == found["messages"]
        assert [one["id"] for one in later] == ids[-trimmed.left :]
        assert found["gap"]["resumed_at"] == ids[-trimmed.left - 1]
        client = client_of(hub, channel, ids[0])
        await client.until_payload(19)
        await client.stop()
        assert named(client) == found["gap"]
        assert [event.id for event in client.events] == [one["id"] for one in later]


async def test_what_expired_is_not_shown(hub: Hub, channel: Pair) -> None:
    """A page shows what a stream would be sent now."""
    reply = await request(
        hub.public,
        "POST",
        publish_target(channel),
        {"Content-Type": "application/json", **signed(channel)},
        b'{"data": 1, "ttl_s": 0.001}',
    )
    assert reply.status == 200
    await publish(hub, channel, 2)
    async with asyncio.timeout(5):  # a millisecond is long enough for both requests on a fast machine
        while (found := [one["data"] for one in (await page(hub, channel))["messages"]]) != [2]:
            assert found == [1, 2]


async def test_it_takes_the_signature_of_the_stream(hub: Hub, channel: Pair) -> None:
    """One for these channels and no other, in the header or, format v2, in the query; without one nothing is said."""
    await publish(hub, channel, 1)
    target = f"/v1/messages?channel={'/'.join(channel)}"
    shown = v2("sub", *channel)
    assert (await request(hub.public, "GET", f"{target}&signature={shown}", {})).status == 200
    assert (await request(hub.public, "GET", target, {})).status == 401
    assert (await request(hub.public, "GET", target, signed((channel[0], "other")))).status == 401
    several = f"{target}&channel={channel[0]}/other"
    assert (await request(hub.public, "GET", several, {"x-signature": shown})).status == 401
    wrong = v2("pub", *channel, body=b"")
    assert (await request(hub.public, "GET", target, {"x-signature": wrong})).status in (401, 403)
    assert (await request(hub.public, "GET", "/v1/messages", signed(channel))).status == 400
