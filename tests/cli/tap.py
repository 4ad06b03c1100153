"""A relay before a hub that counts the requests and answers it passes on, and tells a test of each before it does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.support.closing import close_listener
from tests.support.http1 import Address

_STATUS = b"HTTP/1.1 200"

#: Gets the number of answers so far; False: this one is not passed on and the connection is cut.
OnAnswer = Callable[[int], bool]


class Tap:
    """Listens on `address`. Each connection carries one request at a time, as a publisher's do.

    Attributes:
        answers: 2xx that the hub gave, passed on or not.
    """

    def __init__(self, hub: Address, on_answer: OnAnswer) -> None:
        self.address: Address = ("127.0.0.1", 0)
        self.answers = 0
        self._hub, self._on_answer = hub, on_answer
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.address = self._server.sockets[0].getsockname()[:2]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        await close_listener(self._server)
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await self._server.wait_closed()

    async def _relay(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            hub, forward = await asyncio.open_connection(*self._hub)
        except OSError:  # the hub is away: so is this connection
            back.transport.abort()
            self._open.discard(task)
            return
        sending = asyncio.create_task(_pump(client, forward))
        try:
            while data := await hub.read(1 << 16):
                if data.startswith(_STATUS):
                    self.answers += 1
                    if not self._on_answer(self.answers):
                        break
                back.write(data)
                await back.drain()
        except OSError:
            pass
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            forward.transport.abort()
            back.transport.abort()
            self._open.discard(task)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(1 << 16):
            sink.write(data)
            await sink.drain()
