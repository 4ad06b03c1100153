"""Compressed streams on the wire, whoever serves: by `?compression=` and `Accept-Encoding` alike."""

from __future__ import annotations

import time

import pytest
from tests.support.gzip_stream import gzip_stream
from tests.support.publisher import Pair, publish_once, signed, subscribe_target
from tests.support.server import Hub
from tests.support.sign import v2

pytestmark = pytest.mark.wire

EVENTS = {"Accept": "text/event-stream"}


def target(channel: Pair, query: str = "compression=auto") -> str:
    return f"{subscribe_target(channel)}?{query}"


@pytest.mark.parametrize("version", ["1.1", "1.0"])
async def test_a_client_that_takes_gzip_gets_it_live(hub: Hub, channel: Pair, version: str) -> None:
    """Each message can be read before the next is published, over HTTP/1.1 and until the close over HTTP/1.0."""
    headers = EVENTS | signed(channel)
    async with gzip_stream(hub.public, target(channel), headers, version=version) as stream:
        assert stream.headers["content-encoding"] == "gzip"
        assert "accept-encoding" in stream.headers["vary"].lower()
        await stream.until(b"event: fast-sse.start\n")
        for number in range(5):
            await publish_once(hub.public, channel, [number, "x" * 500 * number])
            await stream.until(b'"data":[%d,' % number)


async def test_a_gzip_stream_resumes(hub: Hub, channel: Pair) -> None:
    """What was published meanwhile comes as pages, compressed; then it goes on live."""
    first = (await publish_once(hub.public, channel, 0)).json()["data"]["message_id"]
    for number in range(1, 4):
        await publish_once(hub.public, channel, number)
    headers = EVENTS | signed(channel) | {"Last-Event-ID": first}
    async with gzip_stream(hub.public, target(channel), headers) as stream:
        await stream.until(b'{"data":3,')
        await publish_once(hub.public, channel, 4)
        await stream.until(b'{"data":4,')
        assert [stream.text.count(b'{"data":%d,' % number) for number in range(5)] == [0, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("query", "accepted", "gzip", "varies"),
    [
        ("compression=auto", "gzip;q=0", False, True),
        ("compression=auto", "br, deflate", False, True),
        ("compression=stream", "identity", False, True),
        ("compression=off", "gzip", False, False),
        ("", "gzip", False, False),
        ("compression=stream", "*", True, True),
    ],
)
async def test_who_does_not_take_gzip_gets_plain_text(
    hub: Hub, channel: Pair, query: str, accepted: str, gzip: bool, varies: bool
) -> None:
    """`Vary` says that another request would be answered otherwise, where that is so."""
    headers = EVENTS | signed(channel) | {"Accept-Encoding": accepted}
    async with gzip_stream(hub.public, target(channel, query), headers) as stream:
        assert ("content-encoding" in stream.headers) is gzip
        assert ("accept-encoding" in stream.headers.get("vary", "").lower()) is varies
        await stream.until(b"event: fast-sse.start\n")


async def test_a_gzip_stream_ends_with_whole_words(hub: Hub, channel: Pair) -> None:
    """Also one that is over at once: its only words can be read, and the body is whole but for gzip's trailer."""
    headers = EVENTS | {"x-signature": v2("sub", *channel, now=time.time() - 200)}
    async with gzip_stream(hub.public, target(channel), headers) as stream:
        assert stream.headers["content-encoding"] == "gzip"
        assert b'event: fast-sse.expired\ndata: {"reason":"expired"}\n' in await stream.to_the_end()
