"""Subscribers: thousands of streams, each a socket and a counter, all received into one buffer."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import time
from collections.abc import Callable

from benchmarks.load.counters import ROOM, FrameCounter, Witness, prefixes_by_last_byte
from benchmarks.load.loop import Loop
from benchmarks.load.target import LoadError, Target

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


def open_socket(target: Target, index: int) -> socket.socket:
    """A TCP socket whose connect is under way."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    if target.host.startswith("127.") and index >= PER_SOURCE_ADDRESS:
        sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        sock.bind((f"127.0.1.{1 + index // PER_SOURCE_ADDRESS}", 0))
    failed = sock.connect_ex((target.host, target.port))
    if failed not in (0, errno.EINPROGRESS):
        sock.close()
        raise LoadError(f"connect to {target.host}:{target.port}: {os.strerror(failed)}")
    return sock


class Subscriber:
    """One stream. `on_connect`, `on_head`, `on_stream` are its states: the handler in the loop's table."""

    __slots__ = ("_counter", "_head", "_recv_into", "_streams", "sock", "witness")

    def __init__(self, streams: Subscribers, sock: socket.socket, counter: FrameCounter) -> None:
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
        request = self._streams.request
        if self.sock.send(request) != len(request):
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


class Subscribers:
    """Streams of one channel and the sums over them. The first one is the witness of the count."""

    def __init__(self, loop: Loop, target: Target) -> None:
        self.loop = loop
        self.request = target.subscribe_request()
        self.buffer = bytearray(ROOM + READ_BYTES)
        self.view = memoryview(self.buffer)[ROOM:]
        self.on_data: Callable[[bytearray, int], None] | None = None
        self.ready = 0
        self.delivered = 0
        self.bytes_received = 0
        self.closed_by_server = 0
        self._target = target
        self._needle = target.needle.encode()
        self._prefixes = prefixes_by_last_byte(self._needle)
        self._all: list[Subscriber] = []

    def connect(self, count: int, timeout_s: float = 60.0) -> float:
        """Open `count` more streams, a bounded number at a time; the seconds until the last was ready."""
        start_s = time.monotonic()
        wanted = len(self._all) + count
        while self.ready < wanted:
            if time.monotonic() - start_s > timeout_s:
                raise LoadError(f"{self.ready} of {wanted} streams ready after {timeout_s} s")
            while len(self._all) < wanted and len(self._all) - self.ready < CONNECTING_MAX:
                self._open()
            self.loop.turn(0.1)
        return time.monotonic() - start_s

    def _open(self) -> None:
        sock = open_socket(self._target, len(self._all))
        subscriber = Subscriber(self, sock, FrameCounter(self._needle, self._prefixes))
        if not self._all:
            subscriber.witness = Witness()
        self._all.append(subscriber)
        self.loop.add(sock, select.EPOLLOUT, subscriber.on_connect)

    def witness_ids(self) -> list[bytes]:
        """Ids of the events of the first stream, counted by the rules."""
        witness = self._all[0].witness
        return witness.ids_of_events() if witness else []

    def counts(self) -> list[int]:
        """Events per stream, in the order of opening."""
        return [subscriber.count for subscriber in self._all]

    def drop(self, subscriber: Subscriber) -> None:
        """The server ended this stream; its missing events show up as lost."""
        self.closed_by_server += 1
        self.loop.close(subscriber.sock)
