"""A test's own server, and how it ends: nothing of it is left to a later test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from tests.support.http1 import Address

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

#: Turns of the loop in which a connection that was accepted gets its protocol and its handler: asyncio takes three.
_TURNS = 5


async def close_listener(server: asyncio.Server) -> None:
    """Accept nothing more, let what was accepted be handed on, and only then close.

    asyncio's selector loop (3.11) makes the transport of a connection in the turn after it was accepted. Where the server
    is closed in between, that fails, and the socket of the connection stays open until the garbage collector complains in
    some later test.
    """
    loop = asyncio.get_running_loop()
    for listening in server.sockets:
        loop.remove_reader(listening.fileno())
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    server.close()


@asynccontextmanager
async def served(serve: Serve) -> AsyncIterator[Address]:
    """The address of a server that behaves as the test says. In the end its connections are cut and its handlers over.

    Raises what a handler raised, but for the end of its connection.
    """
    working: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def work(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve(reader, writer)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        working[asyncio.create_task(work(reader, writer))] = writer

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[:2]
    finally:
        await close_listener(server)
        for task, writer in working.items():
            writer.transport.abort()
            task.cancel()
        ends = await asyncio.gather(*working, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception) and not isinstance(end, (EOFError, ConnectionError)):
            raise end
