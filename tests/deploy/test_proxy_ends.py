"""Where a stream ends: with its client, at the hub too, and not with a reload of the proxy."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.deploy.conftest import Listen, Pairing
from tests.deploy.curl import SOON_S, curl, header, line, running
from tests.deploy.process import open_files
from tests.deploy.proxy import Proxy
from tests.support.http1 import request_bytes
from tests.support.kernel import eventually
from tests.support.publisher import Pair, publish_once, signed, subscribe_target

pytestmark = [pytest.mark.wire, pytest.mark.slow]


@asynccontextmanager
async def half_closed(proxy: Proxy, channel: Pair) -> AsyncIterator[None]:
    """A stream whose client closes its own half of the connection as the block ends, and goes on listening."""
    reader, writer = await asyncio.open_connection(*proxy.plain)
    headers = {"Accept": "text/event-stream", **signed(channel)}
    writer.write(request_bytes("GET", subscribe_target(channel), headers))
    try:
        await reader.readuntil(b"id: ")
        yield
        writer.write_eof()
        async with asyncio.timeout(SOON_S):
            await reader.read()
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("leaves", ["HTTP/1.1", "HTTP/2", "half"])
async def test_a_client_that_leaves_ends_its_stream_at_the_hub(
    quiet: Pairing, channel: Pair, leaves: str
) -> None:
    """No heartbeat tells the proxy that the client is gone: it notices by itself, and lets the hub know."""
    before = open_files(quiet.hub)
    if leaves == "half":
        async with half_closed(quiet.proxy, channel):
            assert open_files(quiet.hub) > before
    else:
        version = "--http2" if leaves == "HTTP/2" else "--http1.1"
        target = quiet.proxy.url(subscribe_target(channel))
        async with running(*curl(quiet.proxy), version, *header(channel), target) as client:
            await line(client, "id: ")
            assert open_files(quiet.hub) > before
    await eventually(lambda: open_files(quiet.hub) <= before, SOON_S, "the end of the stream at the hub")


async def test_a_reload_cuts_no_stream(quiet: Pairing, channel: Pair, listen: Listen) -> None:
    """Streams that are open while the proxy reads its configuration again go on, over HTTP/1.1 and HTTP/2."""
    proxy = quiet.proxy
    client = await listen(proxy.plain, channel).ready()
    async with running(*curl(proxy), *header(channel), proxy.url(subscribe_target(channel))) as other:
        await line(other, "id: ")
        await proxy.reload()
        reply = await publish_once(proxy.plain, channel, "after")
        assert reply.status == 200, reply
        await client.until(lambda: bool(client.events))
        assert json.loads((await line(other, 'data: {"data"'))[6:])["data"] == "after"
    assert len(client.opened) == 1
