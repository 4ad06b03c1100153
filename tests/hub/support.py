"""A hub on a manual clock, with peers whose reading the test decides."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from tests.hub.loops import manual
from tests.hub.transport import FakeTransport
from tests.support.events import POSITIONS, Block, Comment, Item, Parser, Retry
from tests.support.http1 import Dechunker

from fast_sse.hub.form import Body, Form, Heartbeat, Prime
from fast_sse.hub.ground import Ground
from fast_sse.hub.hub import Hub
from fast_sse.hub.index import Index
from fast_sse.hub.streams import Streams
from fast_sse.hub.subscriber import Subscriber
from fast_sse.hub.subscription import Start, Subscription
from fast_sse.hub.telling import LetterRules
from fast_sse.model.channel import Channel, Filter
from fast_sse.model.cursor import Cursor
from fast_sse.model.limits import Limits
from fast_sse.model.message import Draft, Record
from fast_sse.model.moment import parse_moment
from fast_sse.model.parser import Event, EventParser
from fast_sse.observe.observer import Fact
from fast_sse.store.base import Appended, Store
from fast_sse.store.memory.store import MemoryStore

LIMITS = Limits()
RULES = LetterRules()
HEADERS = b'{"send_time":"2026-11-23 12:00:00.000"}'


def wanted(*texts: str) -> Filter:
    """A filter from `id/type` texts."""
    return Filter.of(*(place(text) for text in texts))


def place(text: str) -> Channel:
    """A channel from `id/type`."""
    event_id, event_type = text.split("/")
    return Channel(event_id, event_type)


def drafted(text: str, data: object = 0, *, ttl_ms: int = 0) -> Draft:
    """A draft for the channel `id/type`."""
    return Draft(channel=place(text), data=json.dumps(data).encode(), headers=HEADERS, ttl_ms=ttl_ms)


def record_at(position: int, text: str = "a/t", data: bytes = b"0", **more: Any) -> Record:
    """A record as a store would hand it out."""
    return Record(position, place(text), data, HEADERS, "", b"", 0, **more)


def now_ms() -> int:
    """Store time and the hub's: that of the manual loop."""
    return int(manual().time() * 1000)


def forgotten(index: Index) -> bool:
    """Whether nothing is registered, nor left behind."""
    return not any((index.sets, index._by_pattern, index._by_id, index._by_type))


class Facts:
    """An observer that keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[Fact] = []

    def notify(self, fact: Fact) -> None:
        self.told.append(fact)

    def of(self, kind: type[Fact]) -> list[Any]:
        """The facts of one kind."""
        return [fact for fact in self.told if isinstance(fact, kind)]


class Front:
    """Stands where the HTTP front stands until it hands its transport over."""

    def __init__(self) -> None:
        self.paused = False

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False

    def connection_lost(self, error: Exception | None) -> None:
        raise AssertionError("the transport was handed over")


class Peer:
    """One stream: its transport, its subscriber, and what its wire says so far."""

    def __init__(self, hub: Hub, subscription: Subscription, transport: FakeTransport | None = None) -> None:
        front = Front()
        self.transport = transport or FakeTransport()
        self.transport.set_protocol(front)
        self.subscriber: Subscriber = hub.subscribe(self.transport, subscription)
        self.transport.set_protocol(self.subscriber)
        if front.paused:
            self.subscriber.pause_writing()
        self.form = subscription.form

    @property
    def body(self) -> bytes:
        """The stream's bytes that the peer took, without the framing of HTTP and unpacked."""
        return self.unpacked(bytes(self.transport.wire))

    def unpacked(self, wire: bytes) -> bytes:
        """The text of what was sent, as an HTTP client hands it out."""
        body = Dechunker().feed(wire) if self.form.chunked else wire
        return zlib.decompressobj(31).decompress(body) if self.form.body == "gzip" else body

    @property
    def events(self) -> list[Event]:
        """What an EventSource would have dispatched, but for where the stream stands."""
        return [event for event in EventParser().feed(self.body) if event.type not in POSITIONS]

    @property
    def messages(self) -> list[Any]:
        """The `data` of every published message."""
        return [
            json.loads(event.data)["data"] for event in self.events if not event.type.startswith("fast-sse.")
        ]

    @property
    def gaps(self) -> list[dict[str, str]]:
        """Every gap that was named."""
        return [json.loads(event.data) for event in self.events if event.type == "fast-sse.gap"]

    @property
    def last_event_id(self) -> str:
        """What a client would resume with."""
        parser = EventParser()
        parser.feed(self.body)
        return parser.last_event_id

    @property
    def kept_id(self) -> str:
        """What a client would resume with that drops a block without data, and its id: most of those outside browsers."""
        with_data = [item.id for item in self.items if isinstance(item, Block) and item.data is not None]
        return with_data[-1] if with_data else ""

    @property
    def items(self) -> list[Item]:
        """Blocks, comments and retries, by a parser that is not the hub's own."""
        return Parser().feed(self.body)

    @property
    def ids(self) -> list[int]:
        """The position in every block that has an id, in order."""
        blocks = [item for item in self.items if isinstance(item, Block)]
        return [int(block.id.rpartition(".")[2]) for block in blocks if block.id]

    @property
    def heartbeats(self) -> int:
        return sum(isinstance(item, Comment) for item in self.items)

    @property
    def retries(self) -> list[int]:
        return [item.ms for item in self.items if isinstance(item, Retry)]


class Bench:
    """One hub over one store."""

    def __init__(self, store: Store, limits: Limits, rules: LetterRules = RULES, node: str = "n1") -> None:
        self.store = store
        self.limits = limits
        self.facts = Facts()
        self.acknowledged: dict[Any, int | None] = {}
        self.hub = Hub(
            store,
            limits,
            self.facts,
            now_ms=now_ms,
            rng=random.Random(1),
            acknowledged_bytes=self.acknowledged.get,
            node=node,
            rules=rules,
        )

    @property
    def streams(self) -> Streams:
        return self.hub._streams

    @property
    def ground(self) -> Ground:
        return self.hub._ground

    @property
    def fanout(self) -> Any:
        return self.ground.fanout

    async def publish(self, text: str, *data: object, ttl_ms: int = 0) -> list[Cursor]:
        """Publish to `id/type` and let everything that follows from it happen."""
        future = self.hub.publish([drafted(text, value, ttl_ms=ttl_ms) for value in data])
        await manual().idle()
        outcomes = future.result()
        return [outcome.cursor for outcome in outcomes if isinstance(outcome, Appended)]

    def join(
        self,
        *texts: str,
        after: str | None = None,
        earliest: bool = False,
        last: int = 0,
        since: str = "",
        transport: FakeTransport | None = None,
        expires_in_s: float | None = None,
        chunked: bool = True,
        prime: Prime = "event",
        heartbeat: Heartbeat = "comment",
        body: Body = "plain",
    ) -> Peer:
        """Begin a stream; it gets further when the loop runs."""
        moment = parse_moment(since) if since else None
        start = Start(after=after, earliest=earliest, since=moment, last=last)
        form = Form(chunked=chunked, prime=prime, heartbeat=heartbeat, body=body)
        return Peer(self.hub, Subscription(wanted(*texts), form, start, expires_in_s), transport)

    async def joined(self, *texts: str, **options: Any) -> Peer:
        """Begin a stream and let it go as far as it can."""
        peer = self.join(*texts, **options)
        await manual().idle()
        return peer


@asynccontextmanager
async def bench(
    store: Store | None = None, *, rules: LetterRules = RULES, node: str = "n1", **limits: Any
) -> AsyncIterator[Bench]:
    """A started hub over a store (a fresh memory store by default), closed at the end."""
    own = store or MemoryStore(now_ms=now_ms)
    if store is None:
        await own.open()
    made = Bench(own, msgspec.structs.replace(LIMITS, **limits), rules, node)
    await made.hub.start()
    await manual().idle()
    try:
        yield made
    finally:
        await made.hub.close()
        if store is None:
            await own.close()
        await manual().idle()
    assert not made.ground.wheel, "every stream is forgotten once its transport is gone"
    assert made.ground.open_count == 0
    assert not made.streams._tasks
    assert forgotten(made.fanout.index)
    assert made.fanout._pending_bytes == 0
    assert not made.fanout._waiting
