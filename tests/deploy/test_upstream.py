"""The server in the hub's place leaves nothing behind for the tests that come after its own."""

from __future__ import annotations

import asyncio
import gc
import socket
import warnings

import pytest
from tests.deploy.upstream import OK, upstream

pytestmark = pytest.mark.wire


@pytest.mark.parametrize("turns", range(6))
def test_a_connection_that_comes_last_is_closed(turns: int) -> None:
    """However far its accept has come when the server ends: a transport that nobody closed fails another test, later."""

    async def end_after_an_accept() -> int:
        async with upstream(lambda _number: OK) as hub:
            plug = socket.create_connection(hub.address)
            for _ in range(turns):
                await asyncio.sleep(0)
        plug.close()
        return hub.address[1]

    with warnings.catch_warnings(record=True) as complaints:
        warnings.simplefilter("always")
        port = asyncio.run(end_after_an_accept())
        gc.collect()
    assert [said for one in complaints if f"laddr=('127.0.0.1', {port})" in (said := str(one.message))] == []
