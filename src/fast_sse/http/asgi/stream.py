"""A stream under an ASGI server: the transport that a subscriber expects, over an awaited `send`.

A subscriber writes without waiting, and a transport calls `pause_writing` when it has too much. ASGI has a `send` that
waits for as long as the server likes. Between the two is one buffer. What is written while a `send` waits goes out as
one piece with the next `send`. Above the limits that the subscriber set, it is paused exactly as by the transport of a
socket: `pause_writing` inside `write`, `resume_writing` and `connection_lost` from the loop.

ASGI cannot cut a connection. A stream that is cut is ended if the server still takes messages, and left unfinished if it
does not. What the server then holds for a peer that stopped reading is the server's to drop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_HIGH_BYTES = 64 * 1024


class StreamTransport:
    """The transport of one stream: attach a protocol with `set_protocol`, then `run` once."""

    __slots__ = (
        "_closing", "_gone", "_high", "_low", "_paused", "_peer", "_pieces", "_protocol", "_queued", "_scope", "_sending",
        "_wake",
    )  # fmt: skip

    def __init__(self, peer: tuple[str, int] | None) -> None:
        self._peer = peer
        self._protocol: Any = None
        self._pieces: list[bytes] = []
        #: Bytes written that the server has not taken, those of a waiting `send` included.
        self._queued = 0
        self._high, self._low = _HIGH_BYTES, _HIGH_BYTES // 4
        self._paused = self._closing = self._gone = self._sending = False
        self._wake = asyncio.Event()
        self._scope = asyncio.timeout(None)  # a `send` that waits is given up by making it expire

    # -- what the subscriber calls ------------------------------------------------------------------

    def set_protocol(self, protocol: Any) -> None:
        """The protocol that is called for pauses and for the end; at once for a pause that has begun."""
        self._protocol = protocol
        if self._paused:
            protocol.pause_writing()

    def write(self, data: bytes) -> None:
        """Queue bytes; above the high-water mark the protocol is paused before this returns."""
        if self._closing:
            return
        self._pieces.append(data)
        self._queued += len(data)
        self._wake.set()
        self._maybe_pause()

    def set_write_buffer_limits(self, high: int) -> None:
        """The mark above which the protocol is paused, and a quarter of it as the one to resume at."""
        self._high, self._low = high, high // 4
        self._maybe_pause()

    def get_write_buffer_size(self) -> int:
        """Bytes that the server has not taken."""
        return self._queued

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """`peername`, as far as the server knows it; there is no socket to ask."""
        return self._peer if name == "peername" and self._peer else default

    def is_closing(self) -> bool:
        """Whether nothing more is taken."""
        return self._closing

    def close(self) -> None:
        """End the stream once everything queued is taken."""
        self._closing = True
        self._wake.set()

    def abort(self) -> None:
        """Drop what is queued and end the stream; a `send` that waits is given up."""
        self._pieces.clear()
        self.close()
        if self._sending:
            self._sending = False
            self._scope.reschedule(0)

    # -- what the server drives ---------------------------------------------------------------------

    async def run(self, receive: Receive, send: Send, start: Message) -> None:
        """Send `start` and all that is written, until the protocol closes or the peer is gone; then `connection_lost`.

        A server that cancels this gave the stream up: it stops, or its peer left. That is a ConnectionAbortedError.
        """
        listener = asyncio.create_task(self._listen(receive))
        error = None
        try:
            async with self._scope:
                await self._drain(send, start)
        except OSError:
            pass  # the peer is gone, or `abort` gave up a send (a TimeoutError is one)
        except asyncio.CancelledError:
            error = ConnectionAbortedError("the server gave the stream up")
            raise
        finally:
            self._closing, self._sending = True, False
            listener.cancel()
            self._protocol.connection_lost(error)

    async def _listen(self, receive: Receive) -> None:
        """The peer sends nothing that matters but its end."""
        try:
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            self._gone = True
            self.abort()

    async def _drain(self, send: Send, start: Message) -> None:
        await self._send(send, start)
        while self._pieces or not self._closing:
            if not self._pieces:
                self._wake.clear()
                await self._wake.wait()
                continue
            pieces, self._pieces = self._pieces, []
            data = b"".join(pieces)  # a piece alone is not copied
            pieces.clear()
            await self._send(send, {"type": "http.response.body", "body": data, "more_body": True})
            self._queued -= len(data)
            if self._paused and self._queued <= self._low:
                self._paused = False
                self._protocol.resume_writing()
        if not self._gone:
            await self._send(send, {"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send, message: Message) -> None:
        self._sending = True
        await send(message)
        self._sending = False

    def _maybe_pause(self) -> None:
        if not self._paused and self._queued > self._high:
            self._paused = True
            if self._protocol is not None:
                self._protocol.pause_writing()
