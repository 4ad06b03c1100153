"""How a test's own server ends."""

from __future__ import annotations

import asyncio

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
