"""Where a stream ends: with its client, at the hub too, and not with a reload of the proxy."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.deploy.conftest import Listen, Pairing
from tests.deploy.curl import SOON_S, curl, header, line, running
from tests.deploy.proxy import Proxy
from tests.deploy.streams import end_at, streams_of
from tests.support.http1 import request_bytes
from tests.support.publisher import Pair, publish_once, signed, subscribe_target

pytestmark = [pytest.mark.wire, pytest.mark.slow]


@asynccontextmanager
async def half_closed(proxy: Proxy, channel: Pair) -> AsyncIterator[asyncio.StreamReader]:
    """A stream whose client has closed its own half of the connection, and goes on listening."""
    reader, writer = await asyncio.open_connection(*proxy.plain)
    headers = {"Accept": "text/event-stream", **signed(channel)}
    writer.write(request_bytes("GET", subscribe_target(channel), headers))
    try:
        await reader.readuntil(b"id: ")
        await reader.readuntil(b"\n\n")
        writer.write_eof()
        yield reader
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
async def test_a_client_that_leaves_ends_its_stream_at_the_hub(
    quiet: Pairing, shared: Pairing, channel: Pair, version: str
) -> None:
    """A proxy lets the hub know that a client has gone: without a heartbeat, or with the next where it sees nothing else."""
    proxy, hub = quiet if quiet.proxy.sees_leaving else shared
    target = proxy.url(subscribe_target(channel))
    async with running(*curl(proxy), version, *header(channel), target) as client:
        await line(client, "id: ")
        assert await streams_of(hub, channel) == 1
    await end_at(hub, channel)


async def test_a_client_that_closes_its_half_has_left(quiet: Pairing, channel: Pair) -> None:
    """Whoever says no more is gone, for each proxy that looks; one that does not goes on with the stream."""
    async with half_closed(quiet.proxy, channel) as reader:
        if quiet.proxy.sees_leaving:
            await asyncio.wait_for(reader.read(), SOON_S)
            await end_at(quiet.hub, channel)
        else:
            await publish_once(quiet.proxy.plain, channel, "still")
            await asyncio.wait_for(reader.readuntil(b'"still"'), SOON_S)


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
