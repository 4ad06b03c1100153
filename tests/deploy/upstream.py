"""A server in the hub's place that keeps every request and answers as it is told, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tests.support.closing import close_listener
from tests.support.http1 import Address
from tests.support.server import stable_port

#: Gets the number of a request, from 0; what it returns is sent, and None cuts the connection.
Answers = Callable[[int], bytes | None]

#: Answered as a hub does it, and not kept: a proxy's own question whether anybody is there.
PROBE = b"GET / HTTP/1.1\r\n"
NOTHING_THERE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}"

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Upstream:
    """Every request it got, head and body, and the number of connections they came on."""

    def __init__(self, answers: Answers, address: Address | None = None) -> None:
        self.address: Address = address or ("127.0.0.1", stable_port())
        self.requests: list[bytes] = []
        self.connections = 0
        self._answers = answers
        self._open: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = {}

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open[asyncio.current_task()] = writer
        fresh = 1
        try:
            while request := await self._request(reader):
                if request.startswith(PROBE):
                    writer.write(NOTHING_THERE)
                    continue
                self.connections += fresh
                fresh = 0
                self.requests.append(request)
                answer = self._answers(len(self.requests) - 1)
                if answer is None:
                    break
                writer.write(answer)
        finally:
            writer.transport.abort()
            del self._open[asyncio.current_task()]

    async def end(self) -> None:
        """Cut what is still open, and wait until nobody works on it."""
        for writer in self._open.values():
            writer.transport.abort()
        await asyncio.gather(*(task for task in self._open if task is not None))

    async def _request(self, reader: asyncio.StreamReader) -> bytes:
        """The next one, whole; empty when the connection ends first."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            return head + await reader.readexactly(_length(head))
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""


def _length(head: bytes) -> int:
    lines = (line.lower() for line in head.split(b"\r\n"))
    return next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)


@asynccontextmanager
async def upstream(answers: Answers, address: Address | None = None) -> AsyncIterator[Upstream]:
    """A running one, at a free port or at one that has been free so far."""
    recorder = Upstream(answers, address)
    server = await asyncio.start_server(recorder, *recorder.address)
    try:
        yield recorder
    finally:
        await close_listener(server)
        await recorder.end()
