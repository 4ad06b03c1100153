"""Nobody without a key fills the operators' listener."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from tests.support.clock import ManualClock
from tests.support.kernel import eventually

from fast_sse.http.admin.door import PIPELINE_MAX, WAITED_BYTES_MAX
from fast_sse.http.admin.server import AdminServer
from fast_sse.model.limits import Limits

pytestmark = pytest.mark.wire

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
HALF = GET[:-2]
CONNECTIONS_MAX = 8
SOON_S = 5.0

Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Listener:
    """A listener for few, on a clock of its own; `/slow` is answered when `go_on` is set."""

    def __init__(self) -> None:
        self.clock = ManualClock(1000.0)
        self.go_on = asyncio.Event()
        self.asked = 0
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        self.address = sock.getsockname()
        self.server = AdminServer(self, sock, Limits(), CONNECTIONS_MAX, self.clock)
        self.peers: list[Peer] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        if scope["path"] == "/slow":
            await self.go_on.wait()
        await Response("here")(scope, receive, send)

    async def peer(self, data: bytes = b"") -> Peer:
        """A connection that has sent `data`."""
        reader, writer = await asyncio.open_connection(*self.address)
        self.peers.append((reader, writer))
        writer.write(data)
        await writer.drain()
        return reader, writer

    def after(self, seconds: float) -> None:
        """Let time pass and look who is late."""
        self.clock.now += seconds
        self.server._door.deadlines.sweep()

    async def known(self, count: int) -> None:
        """Wait until so many connections are."""
        members = self.server._door.deadlines.members
        await eventually(lambda: len(members) == count, SOON_S, f"{count} connections")


@asynccontextmanager
async def listening() -> AsyncIterator[Listener]:
    listener = Listener()
    await listener.server.start()
    try:
        yield listener
    finally:
        listener.go_on.set()
        for _, writer in listener.peers:
            writer.transport.abort()
        await listener.server.stop()


async def answer(peer: Peer) -> bytes:
    """The status line of its next answer; empty when the connection is gone."""
    try:
        head = await asyncio.wait_for(peer[0].readuntil(b"\r\n\r\n"), SOON_S)
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    await peer[0].readexactly(length)
    return head.partition(b"\r\n")[0]


async def test_half_heads_make_room() -> None:
    """However many wait for a head, whoever brings one is answered, and the oldest of them go."""
    async with listening() as listener:
        crowd = [await listener.peer(HALF) for _ in range(CONNECTIONS_MAX)]
        await listener.known(CONNECTIONS_MAX)
        for n in range(3):
            assert await answer(await listener.peer(GET)) == b"HTTP/1.1 200 OK", n
        await listener.known(CONNECTIONS_MAX)
        assert [await answer(peer) for peer in crowd[:3]] == [b""] * 3
        assert listener.server._door.made_room == 3
        crowd[3][1].write(GET[-2:])
        assert await answer(crowd[3]) == b"HTTP/1.1 200 OK"


async def test_a_crowd_that_comes_at_once_is_no_more_than_the_share() -> None:
    """Of many that are accepted in one turn only so many stay, and a request among them is answered."""
    async with listening() as listener:
        crowd = await asyncio.gather(*(listener.peer(HALF) for _ in range(3 * CONNECTIONS_MAX)))
        asking = await listener.peer(GET)
        assert await answer(asking) == b"HTTP/1.1 200 OK"
        await listener.known(CONNECTIONS_MAX)
        assert len(crowd) == 3 * CONNECTIONS_MAX


async def test_those_that_are_served_go_last() -> None:
    """Requests under way make room only where nobody waits for a head; then the oldest goes."""
    async with listening() as listener:
        slow = [await listener.peer(GET.replace(b"/", b"/slow", 1)) for _ in range(CONNECTIONS_MAX - 1)]
        half = await listener.peer(HALF)
        await listener.known(CONNECTIONS_MAX)
        last = [await listener.peer(GET.replace(b"/", b"/slow", 1)) for _ in range(2)]
        assert await answer(half) == b""
        assert await answer(slow[0]) == b""
        listener.go_on.set()
        assert [await answer(peer) for peer in [*slow[1:], *last]] == [b"HTTP/1.1 200 OK"] * CONNECTIONS_MAX


async def test_a_head_has_its_deadline() -> None:
    """A connection whose head is not complete in time is cut; the next head of a kept one has as long."""
    async with listening() as listener:
        half, kept = await listener.peer(HALF), await listener.peer(GET)
        assert await answer(kept) == b"HTTP/1.1 200 OK"
        listener.after(5)
        kept[1].write(GET + HALF)
        assert await answer(kept) == b"HTTP/1.1 200 OK"
        listener.after(7)
        assert await answer(half) == b""
        await listener.known(1)
        listener.after(5)
        assert await answer(kept) == b""
        await listener.known(0)


async def test_a_request_under_way_has_no_deadline_of_a_head() -> None:
    """What the hub itself takes for an answer cuts nobody."""
    async with listening() as listener:
        slow = await listener.peer(GET.replace(b"/", b"/slow", 1))
        await listener.known(1)
        await eventually(lambda: bool(listener.asked), SOON_S, "the request is under way")
        listener.after(1000)
        listener.go_on.set()
        assert await answer(slow) == b"HTTP/1.1 200 OK"


async def test_a_head_that_never_ends_is_cut() -> None:
    """Bytes without a complete head are bounded, not kept until the deadline (CWE-770)."""
    async with listening() as listener:
        peer = await listener.peer(b"GET / HTTP/1.1\r\nX: " + b"a" * (2 * WAITED_BYTES_MAX))
        assert await answer(peer) == b""


async def test_a_pipeline_that_never_stops_ends() -> None:
    """More requests than may wait are 400 and the end of the connection."""
    async with listening() as listener:
        peer = await listener.peer(GET.replace(b"/", b"/slow", 1) * (PIPELINE_MAX + 2))
        assert await answer(peer) == b"HTTP/1.1 400 Bad Request"
        assert await answer(peer) == b""


async def test_a_short_pipeline_is_answered() -> None:
    """As many requests as may wait are all answered."""
    async with listening() as listener:
        peer = await listener.peer(GET * PIPELINE_MAX)
        assert [await answer(peer) for _ in range(PIPELINE_MAX)] == [b"HTTP/1.1 200 OK"] * PIPELINE_MAX
