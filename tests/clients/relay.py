"""A TCP relay between one client and a hub, which cuts where the test says and keeps what either side said.

    pass    a request goes on to the hub, and a cut that was ordered strikes at its byte
    away    a request is read, written down and held until `open` lets it on: the client is coming back, and the
            hub does not know it yet
    refuse  a connection is ended before its request is read

A hub that cannot be reached ends the client's connection, as a refused one would. The relay itself answers what is
no request of ours (a browser's page, its icon), so that a page and its stream have one origin.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

from tests.clients.answers import Answer, Answers, Cut
from tests.support.closing import close_listener
from tests.support.http1 import Address

#: Where everything of a hub's public listener lives.
OURS = "/v1/"
PAGE = b"<!doctype html><meta charset=utf-8><title>a page of the tests</title>"
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"


class Head(NamedTuple):
    """The head of one request: what the client showed."""

    method: str
    target: str
    headers: dict[str, str]

    @classmethod
    def of(cls, raw: bytes) -> Head:
        """Read one; header names become lower case."""
        first, *lines = raw.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        pairs = (line.split(":", 1) for line in lines)
        return cls(method, target, {name.lower(): value.strip() for name, value in pairs})

    @property
    def cursor(self) -> str:
        """The position it asks for, in whichever of the three ways; empty when it asks for none."""
        query = parse_qs(urlsplit(self.target).query)
        named = [*query.get("last_event_id", []), *query.get("lastEventId", []), ""]
        return self.headers.get("last-event-id") or named[0]


class Relay:
    """Listens on `address` and forwards to `target`, which may be replaced while it runs. `async with` runs it.

    Attributes:
        heads: of every request of ours, in order.
        answers: one for each head that was let on to the hub.
        cut: the order to cut, struck off when it has struck.
        reset: whether a cut is a reset (RST) instead of an end (FIN).
        edit: what is done to the head of a request before anyone reads it.
    """

    def __init__(self, target: Address) -> None:
        self.target = target
        self.address: Address = ("127.0.0.1", 0)
        self.mode = "pass"
        self.reset = False
        self.edit: Callable[[bytes], bytes] = bytes
        self.heads: list[Head] = []
        self.answers: list[Answer] = []
        self.cut: Cut | None = None
        self.cuts = 0
        self._changed: set[asyncio.Future[None]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._plugs: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    # -- what a test asks for ---------------------------------------------------------------------

    def strike(self) -> None:
        """End every connection now."""
        self.cuts += 1
        for plug in list(self._plugs):
            self._end(plug)

    def hold(self) -> None:
        """End every connection, and hold those that come."""
        self.mode = "away"
        self.strike()

    def open(self) -> None:
        """Let on what is held, and all that comes."""
        self.mode = "pass"
        self._tell()

    @property
    def streams(self) -> list[Answer]:
        """The answers that opened a stream: 200, and a first block of it has gone on to the client."""
        return [answer for answer in self.answers if answer.status == 200 and answer.blocks]

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something holds that only what passes here can change. The caller bounds it in time."""
        while not true():
            waiter = asyncio.get_running_loop().create_future()
            self._changed.add(waiter)
            await waiter

    # -- forwarding -------------------------------------------------------------------------------

    def _tell(self) -> None:
        for waiter in self._changed:
            if not waiter.done():
                waiter.set_result(None)
        self._changed.clear()

    def _end(self, plug: asyncio.StreamWriter) -> None:
        if self.reset:
            sock = plug.get_extra_info("socket")
            if sock is not None and sock.fileno() >= 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            plug.transport.abort()
        else:
            plug.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with self._kept(writer), contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await self._serve(reader, writer)
        self._tasks.discard(task)
        self._tell()

    @contextlib.contextmanager
    def _kept(self, *plugs: asyncio.StreamWriter) -> Iterator[None]:
        """Sockets that a strike ends too, and that end with this block in any case."""
        self._plugs.update(plugs)
        try:
            yield
        finally:
            self._plugs.difference_update(plugs)
            for plug in plugs:
                self._end(plug)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client: its first request decides where it goes."""
        if self.mode == "refuse":
            return
        raw = self.edit(await reader.readuntil(b"\r\n\r\n"))
        head = Head.of(raw[:-4])
        if not head.target.startswith(OURS):
            writer.write(_ANSWER % (len(PAGE), PAGE))
            await writer.drain()
            return
        self.heads.append(head)
        self._tell()
        leaves = asyncio.ensure_future(reader.read(1))
        opened = asyncio.ensure_future(self.until(lambda: self.mode == "pass"))
        try:
            await asyncio.wait((leaves, opened), return_when=asyncio.FIRST_COMPLETED)
            if opened.done():
                await self._forward(raw, head, leaves, writer)
        finally:
            opened.cancel()
            leaves.cancel()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await leaves

    async def _forward(
        self, raw: bytes, head: Head, leaves: asyncio.Future[bytes], writer: asyncio.StreamWriter
    ) -> None:
        """One request and its answer: every stream says `Connection: close`, so does what stands in for one."""
        back_reader, back = await asyncio.open_connection(*self.target)
        answer, answers = Answer(head.cursor), Answers()
        self.answers.append(answer)
        answers.expect(answer)
        with self._kept(back):
            back.write(raw)
            try:
                while not (leaves.done() or answer.over):
                    arrives = asyncio.ensure_future(back_reader.read(65536))
                    await asyncio.wait((leaves, arrives), return_when=asyncio.FIRST_COMPLETED)
                    if not arrives.done():
                        arrives.cancel()
                        break
                    if not (data := arrives.result()) or not await self._hand_on(answers, data, writer):
                        break
            finally:
                answer.over = True
                self._tell()

    async def _hand_on(self, answers: Answers, data: bytes, writer: asyncio.StreamWriter) -> bool:
        """Give the client what arrived; False once a cut has struck."""
        writer.write(answers.feed(data, self.cut))
        await writer.drain()
        if answers.cut:
            self.cut = None
            self.cuts += 1
        self._tell()
        return not answers.cut

    # -- its life ---------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.address = self._server.sockets[0].getsockname()[:2]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        await close_listener(self._server)
        self.mode = "refuse"
        while self._tasks:
            self.strike()
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        await self._server.wait_closed()
