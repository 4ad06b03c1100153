"""`GET /v1/messages` over every store: page by page it shows what a stream replays, and it names the gap that the stream names."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.contract.asserting import EVERYTHING, trim_all
from tests.contract.backends import FOREVER, Backend, Clock
from tests.contract.conftest import Opener
from tests.contract.places import DurablePlace, Place
from tests.http.rig import Transport
from tests.support.http1 import Dechunker

from fast_sse.http.api.access import Access
from fast_sse.http.api.endpoints import Endpoints
from fast_sse.http.message import Deferred, Request, Response, Stream
from fast_sse.hub.hub import Hub
from fast_sse.model.channel import Channel
from fast_sse.model.letter import Poison, Source
from fast_sse.model.limits import Limits
from fast_sse.model.parser import EventParser
from fast_sse.model.right import Right
from fast_sse.model.signature import Keyring
from fast_sse.observe.observer import NullObserver
from fast_sse.store.base import Retention, Store

EVERYBODY = Right((Channel("*", "*"),))
#: A catch-up reads the store, in small pages, and nothing is trimmed but by the test.
LIMITS = Limits(tail_records_max=1, page_records_max=2, trim_interval_s=10_000)
CART, ITS, ALL = ("cart/changed",), ("cart/*",), ("*/*",)


class Node:
    """The public routes of a hub over a store, asked by an application that may read everything."""

    def __init__(self, store: Store, hub: Hub, endpoints: Endpoints) -> None:
        self.store = store
        self._hub = hub
        self._endpoints = endpoints

    async def publish(self, place: str, data: object, **more: Any) -> str:
        """The id, once this node has it."""
        event_id, event_type = place.split("/")
        raw = json.dumps({"data": data, **more}).encode()
        appended = await self._endpoints.put(Channel(event_id, event_type), raw, "test")
        await self._hub._ground.fanout.reached(appended.cursor.position)
        return appended.cursor.text

    async def page(self, channels: tuple[str, ...], **asked: Any) -> dict[str, Any]:
        """One answer."""
        query = urlencode([*(("channel", one) for one in channels), *asked.items()])
        answer = self._endpoints.handle(Request("GET", "/v1/messages", query, {}, right=EVERYBODY))
        assert isinstance(answer, Deferred), answer
        await asyncio.wait([answer.future])
        response = answer.render(answer.future)
        assert isinstance(response, Response)
        assert response.status == 200, response
        found: dict[str, Any] = json.loads(response.body)["data"]
        return found

    async def paged(self, channels: tuple[str, ...], limit: int, **begin: Any) -> list[Any]:
        """Everything from a beginning to the end of the log: gaps and messages in their order."""
        found: list[Any] = []
        asked = dict(begin)
        while True:
            page = await self.page(channels, **asked, **({} if "last" in asked else {"limit": limit}))
            assert "last" in asked or len(page["messages"]) <= limit
            found += [page["gap"]] if "gap" in page else []
            found += [
                (one["id"], one.get("event", "message"), {"data": one["data"], "headers": one["headers"]})
                for one in page["messages"]
            ]
            if not page["more"]:
                return found
            asked = {"after": page["next"]}

    async def replayed(self, channels: tuple[str, ...], **begin: Any) -> list[Any]:
        """The same of a stream: all that comes before what is published once it has begun."""
        query = urlencode([*(("channel", one) for one in channels), *begin.items()])
        answer = self._endpoints.handle(Request("GET", "/v1/subscribe", query, {}, right=EVERYBODY))
        assert isinstance(answer, Stream)
        transport = Transport()
        stream: Any = answer.attach(transport, b"")
        await transport.heard(b"\nid: ")
        last = await self.publish(channels[0], "the end", ttl_s=1)
        await transport.heard(f"id: {last}".encode())
        parser, found = EventParser(), []
        for event in parser.feed(Dechunker().feed(transport.written)):
            if event.type == "fast-sse.gap":
                found.append(json.loads(event.data))
            elif not event.type.startswith("fast-sse.") and event.last_event_id != last:
                found.append((event.last_event_id, event.type, json.loads(event.data)))
        stream.connection_lost(None)
        return found


Nodes = Callable[[Store], AbstractAsyncContextManager[Node]]


@pytest.fixture
def node(clock: Clock) -> Nodes:
    """Runs a node over an open store."""

    @asynccontextmanager
    async def running(store: Store) -> AsyncIterator[Node]:
        hub = Hub(store, LIMITS, NullObserver(), now_ms=clock, rng=random.Random(1))
        await hub.start()
        endpoints = Endpoints(hub, LIMITS, Access(keyring=Keyring()), now=lambda: clock() / 1000)
        yield Node(store, hub, endpoints)
        await hub.close()

    return running


async def a_life(node: Node, clock: Clock) -> list[str]:
    """All kinds of entries that a log may hold; the ids of what was published to the cart, and of an expired message."""
    ids = []
    for number in range(4):
        ids.append(await node.publish("cart/changed", {"n": number}, headers={"X-Trace-ID": f"t{number}"}))
        await node.publish("other/changed", number)
        ids.append(await node.publish("cart/*", f"to all {number}", event="cart"))
        await node.publish("cart/changed", {"n": number}, idempotency_key=f"k{number}")
        await node.publish("cart/changed", {"n": number}, idempotency_key=f"k{number}")  # the same message
        ids.append(await node.publish("cart/changed", "gone", ttl_s=1))
        await node.publish("*/*", ["é", "line\nend", None])
        clock.pass_s(10)
    await node.store.erase(Channel("other", "changed"))
    source = Source("redis_stream", "q", "1-0")
    await node.store.letters.keep(Poison(source=source, raw=b"{}", description="of another form"))
    await node.publish("cart/changed", "newest")
    return ids


@pytest.mark.parametrize("limit", [1, 3, 200])
async def test_pages_are_what_a_stream_replays(store: Store, node: Nodes, clock: Clock, limit: int) -> None:
    """The same messages in the same order, with the same ids, names and envelopes: not what expired, was erased or repeated."""
    async with node(store) as it:
        began_ms = clock()
        await a_life(it, clock)
        for channels in (CART, ITS, ALL, ("cart/changed", "other/changed"), ("nobody/here",)):
            found = await it.paged(channels, limit)
            assert found == await it.replayed(channels, last_event_id="earliest"), channels
            clock.pass_s(2)  # what ended that stream has expired
        assert len(await it.paged(CART, limit)) == 4 * 4 + 1
        since = {"since": began_ms + 15_000}
        late = await it.paged(CART, limit, **since)
        assert late == await it.replayed(CART, **since)
        assert len(late) == 2 * 4 + 1


async def test_pages_and_streams_begin_at_the_same_place(store: Store, node: Nodes, clock: Clock) -> None:
    """Behind each id, whether its message is there, expired or of another channel; and at the last so many."""
    async with node(store) as it:
        for cursor in await a_life(it, clock):
            found = await it.paged(CART, 3, after=cursor)
            assert found == await it.replayed(CART, last_event_id=cursor)
            clock.pass_s(2)
        for count in (1, 4, 17, 100):
            found = await it.paged(CART, 3, last=count)
            assert found == await it.replayed(CART, last=count)
            clock.pass_s(2)


async def test_pages_that_trimming_overtakes_name_the_gap(
    open_store: Opener, node: Nodes, clock: Clock
) -> None:
    """Once, with the place that was asked for; what is left follows. A stream with the same cursor is told the same."""
    store = await open_store(Retention(max_age_s=60, max_bytes=None, max_messages=None))
    async with node(store) as it:
        for number in range(5):
            await it.publish("cart/changed", number)
        first = await it.page(CART, limit=2)
        assert ([one["data"] for one in first["messages"]], first["more"]) == ([0, 1], True)
        clock.pass_s(100)
        for number in range(5, 9):
            await it.publish("cart/changed", number)
        await trim_all(store)
        found = await it.paged(CART, 2, after=first["next"])
        gap = found[0]
        assert (gap["reason"], gap["from"]) == ("trimmed", first["next"])
        assert [one[2]["data"] for one in found[1:]] == [5, 6, 7, 8]
        assert found == await it.replayed(CART, last_event_id=first["next"])
        clock.pass_s(2)
        assert found[1:] == await it.paged(CART, 2, after=gap["resumed_at"])
        assert found[1:] == await it.paged(CART, 2)


async def test_cursors_that_cannot_be_read_are_named_alike(store: Store, node: Nodes, clock: Clock) -> None:
    """Garbage, an id of another log, and one that this log has not given yet."""
    async with node(store) as it:
        await a_life(it, clock)
        (id_text, *_) = (await it.paged(CART, 1, last=1))[0]
        kind, epoch, place = id_text.split(".", 2)
        other = f"{kind}.{epoch[:-1]}{'1' if epoch[-1] == '0' else '0'}.{place}"
        ahead = f"{kind}.{epoch}.{'9' * 15 if kind[0] != 'r' else '9' * 15 + '-1'}"
        if "-" in place:
            ahead += "-" + place.rpartition("-")[2]
        for cursor, reason in (("garbage", "unreadable"), (other, "epoch"), (ahead, "ahead")):
            found = await it.paged(CART, 100, after=cursor)
            assert (found[0]["reason"], found[0]["from"]) == (reason, cursor)
            assert found == await it.replayed(CART, last_event_id=cursor)
            clock.pass_s(2)


async def test_a_tail_that_was_lost_is_named_alike(
    backend: Backend, place: Place, open_store: Opener, node: Nodes, clock: Clock
) -> None:
    """What a page showed before the loss is no place to go on from without a gap."""
    if not backend.durable:
        pytest.skip("it loses all or nothing")
    assert isinstance(place, DurablePlace)
    store = await open_store(FOREVER)
    async with node(store) as it:
        await it.publish("cart/changed", "kept")
        (kept,) = (await store.last(EVERYTHING, 1)).records
        lost = await it.publish("cart/changed", "lost")
    await place.lose_tail(store, kept.position)
    async with node(await open_store(FOREVER)) as it:
        await it.publish("cart/changed", "later")
        found = await it.paged(CART, 100, after=lost)
        assert (found[0]["reason"], found[0]["from"]) == ("lost_tail", lost)
        assert [one[2]["data"] for one in found[1:]] == ["later"]
        assert found == await it.replayed(CART, last_event_id=lost)
