"""A connection that becomes a stream, and what it costs then."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import pytest
from httptools import HttpRequestParser
from tests.http.front.connection_rig import DATE, Rig, get

from fast_sse.http.front.connection import Connection
from fast_sse.http.front.reader import RequestReader
from fast_sse.http.message import Stream

# -- streams ----------------------------------------------------------------------------------------------

STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"Cache-Control: no-store, no-transform\r\nX-Accel-Buffering: no\r\nIncremental: ?1\r\n"
)


async def test_stream_gets_head_and_transport() -> None:
    """The front writes the head and gives the transport away; what the peer sends then is the stream's."""
    rig = Rig()
    rig.feed(get("/stream"))
    assert (
        rig.transport.sent
        == STREAM_HEAD + b"Transfer-Encoding: chunked\r\nConnection: close" + DATE + b"\r\n\r\nprimed"
    )
    assert rig.transport.protocol is rig.subscribers[0]
    rig.feed(get("/1"))
    assert rig.subscribers[0].received == get("/1")
    assert len(rig.asked) == 1


async def test_http10_stream_runs_until_the_close() -> None:
    """HTTP/1.0 has no chunks: the stream ends with the connection, also when keep-alive was asked for."""
    rig = Rig()
    rig.feed(get("/stream", "Connection: keep-alive\r\n", "1.0"))
    assert rig.transport.sent == STREAM_HEAD + b"Connection: close" + DATE + b"\r\n\r\nprimed"
    assert not rig.asked[0].http11


async def test_bytes_behind_a_stream_are_never_a_request() -> None:
    """Requests pipelined behind a stream request, in the same read, are discarded."""
    rig = Rig()
    rig.feed(get("/stream") + get("/1") + b"\x00garbage")
    assert [request.path for request in rig.asked] == ["/stream"]
    assert rig.transport.protocol is rig.subscribers[0]
    assert rig.transport.sent.endswith(b"primed")


async def test_stream_waits_for_its_turn() -> None:
    """Requests before the stream are answered first; it attaches behind them, and nothing behind it is read."""
    rig = Rig()
    rig.feed(get("/later") + get("/2") + get("/stream") + get("/4"))
    rig.feed(get("/5"))
    assert rig.subscribers == []
    await rig.resolve("/later")
    assert len(rig.subscribers) == 1
    sent = rig.transport.sent
    assert sent.index(b"/later") < sent.index(b"/2") < sent.index(STREAM_HEAD)
    assert [request.path for request in rig.asked] == ["/later", "/2", "/stream"]


async def test_stream_in_the_backlog_drops_what_is_behind_it() -> None:
    """A stream that had to wait unasked still is the last request of its connection."""
    rig = Rig()
    rig.feed(b"".join(get(f"/later/{n}") for n in range(4)) + get("/stream") + get("/5") + b"\x00garbage")
    assert not rig.transport.reading
    await rig.resolve("/later/0")
    await rig.resolve("/later/1")
    assert rig.subscribers == []
    await rig.resolve("/later/2", "/later/3")
    assert len(rig.subscribers) == 1
    assert [request.path for request in rig.asked][4:] == ["/stream"]
    assert rig.transport.reading
    assert rig.transport.sent.endswith(b"primed")


async def test_stream_learns_that_writing_is_paused() -> None:
    """A pause that began before the hand-over is the stream's to know: the transport will not say it again."""
    rig = Rig()
    rig.feed(get("/later") + get("/stream"))
    rig.transport.protocol.pause_writing()
    await rig.resolve("/later")
    assert rig.subscribers[0].paused
    assert rig.transport.reading


async def test_stream_of_a_peer_that_half_closed() -> None:
    """Who half-closed before its stream's turn gets the answers before it and the close, not the stream."""
    rig = Rig()
    rig.feed(get("/later") + get("/stream"))
    rig.transport.end()
    await rig.resolve("/later")
    assert rig.bodies == ["/later"]
    assert rig.subscribers == []
    assert rig.transport.closed


def alive() -> int:
    """Connections and readers that exist."""
    return sum(type(thing) in (Connection, RequestReader, HttpRequestParser) for thing in gc.get_objects())


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Only reference counts free memory, so that a cycle shows."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
async def test_a_stream_costs_no_connection() -> None:
    """After the hand-over nothing refers to the connection: it is freed, and no deadline or drain knows it."""
    before = alive()
    rig = Rig()
    rig.feed(get("/stream")[:9])
    assert alive() == before + 3
    rig.feed(get("/stream")[9:])
    assert alive() == before
    assert rig.front.connections == 0
    rig.after(10_000)
    await rig.front.drain()
    assert not rig.transport.closed


@pytest.mark.usefixtures("no_collector")
async def test_a_connection_that_closed_is_freed() -> None:
    """A lost connection leaves no cycle behind for the collector, also with a publish in flight."""
    before = alive()
    rig = Rig()
    rig.feed(get("/1") + get("/later"))
    rig.transport.lose()
    del rig.transport
    assert alive() == before
    rig.futures["/later"].set_result(b"")


async def test_head_never_attaches() -> None:
    """A stream in answer to HEAD would be a body without end: it is a defect and 500."""
    rig = Rig()
    rig.feed(get("/stream").replace(b"GET", b"HEAD"))
    assert rig.transport.sent.startswith(b"HTTP/1.1 500 ")
    assert rig.subscribers == []
    assert len(rig.defects) == 1


async def test_a_stream_that_cannot_attach_ends() -> None:
    """A defect while attaching is reported and ends the connection; what was pending went out before."""

    def broken(transport: Any, head: bytes) -> asyncio.BaseProtocol:
        raise ZeroDivisionError

    rig = Rig()
    rig.special["/s"] = lambda _: Stream(broken)
    rig.feed(get("/1") + get("/s"))
    assert rig.transport.sent.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain")
    assert rig.transport.ended
    assert isinstance(rig.defects[0][1], ZeroDivisionError)
