"""A small TCP balancer of our own: round robin over the nodes, and past those that refuse.

It knows nothing of HTTP and keeps no client on a node, as the plainest balancers do: whatever holds behind it holds
behind every other. A client is cut only when no node accepts, or when its node cut it.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from tests.support.closing import close_listener
from tests.support.http1 import Address

_PIECE_BYTES = 64 * 1024


class Balancer:
    """Listens on `address`. `async with` runs it.

    Attributes:
        nodes: where connections go, in turn; may be changed while it runs.
        given: connections that each node was given.
        passed_over: how often a node refused and another was tried.
        turned_away: clients for whom no node was left.
    """

    def __init__(self, nodes: Sequence[Address]) -> None:
        self.nodes = list(nodes)
        self.address: Address = ("127.0.0.1", 0)
        self.given: Counter[Address] = Counter()
        self.passed_over = self.turned_away = 0
        self._turn = itertools.count()
        self._server: asyncio.Server | None = None
        self._joined: set[asyncio.Task[None]] = set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._joined.add(task)
        try:
            node = await self._connect()
            if node is None:
                self.turned_away += 1
                return
            node_reader, node_writer = node
            try:
                await asyncio.gather(_copy(reader, node_writer), _copy(node_reader, writer))
            finally:
                node_writer.transport.abort()
        finally:
            self._joined.discard(task)
            writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """The next node in turn that accepts."""
        first = next(self._turn)
        for number in range(len(self.nodes)):
            node = self.nodes[(first + number) % len(self.nodes)]
            try:
                opened = await asyncio.open_connection(*node)
            except OSError:
                self.passed_over += 1
                continue
            self.given[node] += 1
            return opened
        return None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        self.address = self._server.sockets[0].getsockname()[:2]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        await close_listener(self._server)
        for task in list(self._joined):
            task.cancel()
        await asyncio.gather(*self._joined, return_exceptions=True)
        await self._server.wait_closed()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What one side says goes to the other, and so does its end; a reset is passed on as one."""
    try:
        while data := await reader.read(_PIECE_BYTES):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.transport.abort()
