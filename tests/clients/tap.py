"""A wire that is listened in on: what a client asks for, and how its answers begin, as the two sides say it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.closing import close_listener
from tests.support.http1 import Address

#: Of each connection and direction.
KEPT_BYTES = 4096


class Tap:
    """Forwards bytes as they come, and keeps the first of them.

    Attributes:
        address: where the client connects.
        asked, answered: the beginning of what each connection said.
    """

    def __init__(self, hub: Address) -> None:
        self.address: Address = ("", 0)
        self.asked: list[bytearray] = []
        self.answered: list[bytearray] = []
        self._hub = hub
        self._tasks: set[asyncio.Task[None]] = set()
        self._heard = asyncio.Event()

    @property
    def streams(self) -> list[tuple[str, bytes]]:
        """The answers that are streams: the head in lower case, and how the body begins. Pages ask for other things, too."""
        answers = [answer for one in self.answered for answer in bytes(one).split(b"HTTP/1.1 ")]
        parts = [answer.partition(b"\r\n\r\n") for answer in answers]
        return [(head.decode("latin-1").lower(), body) for head, _, body in parts if b"event-stream" in head]

    async def stream_bytes(self, count: int) -> None:
        """Wait until some stream has so many bytes."""
        while not any(len(body) >= count for _, body in self.streams):
            self._heard.clear()
            await self._heard.wait()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A client has connected."""
        task = asyncio.create_task(self._join(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Join a client to the hub until one of the two is gone."""
        hub_reader, hub_writer = await asyncio.open_connection(*self._hub)
        self.asked.append(bytearray())
        self.answered.append(bytearray())
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._forward(reader, hub_writer, self.asked[-1]))
                both.create_task(self._forward(hub_reader, writer, self.answered[-1]))
        except* OSError:
            pass  # one side is gone: the other is told by its socket, which is closed now
        finally:
            writer.close()
            hub_writer.close()

    async def _forward(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, kept: bytearray
    ) -> None:
        while data := await source.read(65_536):
            kept += data[: max(0, KEPT_BYTES - len(kept))]
            self._heard.set()
            sink.write(data)
            await sink.drain()
        with contextlib.suppress(OSError):
            sink.write_eof()

    async def close(self) -> None:
        """End every connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def tapped(hub: Address) -> AsyncIterator[Tap]:
    """A tap before a hub, or a proxy."""
    tap = Tap(hub)
    server = await asyncio.start_server(tap.accept, "127.0.0.1", 0)
    tap.address = server.sockets[0].getsockname()[:2]
    try:
        yield tap
    finally:
        await close_listener(server)
        await tap.close()
