"""A subscriber that is code of this process: an async iterator of what is published.

It stands on the same `subscribe` as a connection, so that it begins, resumes and is told of gaps by the same rules. Between the two is
an inbox that is a transport: above a bound it is full, and the subscriber is paused as by a socket. A consumer that is slow
holds up nobody. One that is cut because it stood still goes on behind the last message that it took.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncGenerator
from typing import Any

import msgspec

from fast_sse.hub.form import Form
from fast_sse.hub.hub import Hub
from fast_sse.hub.subscription import Start, Subscription
from fast_sse.model.channel import Channel, Filter
from fast_sse.model.parser import Event, EventParser

_HIGH_BYTES = 64 * 1024
_OURS = "fast-sse."


class Message(msgspec.Struct, frozen=True):
    """One message.

    Attributes:
        id: what `after` takes to go on behind it.
        event: its SSE event name; empty for none.
        data: as it was published, decoded.
        headers: those of its publisher and `send_time`.
        event_id, event_type: its channel. Where exactly one channel is subscribed to they are that one.
    """

    id: str
    event: str
    data: Any
    headers: dict[str, Any]
    event_id: str
    event_type: str


class Gap(msgspec.Struct, frozen=True):
    """What cannot be continued: messages between `lost_from` and `resumed_at` may be missing, for this `reason`."""

    reason: str
    lost_from: str
    resumed_at: str


class _Envelope(msgspec.Struct):
    data: Any
    headers: dict[str, Any]


class _GapDetail(msgspec.Struct):
    reason: str
    resumed_at: str
    lost_from: str = msgspec.field(name="from")


class Inbox:
    """The transport of one stream: bytes that wait for the consumer.

    Attributes:
        stood_still: whether it was cut while it was full.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.stood_still = False
        self._loop = loop
        self._protocol: Any = None
        self._pieces: list[bytes] = []
        self._queued = 0
        self._high = _HIGH_BYTES
        self._paused = self._closing = self._lost = False
        self._wake = asyncio.Event()

    # -- what the subscriber calls ------------------------------------------------------------------

    def set_protocol(self, protocol: Any) -> None:
        """The protocol that is called for pauses and for the end."""
        self._protocol = protocol

    def write(self, data: bytes) -> None:
        """Queue bytes; above the high-water mark the protocol is paused before this returns."""
        self._pieces.append(data)
        self._queued += len(data)
        self._wake.set()
        if not self._paused and self._queued > self._high:
            self._paused = True
            if self._protocol is not None:
                self._protocol.pause_writing()

    def set_write_buffer_limits(self, high: int) -> None:
        """The mark above which the protocol is paused."""
        self._high = high

    def get_write_buffer_size(self) -> int:
        """Bytes that the consumer has not taken."""
        return self._queued

    def get_extra_info(self, _name: str, default: Any = None) -> Any:
        """There is no socket and no peer."""
        return default

    def is_closing(self) -> bool:
        """Whether nothing more is taken."""
        return self._closing

    def close(self) -> None:
        """End the stream once everything queued is taken."""
        self._closing = True
        self._wake.set()
        if not self._pieces:
            self._loop.call_soon(self.lose)

    def abort(self) -> None:
        """Drop what is queued and end the stream."""
        self.stood_still = self._paused
        self._pieces.clear()
        self._queued = 0
        self.close()

    # -- what the consumer calls --------------------------------------------------------------------

    async def take(self) -> bytes:
        """What has come, awaited; empty at the end."""
        while not self._pieces:
            if self._closing:
                return b""
            self._wake.clear()
            await self._wake.wait()
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._queued = 0
        if self._paused and not self._closing:
            self._paused = False
            self._protocol.resume_writing()
        return data

    def lose(self) -> None:
        """Tell the protocol, once, that nobody is here any more."""
        self._closing = True
        if not self._lost and self._protocol is not None:
            self._lost = True
            self._protocol.connection_lost(None)


async def consume(
    hub: Hub, wanted: Filter, after: str, right: object = None
) -> AsyncGenerator[Message | Gap, None]:
    """What is published to `wanted` behind the cursor `after` (or `earliest`), until the consumer stops or the hub ends.

    `right`: what operators see it was granted by.
    """
    loop, one = asyncio.get_running_loop(), wanted.patterns[0]
    while not hub.draining:
        start = Start(earliest=True) if after == "earliest" else Start(after=after)
        inbox, parser = Inbox(loop), EventParser(event_bytes_max=sys.maxsize)
        subscription = Subscription(filter=wanted, form=Form(chunked=False), start=start, right=right)
        inbox.set_protocol(hub.subscribe(inbox, subscription))
        try:
            while data := await inbox.take():
                for event in parser.feed(data):
                    if (value := _value(event, one, addressed=wanted.addressed)) is not None:
                        yield value
        finally:
            inbox.lose()
        after = parser.last_event_id or after
        if not inbox.stood_still:
            retry_ms = hub.limits.retry_ms if parser.retry_ms is None else parser.retry_ms
            await _wait(hub, retry_ms / 1000)


async def _wait(hub: Hub, seconds: float) -> None:
    """As long as the hub told its client to stay away, unless it ends meanwhile."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(hub.ending.wait(), seconds)


def _value(event: Event, one: Channel, *, addressed: bool) -> Message | Gap | None:
    """The value of an event; None for those by which the hub tells where a stream stands."""
    if event.type == f"{_OURS}gap":
        detail = msgspec.json.decode(event.data, type=_GapDetail)
        return Gap(detail.reason, detail.lost_from, detail.resumed_at)
    if event.type.startswith(_OURS):
        return None
    envelope = msgspec.json.decode(event.data, type=_Envelope)
    headers, channel = envelope.headers, one
    if addressed:
        channel = Channel(headers.pop("event_id"), headers.pop("event_type"))
    name = "" if event.type == "message" else event.type
    return Message(event.last_event_id, name, envelope.data, headers, channel.event_id, channel.event_type)
