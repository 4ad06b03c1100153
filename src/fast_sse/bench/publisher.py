"""Publishers: keep-alive connections, any number of requests in flight on each, answers in request order."""

from __future__ import annotations

import contextlib
import re
import select
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from fast_sse.bench.connections import open_socket
from fast_sse.bench.loop import Loop
from fast_sse.bench.target import LoadError, LoadTarget

READ_BYTES = 64 * 1024
_MESSAGE_ID = re.compile(rb'"message_id":"([^"]+)"')


class Answers:
    """Status and body of each answer in a stream of pipelined ones, cut anywhere; a chunked body keeps its chunks."""

    def __init__(self) -> None:
        self._data = b""

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The answers that are now complete; interim 1xx answers are none."""
        self._data += data
        answers = []
        while (end := self._end_of_answer()) > 0:
            status = int(self._data[9:12])
            if status >= 200:
                answers.append((status, self._data[self._data.index(b"\r\n\r\n") + 4 : end]))
            self._data = self._data[end:]
        return answers

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


class Reply(NamedTuple):
    """An answer, to which request, and when that was due. `request` is whatever the sender gave with it."""

    publisher: Publisher
    request: Any
    due_ns: int
    status: int
    body: bytes

    @property
    def message_id(self) -> str:
        """Of a publish to a hub; empty where there is none."""
        found = _MESSAGE_ID.search(self.body)
        return found[1].decode() if found else ""


class Publisher:
    """One connection. `on_reply` is called for each answer and may send the next request."""

    def __init__(self, loop: Loop, target: LoadTarget, on_reply: Callable[[Reply], None]) -> None:
        self._loop = loop
        self._target = target
        self._on_reply = on_reply
        self._open: deque[tuple[Any, int]] = deque()
        self._connect()

    @property
    def in_flight(self) -> int:
        """Requests without an answer yet."""
        return len(self._open)

    def _connect(self) -> None:
        self._answers = Answers()
        self._unsent = b""
        self._sock = open_socket(self._target.host, self._target.publish_port or self._target.port, 0)
        self._watch = select.EPOLLIN | select.EPOLLOUT
        self._loop.add(self._sock, self._watch, self._on_event)
        self._connected = False

    def send(self, data: bytes, request: Any = None, due_ns: int = 0) -> None:
        """Send a whole request; never waits: what the socket does not take now is sent when it does."""
        self._open.append((request, due_ns))
        self._unsent += data
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
            if self._open:
                raise LoadError(f"publisher's connection closed with {self.in_flight} requests in flight")
            self._loop.close(self._sock)
            self._connect()
            return
        for status, body in self._answers.feed(data):
            if not self._open:
                continue  # said unasked (408), before it ends an idle connection
            request, due_ns = self._open.popleft()
            self._on_reply(Reply(self, request, due_ns, status, body))
