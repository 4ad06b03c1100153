"""The end of a test's own server."""

from __future__ import annotations

import asyncio
import gc
import socket
import warnings

import pytest
from tests.support.closing import close_listener


@pytest.mark.parametrize("turns", range(4))
async def test_a_connection_that_was_just_accepted_is_not_left_open(turns: int) -> None:
    """However many turns lie between, and while others still come: no socket is left to the garbage collector."""
    handled = 0

    async def handle(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal handled
        handled += 1
        writer.transport.abort()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", ResourceWarning)
        peers = [socket.create_connection(server.sockets[0].getsockname()) for _ in range(10)]
        for _ in range(turns):
            await asyncio.sleep(0)
        closing = asyncio.create_task(close_listener(server))
        while not closing.done():
            peers.append(socket.create_connection(server.sockets[0].getsockname()))
            await asyncio.sleep(0)
        await closing
        await asyncio.sleep(0)
        gc.collect()
        for peer in peers:
            peer.close()
    assert [str(one.message) for one in seen if one.category is ResourceWarning] == []
    assert handled >= (10 if turns else 0), "what was accepted is handled"
