"""The listener as a whole: its counters, its drain, its timer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.support.clock import ManualClock
from tests.support.interface import Scripted
from tests.support.transport import FakeTransport

from fast_sse.http.front.front import Front
from fast_sse.http.message import Answer, Deferred, Request, Response, Stream
from fast_sse.model.limits import Limits

GET = b"GET /ok HTTP/1.1\r\nHost: a\r\n\r\n"
LATER = b"GET /later HTTP/1.1\r\nHost: a\r\n\r\n"
STREAM = b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n"
CLOSE = b"Connection: close"


class Rig:
    """A listener with a scripted handler."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.clock = ManualClock(1000.0)
        self.pending: list[asyncio.Future[Any]] = []
        self.front = Front(Scripted(self.handle), limits or Limits(pipeline_requests_max=2), clock=self.clock)

    def handle(self, request: Request) -> Answer:
        if request.path == "/later":
            self.pending.append(asyncio.get_running_loop().create_future())
            return Deferred(self.pending[-1], lambda _: Response(200, b"later"))
        if request.path == "/stream":
            return Stream(lambda *_: asyncio.Protocol())
        return Response(200, b"ok")

    def connect(self, data: bytes = b"") -> FakeTransport:
        transport = FakeTransport(self.front())
        if data:
            transport.feed(data)
        return transport

    async def resolve(self) -> None:
        """Let the next publish be stored."""
        self.pending.pop(0).set_result(None)
        await turn()

    def after(self, seconds: float) -> None:
        self.clock.now += seconds
        self.front.sweep()


async def turn() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_the_listener_in_numbers() -> None:
    """What was read, refused, late and broken, each counted once."""
    rig = Rig()
    rig.connect(GET + GET)
    rig.connect(b"nonsense\r\n\r\n")
    rig.connect(b"GET /late")
    rig.after(60)
    found = {sample.name: sample.value for sample in rig.front.samples()}
    assert found == {
        "connections": rig.front.connections,
        "requests_total": 2,
        "malformed_total": 1,
        "timeouts_total": 1,
        "turned_away_total": 0,
        "bodies_unvouched_bytes": 0,
        "bodies_given_up_total": 0,
        "defects_total": 0,
    }


async def test_each_connection_has_its_own_protocol() -> None:
    """The factory makes one protocol a connection; nothing one sends shows up in another."""
    rig = Rig()
    first, second = rig.connect(GET[:20]), rig.connect(GET[:10])
    first.feed(GET[20:])
    second.feed(GET[10:])
    assert first.sent == second.sent
    assert first.protocol is not second.protocol


async def test_counters_only_grow() -> None:
    """Requests, refusals and timeouts are counted as plain integers; a silent close counts as none of them."""
    rig = Rig()
    rig.connect(GET * 3)
    rig.connect(GET + b"\x00")
    rig.connect(GET[:-2])
    rig.connect()
    assert rig.front.connections == 4
    rig.after(20)
    assert (rig.front.requests, rig.front.malformed, rig.front.timeouts) == (4, 1, 1)


async def test_drain_closes_idle_connections_at_once() -> None:
    """Connections without a request close when a drain begins, and it ends with the last of them."""
    rig = Rig()
    idle = [rig.connect(GET), rig.connect()]
    await asyncio.wait_for(rig.front.drain(), 1)
    assert all(transport.closed and not transport.aborted for transport in idle)
    assert rig.front.connections == 0


async def test_drain_of_nothing_ends_at_once() -> None:
    """Without connections there is nothing to wait for."""
    await asyncio.wait_for(Rig().front.drain(), 1)


async def test_drain_answers_publishes_in_flight() -> None:
    """A publish in flight gets its answer, marked as the last of its connection; then the connection ends."""
    rig = Rig()
    busy = rig.connect(LATER * 2)
    drain = asyncio.ensure_future(rig.front.drain())
    await turn()
    assert not busy.ended
    await rig.resolve()
    assert CLOSE not in busy.sent
    await rig.resolve()
    assert busy.sent.count(b"later") == 2
    assert busy.sent.count(CLOSE) == 1
    assert busy.ended
    assert not drain.done()
    busy.end()
    await turn()
    assert drain.done()


async def test_drain_serves_what_was_read_before_it() -> None:
    """Requests that were read but not yet asked, because too many were pending, are served all the same."""
    rig = Rig()
    busy = rig.connect(LATER * 3 + GET)
    drain = asyncio.ensure_future(rig.front.drain())
    await turn()
    rig.pending.pop().set_result(None)  # both of those that wait, in one turn
    await rig.resolve()
    await rig.resolve()
    assert busy.sent.count(b"later") == 3
    assert busy.sent.endswith(b"ok")
    assert busy.sent.count(CLOSE) == 1
    busy.end()
    await asyncio.wait_for(drain, 1)


async def test_drain_reads_nothing_new_behind_a_publish() -> None:
    """A request that begins after the drain did is not read: it would not be answered."""
    rig = Rig()
    busy = rig.connect(LATER)
    drain = asyncio.ensure_future(rig.front.drain())
    await turn()
    busy.feed(GET)
    await rig.resolve()
    assert rig.front.requests == 1
    busy.end()
    await asyncio.wait_for(drain, 1)


async def test_drain_lets_a_request_end_that_has_begun() -> None:
    """A request that was on its way is read and answered, as the last one; those behind it are not."""
    rig = Rig()
    begun = rig.connect(GET[:-3])
    drain = asyncio.ensure_future(rig.front.drain())
    await turn()
    begun.feed(GET[-3:] + GET)
    assert begun.sent.count(b"ok") == 1
    assert CLOSE in begun.sent
    assert begun.ended
    begun.end()
    await asyncio.wait_for(drain, 1)


async def test_drain_does_not_wait_for_ever() -> None:
    """Deadlines hold during a drain: a request that never ends is 408, a peer that never closes is cut."""
    rig = Rig()
    rig.connect(GET[:-3])
    drain = asyncio.ensure_future(rig.front.drain())
    await turn()
    rig.after(11)
    assert rig.front.timeouts == 1
    rig.after(3)
    await asyncio.wait_for(drain, 1)


async def test_a_connection_accepted_during_a_drain_is_closed() -> None:
    """What the kernel accepted before the listener closed ends without a word, as if refused."""
    rig = Rig()
    busy = rig.connect(LATER)
    drain = asyncio.ensure_future(rig.front.drain())
    await turn()
    assert rig.connect().closed
    await rig.resolve()
    busy.end()
    await asyncio.wait_for(drain, 1)


async def test_drain_leaves_streams_alone() -> None:
    """Streams end by the hub's own schedule; the front does not know them any more."""
    rig = Rig()
    stream = rig.connect(STREAM)
    await asyncio.wait_for(rig.front.drain(), 1)
    assert not stream.closed


@pytest.mark.parametrize("data", [b"", GET, GET[:-3], LATER, b"\x00"])
async def test_abort_cuts_everything(data: bytes) -> None:
    """After the window of a drain every connection that is left goes, whatever it waits for."""
    rig = Rig()
    transport = rig.connect(data)
    rig.front.abort()
    await turn()
    assert transport.aborted
    assert rig.front.connections == 0
    for future in rig.pending:
        assert not future.cancelled()
        future.set_result(None)
    await turn()


async def test_the_timer_sweeps_by_itself() -> None:
    """Connections expire without anybody calling: one timer for all of them."""
    loop = asyncio.get_running_loop()
    front = Front(Scripted(Rig().handle), Limits(header_s=0.01), clock=loop.time)
    transport = FakeTransport(front())
    gone = asyncio.Event()
    transport.close = gone.set  # type: ignore[method-assign]
    await asyncio.wait_for(gone.wait(), 2)
    front.abort()


async def test_nobody_is_named_where_nobody_asks() -> None:
    """An address costs system calls for each connection: without limits by address no request carries one."""
    seen: list[str] = []

    def handle(request: Request) -> Answer:
        seen.append(request.peer)
        return Response(200)

    for names_peers in (True, False):
        front = Front(Scripted(handle), Limits(), clock=ManualClock(), names_peers=names_peers)
        FakeTransport(front()).feed(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert bool(seen[0])
    assert seen[1] == ""
