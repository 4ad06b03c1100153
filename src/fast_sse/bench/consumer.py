"""A subscriber that keeps what it got: for few streams and slow rates, where each message is followed by its id.

A packed message is unpacked, as a client has to; one that cannot be has not arrived.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable

from fast_sse.bench.connections import HEAD_BYTES_MAX, open_socket
from fast_sse.bench.counters import Dechunker
from fast_sse.bench.loop import Loop
from fast_sse.bench.target import LoadTarget
from fast_sse.model.errors import ClientFaultError
from fast_sse.model.parser import EventParser
from fast_sse.model.payload import unpacked

READ_BYTES = 256 * 1024


class Consumer:
    """One stream of one channel, once: it comes, listens, and goes.

    Attributes:
        received_ns: by message id, when it came, as often as it came.
        ready_ns: when the stream was there; 0 before.
        leave_ns: when it was told to go; from then on nothing is owed to it. 0 before.
        unpack_ns: how long each packed message took to unpack.
        data_bytes: of messages, as they came.
    """

    def __init__(self, loop: Loop, target: LoadTarget, channel: int, patience_s: float) -> None:
        self.received_ns: dict[str, list[int]] = {}
        self.ready_ns = self.leave_ns = 0
        self.attempts = self.ok = self.cut = self.data_bytes = 0
        self.unpack_ns: list[int] = []
        self.gone = True
        self._loop, self._target, self._channel, self._patience_s = loop, target, channel, patience_s
        self._owed: Callable[[], list[str] | None] = list
        self._sock: socket.socket | None = None
        self._head = b""
        self._parser = EventParser()
        self._dechunker: Dechunker | None = None

    def connect(self) -> None:
        """Come. A refusal is counted, not raised."""
        self.attempts += 1
        self.gone = False
        self._sock = open_socket(self._target.host, self._target.port, self._channel)
        self._loop.add(self._sock, select.EPOLLOUT, self._on_connect)

    def leave(self, now_ns: int, owed: Callable[[], list[str] | None]) -> None:
        """Go as soon as the messages of `owed` have come; None from it means that it is not known yet."""
        self.leave_ns, self._owed = now_ns, owed

    def check(self) -> None:
        """Go, if it is time."""
        if self.gone or not self.leave_ns:
            return
        owed = self._owed()
        late = time.monotonic_ns() - self.leave_ns > self._patience_s * 1e9
        if late or (owed is not None and all(one in self.received_ns for one in owed)):
            self._end()

    def was_connected(self, at_ns: int) -> bool:
        """Whether what was published then is owed to it."""
        return 0 < self.ready_ns <= at_ns and not (self.leave_ns and at_ns >= self.leave_ns)

    def _end(self) -> None:
        assert self._sock is not None
        self._loop.close(self._sock)
        self.gone = True

    def _on_connect(self, _events: int) -> None:
        assert self._sock is not None
        if self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._end()
            return
        self._sock.send(self._target.subscribe_request(self._channel))
        self._loop.change(self._sock, select.EPOLLIN, self._on_data)

    def _on_data(self, _events: int) -> None:
        assert self._sock is not None
        try:
            data = self._sock.recv(READ_BYTES)
        except ConnectionError:
            data = b""
        if not data:
            self.cut += 1
            self._end()
            return
        if not self.ready_ns:
            data = self._after_head(data)
        if data:
            self._take(data)

    def _after_head(self, data: bytes) -> bytes:
        self._head += data
        head, border, body = self._head.partition(b"\r\n\r\n")
        if len(self._head) > HEAD_BYTES_MAX or (border and not head.startswith(b"HTTP/1.1 200 ")):
            self._end()
            return b""
        if not body:
            return b""
        self.ok, self.ready_ns = 1, time.monotonic_ns()
        if b"\r\ntransfer-encoding: chunked" in head.lower():
            self._dechunker = Dechunker()
        return body

    def _take(self, data: bytes) -> None:
        now_ns = time.monotonic_ns()
        content = self._dechunker.feed(data) if self._dechunker else data
        for event in self._parser.feed(content):
            if not event.type.startswith("fast-sse."):
                self.data_bytes += len(event.data)
                if self._unpack(event.data):
                    self.received_ns.setdefault(event.last_event_id, []).append(now_ns)

    def _unpack(self, data: bytes) -> bool:
        """Whether there is a whole message in it."""
        began_ns = time.perf_counter_ns()
        try:
            plain = unpacked(data)
        except ClientFaultError:
            return False
        if plain is not data:
            self.unpack_ns.append(time.perf_counter_ns() - began_ns)
        return True
