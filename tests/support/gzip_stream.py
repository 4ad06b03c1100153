"""A gzip stream read by nothing but a socket and zlib, piece by piece as it comes."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.http1 import Address, Dechunker, parse_head, request_bytes

SOON_S = 10.0


class GzipStream:
    """An open stream.

    Attributes:
        headers: of the answer, in lower case.
        text: all that has come, unpacked where it was packed.
        ended: the other side has ended it.
    """

    def __init__(self, reader: asyncio.StreamReader, headers: dict[str, str]) -> None:
        self.headers = headers
        self.text = b""
        self.ended = False
        self._reader = reader
        self._chunks = Dechunker() if headers.get("transfer-encoding") == "chunked" else None
        self._gzip = zlib.decompressobj(31) if headers.get("content-encoding") == "gzip" else None

    async def _read(self) -> None:
        data = await self._reader.read(65_536)
        self.ended = not data
        if self._chunks is not None:
            data = self._chunks.feed(data)
        self.text += data if self._gzip is None else self._gzip.decompress(data)

    async def until(self, text: bytes) -> None:
        """Read until this has come."""
        async with asyncio.timeout(SOON_S):
            while text not in self.text:
                assert not self.ended, self.text
                await self._read()

    async def to_the_end(self) -> bytes:
        """Read all of it. A chunked body has its last chunk."""
        async with asyncio.timeout(SOON_S):
            while not self.ended:
                await self._read()
        assert self._chunks is None or self._chunks.ended
        return self.text


@asynccontextmanager
async def gzip_stream(
    at: Address, target: str, headers: dict[str, str], *, version: str = "1.1"
) -> AsyncIterator[GzipStream]:
    """Ask for a stream, of a client that takes gzip unless its headers say otherwise."""
    reader, writer = await asyncio.open_connection(*at)
    try:
        request = request_bytes("GET", target, {"Accept-Encoding": "gzip", **headers})
        writer.write(request.replace(b"HTTP/1.1", f"HTTP/{version}".encode(), 1))
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), SOON_S)
        status, found = parse_head(head[:-4])
        assert status == 200, head
        yield GzipStream(reader, found)
    finally:
        writer.transport.abort()
