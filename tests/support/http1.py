"""HTTP/1.1 by hand: what goes over the wire is what the test wrote, byte for byte.

A library would repair a malformed request before the hub could see it, and reconnect behind the test's back.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple, Self

Address = tuple[str, int]

#: Seconds that any one answer may take before a test gives up on it.
ANSWER_S = 15.0


class Reply(NamedTuple):
    """One complete answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The public word of the answer."""
        return str(self.json()["code"])


class CutError(ConnectionError):
    """The connection ended before the answer was complete: the outcome of the request is unknown."""


class Dechunker:
    """The chunked transfer coding, strictly: what is not exactly it raises ValueError."""

    def __init__(self) -> None:
        self.ended = False
        self._buffer = bytearray()

    def feed(self, data: bytes) -> bytes:
        """Take bytes as received and return the body bytes of every chunk that is complete."""
        self._buffer += data
        out = bytearray()
        at = 0
        while (line_end := self._buffer.find(b"\r\n", at)) >= 0:
            if self.ended:
                raise ValueError("bytes behind the last chunk")
            size = int(bytes(self._buffer[at:line_end]), 16)
            start, end = line_end + 2, line_end + 2 + size
            if len(self._buffer) < end + 2:
                break
            if self._buffer[end : end + 2] != b"\r\n":
                raise ValueError("a chunk does not end where its size says")
            out += self._buffer[start:end]
            self.ended = size == 0
            at = end + 2
        del self._buffer[:at]
        return bytes(out)


def parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    """Status and lower-case headers of a response head without its blank line."""
    first, *lines = head.decode("latin-1").split("\r\n")
    version, status, _ = first.split(" ", 2)
    if not version.startswith("HTTP/1."):
        raise ValueError(f"not an HTTP/1 answer: {first!r}")
    pairs = (line.split(":", 1) for line in lines)
    return int(status), {name.lower(): value.strip() for name, value in pairs}


def request_bytes(method: str, target: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """A request as one would write it; header values are latin-1, and a body brings its length."""
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class Connection:
    """One keep-alive connection. `async with` closes it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, address: Address) -> Self:
        """Connect, or raise OSError."""
        return cls(*await asyncio.open_connection(*address))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()

    def abort(self) -> None:
        """Drop the connection at once."""
        self._writer.transport.abort()

    async def exchange(self, raw: bytes, *, on_sent: Callable[[], None] | None = None) -> Reply:
        """Send bytes and read one answer. `on_sent` runs once they are handed to the kernel.

        Raises CutError when the connection ends first.
        """
        try:
            self._writer.write(raw)
            await self._writer.drain()
            if on_sent is not None:
                on_sent()
            async with asyncio.timeout(ANSWER_S):
                return await self._read()
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise CutError(str(error)) from error

    async def _read(self) -> Reply:
        head = await self._reader.readuntil(b"\r\n\r\n")
        status, headers = parse_head(head[:-4])
        if status == 100:
            return await self._read()
        if "content-length" in headers:
            return Reply(status, headers, await self._reader.readexactly(int(headers["content-length"])))
        return Reply(status, headers, await self._until_end(headers))

    async def _until_end(self, headers: dict[str, str]) -> bytes:
        """A body without a length: to its last chunk, or to the end of the connection where that is first."""
        if headers.get("transfer-encoding") != "chunked":
            return await self._reader.read()
        dechunker, body = Dechunker(), b""
        while not dechunker.ended and (data := await self._reader.read(1 << 16)):
            body += dechunker.feed(data)
        return body


async def exchange(address: Address, raw: bytes) -> Reply:
    """One answer to bytes of the test's own, on a connection of its own."""
    async with await Connection.open(address) as connection:
        return await connection.exchange(raw)


async def request(
    address: Address, method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b""
) -> Reply:
    """One well-formed request on a connection of its own."""
    return await exchange(address, request_bytes(method, target, headers or {}, body))
