"""An EventSource made of a raw socket: it reconnects as the WHATWG text says and remembers all it saw.

Anything but 200 with the right content type ends it for good, as in a browser; a refused or broken connection
does not. What it kept: every event with its connection number, every gap, every final status.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.support.events import Block, Comment, Item, Parser, Retry
from tests.support.http1 import Address, Dechunker, parse_head, request_bytes

GAP = "fast-sse.gap"


class Seen(NamedTuple):
    """One dispatched event."""

    subscriber: str
    connection: int
    id: str
    event: str
    data: str
    ns: int

    @property
    def is_message(self) -> bool:
        """Somebody published it, as opposed to what the hub says itself."""
        return not self.event.startswith("fast-sse.")

    @property
    def payload(self) -> Any:
        """What the publisher put into `data`."""
        return json.loads(self.data)["data"]


class Opened(NamedTuple):
    """One stream that was answered 200, and the cursor it asked for."""

    connection: int
    cursor: str
    ns: int
    headers: dict[str, str]


class _Wire(asyncio.Protocol):
    """One connection: request out, head and chunks in, bytes on to the client."""

    def __init__(self, client: Client, request: bytes, number: int) -> None:
        self.client = client
        self.request = request
        self.number = number
        self.lost = asyncio.get_running_loop().create_future()
        self.parser = Parser(client.last_event_id)
        self.dechunker = Dechunker()
        self.transport: asyncio.Transport | None = None
        self._head: bytes | None = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        if self._head is not None:
            head, blank, data = (self._head + data).partition(b"\r\n\r\n")
            if not blank:
                self._head = head
                return
            self._head = None
            self.client.answered(self, *parse_head(head))
        if self.transport is not None:
            self.client.received(self, self.parser.feed(self.dechunker.feed(data)))
            if self.dechunker.ended:  # the end of the body ends a stream, whatever becomes of the connection
                self.abort()

    def abort(self) -> None:
        """Drop the connection; what is still on its way is never looked at."""
        if self.transport is not None:
            self.transport.abort()
            self.transport = None

    def connection_lost(self, error: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)


class Client:
    """One subscriber. `start` lets it run until `stop`; `until` waits for what it should have seen.

    Args:
        name: in every record.
        address: of the hub, or of a proxy before it; may be replaced while it runs.
        target: path and query.
        headers: `x-signature` and whatever else.
        receive_bytes: SO_RCVBUF; 0 leaves the kernel's choice.
        leave_after: asked at each connection for the number of events after which to drop it; 0 is never.
        hop: asked at each connection for the address to go to; None stays at `address`.
        wait_ms: the longest wait before a reconnect; the server's `retry:` counts where it is shorter.
    """

    def __init__(
        self,
        name: str,
        address: Address,
        target: str,
        headers: dict[str, str] | None = None,
        *,
        receive_bytes: int = 0,
        leave_after: Callable[[], int] | None = None,
        hop: Callable[[], Address] | None = None,
        wait_ms: int = 100,
    ) -> None:
        self.name = name
        self.address = address
        self.target = target
        self.headers = headers or {}
        self.receive_bytes = receive_bytes
        self.leave_after = leave_after
        self.hop = hop
        self.wait_ms = wait_ms
        self.last_event_id = ""
        self.retry_ms: int | None = None
        self.seen: list[Seen] = []
        self.items: list[tuple[int, Item]] = []
        self.opened: list[Opened] = []
        self.closed_ns: list[int] = []
        self.ended_whole: list[bool] = []
        self.finals: list[int] = []
        self.heartbeats = 0
        self._changed = asyncio.Event()
        self._leave_at = 0
        self._wire: _Wire | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def gaps(self) -> list[Seen]:
        """Every gap that the hub named."""
        return [event for event in self.seen if event.event == GAP]

    @property
    def events(self) -> list[Seen]:
        """Every published message."""
        return [event for event in self.seen if event.is_message]

    @property
    def payloads(self) -> list[Any]:
        """What the publishers put into `data`, in order."""
        return [event.payload for event in self.events]

    def start(self) -> Client:
        """Connect and go on reconnecting."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name=self.name)
        return self

    async def ready(self, connections: int = 1) -> Client:
        """Wait until that many streams have opened and the newest has been primed."""
        await self.until(lambda: len(self.opened) >= connections and self._primed())
        return self

    def _primed(self) -> bool:
        newest = self.opened[-1].connection
        return any(number == newest and isinstance(item, Block) for number, item in self.items)

    async def until(self, reached: Callable[[], bool], within_s: float = 20.0) -> None:
        """Wait for a state of this client; TimeoutError says what it had."""
        try:
            async with asyncio.timeout(within_s):
                while not reached():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise TimeoutError(self.describe()) from None

    async def count(self, events: int, within_s: float = 20.0) -> Client:
        """Wait for that many events, gaps included."""
        await self.until(lambda: len(self.seen) >= events, within_s)
        return self

    async def until_payload(self, wanted: Any, within_s: float = 20.0) -> Client:
        """Wait for the message with that data."""
        at = 0

        def arrived() -> bool:
            nonlocal at
            fresh, at = self.seen[at:], len(self.seen)
            return any(event.is_message and event.payload == wanted for event in fresh)

        await self.until(arrived, within_s)
        return self

    async def outlast(self, seconds: float) -> None:
        """Stay connected that long, as told by the heartbeats that keep coming; none for long is a TimeoutError."""
        end_ns = time.monotonic_ns() + int(seconds * 1e9)
        await self.until(lambda: time.monotonic_ns() >= end_ns, seconds + 20)

    def describe(self) -> str:
        """One line for a failure."""
        newest = self.seen[-1] if self.seen else None
        return (
            f"{self.name}: {len(self.events)} events, {len(self.opened)} connections, finals {self.finals}, "
            f"gaps {[gap.data for gap in self.gaps]}, cursor {self.last_event_id!r}, newest {newest}"
        )

    def pause(self) -> None:
        """Stop taking bytes from the socket; it stays open."""
        assert self._wire is not None
        assert self._wire.transport is not None
        self._wire.transport.pause_reading()

    def resume(self) -> None:
        """Take bytes again, if the connection is still there."""
        if self._wire is not None and self._wire.transport is not None:
            self._wire.transport.resume_reading()

    @property
    def local(self) -> Address:
        """The address of our end of the open connection."""
        assert self._wire is not None
        assert self._wire.transport is not None
        address: Address = self._wire.transport.get_extra_info("sockname")
        return address

    def drop(self) -> None:
        """Break the connection; a running client comes back."""
        if self._wire is not None:
            self._wire.abort()

    async def stop(self) -> None:
        """Break the connection for good."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        while not self.finals:
            try:
                await self._connect_once()
            except OSError:
                pass
            finally:
                self.closed_ns.append(time.monotonic_ns())
                self._changed.set()
            wait_ms = self.wait_ms if self.retry_ms is None else min(self.wait_ms, self.retry_ms)
            await asyncio.sleep(wait_ms / 1000)

    async def _connect_once(self) -> None:
        headers = {"Accept": "text/event-stream", **self.headers}
        if self.last_event_id:
            headers["Last-Event-ID"] = self.last_event_id
        request = request_bytes("GET", self.target, headers)
        if self.hop is not None:
            self.address = self.hop()
        self._leave_at = len(self.seen) + self.leave_after() if self.leave_after else 0
        loop = asyncio.get_running_loop()
        plug = socket.socket()
        plug.setblocking(False)
        try:
            if self.receive_bytes:
                plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_bytes)
            await loop.sock_connect(plug, self.address)
            wire = _Wire(self, request, len(self.opened) + 1)
            await loop.create_connection(lambda: wire, sock=plug)
        except BaseException:
            plug.close()
            raise
        self._wire = wire
        try:
            await wire.lost
        finally:
            self.ended_whole.append(wire.dechunker.ended)
            wire.abort()

    def answered(self, wire: _Wire, status: int, headers: dict[str, str]) -> None:
        """Called by the connection once its head is complete."""
        if status == 200 and headers.get("content-type", "").startswith("text/event-stream"):
            self.opened.append(Opened(wire.number, self.last_event_id, time.monotonic_ns(), headers))
        else:
            self.finals.append(status)
            wire.abort()
        self._changed.set()

    def received(self, wire: _Wire, items: list[Item]) -> None:
        """Called by the connection with what its bytes completed."""
        now = time.monotonic_ns()
        for item in items:
            self.items.append((wire.number, item))
            if isinstance(item, Comment):
                self.heartbeats += 1
            elif isinstance(item, Retry):
                self.retry_ms = item.ms
            else:
                self.last_event_id = item.id
                if item.data is not None and not item.is_position:
                    self.seen.append(Seen(self.name, wire.number, item.id, item.event, item.data, now))
                    if len(self.seen) == self._leave_at:
                        wire.abort()
                        break
        self._changed.set()
