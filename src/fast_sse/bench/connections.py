"""Subscribers: thousands of streams, each a socket and a counter, all received into one buffer."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from fast_sse.bench.counters import ROOM, FrameCounter, Witness, prefixes_by_last_byte
from fast_sse.bench.loop import Loop
from fast_sse.bench.target import LoadError, LoadTarget

READ_BYTES = 256 * 1024
HEAD_BYTES_MAX = 16 * 1024
#: Connections being set up at a time: below any listen backlog in use, so that no SYN is dropped.
CONNECTING_MAX = 128
#: A source address has some 28,000 ephemeral ports; loopback has 16 million addresses.
PER_SOURCE_ADDRESS = 15_000
#: Linux, missing in `socket` of Python 3.11: choose the port at connect, when the whole tuple must be unique.
IP_BIND_ADDRESS_NO_PORT = 24
#: Close by reset: thousands of connections would leave as many TIME_WAIT ports to the next run.
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def open_socket(host: str, port: int, index: int, receive_bytes: int = 0) -> socket.socket:
    """A TCP socket whose connect is under way. `host` is an address; `index` tells it from the others."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    if receive_bytes:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    if host.startswith("127.") and index >= PER_SOURCE_ADDRESS:
        sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        sock.bind((f"127.0.1.{1 + index // PER_SOURCE_ADDRESS}", 0))
    failed = sock.connect_ex((host, port))
    if failed not in (0, errno.EINPROGRESS):
        sock.close()
        raise LoadError(f"connect to {host}:{port}: {os.strerror(failed)}")
    return sock


class LoadSubscriber:
    """One stream. `on_connect`, `on_head`, `on_stream` are its states: the handler in the loop's table."""

    __slots__ = ("_counter", "_head", "_recv_into", "_request", "_streams", "route", "sock", "witness")

    def __init__(
        self, streams: Subscribers, sock: socket.socket, counter: FrameCounter, route: int, request: bytes
    ) -> None:
        self.route = route
        self._request = request
        self._streams = streams
        self._counter = counter
        self._head = b""
        self._recv_into = sock.recv_into
        self.sock = sock
        self.witness: Witness | None = None

    @property
    def count(self) -> int:
        """Events received."""
        return self._counter.count

    def on_connect(self, _events: int) -> None:
        """The connect is over, well or not."""
        failed = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if failed:
            raise LoadError(f"subscriber cannot connect: {os.strerror(failed)}")
        if self.sock.send(self._request) != len(self._request):
            raise LoadError("an empty send buffer does not take one request")
        self._streams.loop.change(self.sock, select.EPOLLIN, self.on_head)

    def on_head(self, _events: int) -> None:
        """Bytes of the answer's head. Ready once the server also sent a first byte of the stream itself."""
        data = self.sock.recv(HEAD_BYTES_MAX)
        if not data:
            raise LoadError(f"stream closed in its head: {self._head[:200]!r}")
        if self.witness:
            self.witness.feed(data)
        self._head += data
        head, border, body = self._head.partition(b"\r\n\r\n")
        if border and not head.startswith(b"HTTP/1.1 200 "):
            raise LoadError(f"subscribe answered {self._head[:300]!r}")
        if len(self._head) > HEAD_BYTES_MAX:
            raise LoadError("the head of an answer does not end")
        if not body:
            return
        self._head = b""
        streams = self._streams
        # With the head's last LF, so that an event right behind the head starts a line as well.
        streams.buffer[ROOM : ROOM + 1 + len(body)] = b"\n" + body
        streams.delivered += self._counter.feed(streams.buffer, ROOM + 1 + len(body))
        streams.ready += 1
        streams.loop.handlers[self.sock.fileno()] = self.on_stream

    def on_stream(self, _events: int) -> None:
        """The hot road: one read, one count."""
        streams = self._streams
        try:
            size = self._recv_into(streams.view)
        except ConnectionError:
            size = 0
        if not size:
            streams.drop(self)
            return
        end = ROOM + size
        if self.witness:
            self.witness.feed(streams.view[:size])
        streams.bytes_received += size
        streams.delivered += self._counter.feed(streams.buffer, end)
        if streams.on_data:
            streams.on_data(streams.buffer, end)


class StreamPlace(NamedTuple):
    """A stream to open: its number among all of the run, its route, and where it goes on."""

    number: int
    route: int = 0
    last_event_id: str = ""


class Subscribers:
    """Streams and the sums over them. The first one is the witness of the count, where one is wanted."""

    def __init__(self, loop: Loop, target: LoadTarget, *, witness: bool = True) -> None:
        self.loop = loop
        self.buffer = bytearray(ROOM + READ_BYTES)
        self.view = memoryview(self.buffer)[ROOM:]
        self.on_data: Callable[[bytearray, int], None] | None = None
        self.ready = 0
        self.delivered = 0
        self.bytes_received = 0
        self.closed_by_server = 0
        self._target = target
        self._witness = witness
        self._needle = target.needle.encode()
        self._prefixes = prefixes_by_last_byte(self._needle)
        self._all: list[LoadSubscriber] = []
        self._requests: dict[tuple[int, str], bytes] = {}

    def __len__(self) -> int:
        return len(self._all)

    def connect(
        self,
        places: Sequence[StreamPlace],
        on_ready: Callable[[int], None] | None = None,
        timeout_s: float = 120.0,
    ) -> float:
        """Open more streams, a bounded number at a time; the seconds until the last was ready.

        Raises:
            LoadError: one was refused, or not all were ready in time.
        """
        start_s = time.monotonic()
        opened, before = 0, len(self._all)
        while self.ready < before + len(places):
            if time.monotonic() - start_s > timeout_s:
                raise LoadError(f"{self.ready - before} of {len(places)} streams ready after {timeout_s} s")
            while opened < len(places) and len(self._all) - self.ready < CONNECTING_MAX:
                self._open(places[opened])
                opened += 1
            self.loop.turn(0.1)
            if on_ready is not None:
                on_ready(self.ready - before)
        return time.monotonic() - start_s

    def _open(self, place: StreamPlace) -> None:
        sock = open_socket(self._target.host, self._target.port, place.number)
        key = (place.route, place.last_event_id)
        if key not in self._requests:
            self._requests[key] = self._target.subscribe_request(*key)
        counter = FrameCounter(self._needle, self._prefixes)
        subscriber = LoadSubscriber(self, sock, counter, place.route, self._requests[key])
        if self._witness and not self._all:
            subscriber.witness = Witness()
        self._all.append(subscriber)
        self.loop.add(sock, select.EPOLLOUT, subscriber.on_connect)

    def witness_agrees(self) -> bool:
        """Whether the first stream, counted again by the rules, says the same."""
        witness = self._all[0].witness if self._all else None
        return witness is None or witness.agrees(self._all[0].count)

    def counts(self) -> list[int]:
        """Events per stream, in the order of opening."""
        return [subscriber.count for subscriber in self._all]

    def routes(self) -> list[int]:
        """The route of each stream, in the same order."""
        return [subscriber.route for subscriber in self._all]

    def drop(self, subscriber: LoadSubscriber) -> None:
        """The server ended this stream; its missing events show up as lost."""
        self.closed_by_server += 1
        self.loop.close(subscriber.sock)

    def close(self) -> None:
        """End all of them."""
        for subscriber in self._all:
            self.loop.close(subscriber.sock)
