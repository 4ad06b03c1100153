"""Publishers: keep-alive connections, any number of requests in flight on each, answers in request order."""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Callable

from benchmarks.load.connections import open_socket
from benchmarks.load.loop import Loop
from benchmarks.load.target import LoadError, Target

READ_BYTES = 64 * 1024


class Answers:
    """The statuses in a stream of pipelined answers, cut anywhere. Bodies are skipped, not kept."""

    def __init__(self) -> None:
        self._data = b""

    def feed(self, data: bytes) -> list[int]:
        """Statuses of the answers that are now complete; interim 1xx answers are none."""
        self._data += data
        statuses = []
        while (end := self._end_of_answer()) > 0:
            status = int(self._data[9:12])
            if status >= 200:
                statuses.append(status)
            self._data = self._data[end:]
        return statuses

    def _end_of_answer(self) -> int:
        data = self._data
        head_end = data.find(b"\r\n\r\n") + 4
        if head_end < 4:
            return 0
        head = data[:head_end].lower()
        if data[9:10] == b"1" or data[9:12] in (b"204", b"304"):
            return head_end
        at = head.find(b"\r\ncontent-length:")
        if at >= 0:
            end = head_end + int(head[at + 17 : head.index(b"\r\n", at + 2)])
            return end if len(data) >= end else 0
        if b"\r\ntransfer-encoding: chunked" in head:
            return self._end_of_chunks(head_end)
        raise LoadError(f"answer without a length: {data[:200]!r}")

    def _end_of_chunks(self, at: int) -> int:
        data = self._data
        while (line_end := data.find(b"\r\n", at)) >= 0:
            size = int(data[at:line_end].split(b";")[0], 16)
            at = line_end + 2 + size + 2
            if size == 0:
                return at if len(data) >= at else 0
        return 0


class Publisher:
    """One connection. `on_answer(self, status)` is called for each answer and may send the next request."""

    def __init__(self, loop: Loop, target: Target, on_answer: Callable[[Publisher, int], None]) -> None:
        self.in_flight = 0
        self._loop = loop
        self._target = target
        self._on_answer = on_answer
        self._connect()

    def _connect(self) -> None:
        self._answers = Answers()
        self._unsent = b""
        self._sock = open_socket(self._target, 0)
        self._watch = select.EPOLLIN | select.EPOLLOUT
        self._loop.add(self._sock, self._watch, self._on_event)
        self._connected = False

    def send(self, payload: bytes) -> None:
        """Publish; never waits: what the socket does not take now is sent when it does."""
        self.in_flight += 1
        self._unsent += self._target.publish_request(payload)
        if self._connected:
            self._flush()

    def _flush(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._unsent = self._unsent[self._sock.send(self._unsent) :]
        watch = select.EPOLLIN | (select.EPOLLOUT if self._unsent else 0)
        if watch != self._watch:
            self._watch = watch
            self._loop.change(self._sock, watch, self._on_event)

    def _on_event(self, events: int) -> None:
        if events & select.EPOLLOUT:
            failed = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if failed:
                raise LoadError(f"publisher cannot connect: error {failed}")
            self._connected = True
            self._flush()
        if events & ~select.EPOLLOUT:
            self._receive()

    def _receive(self) -> None:
        try:
            data = self._sock.recv(READ_BYTES)
        except ConnectionError:
            data = b""
        if not data:
            # A server may end an idle keep-alive connection; ending one with a request on it is a failure.
            if self.in_flight:
                raise LoadError(f"publisher's connection closed with {self.in_flight} requests in flight")
            self._loop.close(self._sock)
            self._connect()
            return
        for status in self._answers.feed(data):
            self.in_flight -= 1
            self._on_answer(self, status)
