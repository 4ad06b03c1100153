"""uvloop's TCP transport as the hub sees it. `test_transport.py` runs one script on both and compares."""

from __future__ import annotations

import asyncio
from typing import Any


class FakeTransport:
    """Bytes go to `wire` while the peer reads, else to a queue that pauses the protocol inside `write`.

    `protocol` is told what uvloop tells: `pause_writing` at once, `resume_writing` and `connection_lost` from the
    loop.
    """

    def __init__(self, protocol: Any = None, *, reading: bool = True) -> None:
        self._loop = asyncio.get_running_loop()
        self.protocol = protocol
        self.reading = reading
        self.wire = bytearray()
        #: The very objects handed to `write`.
        self.writes: list[bytes] = []
        #: The most that was ever queued.
        self.queued_max = 0
        self.closing = self.closed = False
        self._queue = bytearray()
        self._high, self._low = 64 * 1024, 16 * 1024
        self._paused = self._lost = False

    # -- what the hub calls -------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Queue bytes; above the high-water mark the protocol is paused before this returns."""
        if self.closed:
            raise RuntimeError("the handler is closed")
        if self._lost:
            return
        self.writes.append(data)
        if self.reading and not self._queue:
            self.wire += data
            return
        self._queue += data
        self.queued_max = max(self.queued_max, len(self._queue))
        self._maybe_pause()

    def close(self) -> None:
        """Close once everything queued is taken, however long that lasts."""
        if not self.closing:
            self.closing = True
            if not self._queue:
                self._lose(None)

    def abort(self) -> None:
        """Drop what is queued and close."""
        self._lose(None)

    def get_write_buffer_size(self) -> int:
        """Bytes that the kernel has not taken."""
        return len(self._queue)

    def set_write_buffer_limits(self, high: int) -> None:
        """The mark above which the protocol is paused, and a quarter of it as the one to resume at."""
        if self.closed:
            raise RuntimeError("the handler is closed")
        self._high, self._low = high, high // 4
        self._maybe_pause()

    def set_protocol(self, protocol: Any) -> None:
        """Whom to tell from now on."""
        self.protocol = protocol

    def is_closing(self) -> bool:
        """Whether `close` or `abort` was called or the peer is gone."""
        return self.closing or self._lost

    def get_extra_info(self, name: str) -> Any:
        """The peer's address, and nothing else."""
        return ("192.0.2.1", 40000) if name == "peername" else None

    # -- what the peer does -------------------------------------------------------------------------

    def stop_reading(self) -> None:
        """Take nothing more."""
        self.reading = False

    def take(self, count: int) -> None:
        """Take some of what is queued, and stop again."""
        self.wire += self._queue[:count]
        del self._queue[:count]
        self._loop.call_soon(self._drained)

    def read(self) -> None:
        """Take everything, from now on as it comes."""
        self.reading = True
        self.take(len(self._queue))

    def hang_up(self) -> None:
        """The peer is gone."""
        self._lose(ConnectionResetError(104, "Connection reset by peer"))

    # -- inside -------------------------------------------------------------------------------------

    def _maybe_pause(self) -> None:
        if not self._paused and len(self._queue) > self._high:
            self._paused = True
            self.protocol.pause_writing()

    def _drained(self) -> None:
        if self._lost:
            return
        if self._paused and len(self._queue) <= self._low:
            self._paused = False
            self.protocol.resume_writing()
        if self.closing and not self._queue:
            self._lose(None)

    def _lose(self, error: Exception | None) -> None:
        if self._lost or self.closed:
            return
        self._lost = self.closing = True
        self._queue.clear()
        self._loop.call_soon(self._gone, error)

    def _gone(self, error: Exception | None) -> None:
        self.protocol.connection_lost(error)
        self.closed = True
