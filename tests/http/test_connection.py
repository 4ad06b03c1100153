"""One connection's contract, fed with bytes through a transport without a socket."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from httptools import HttpRequestParser
from tests.support.clock import ManualClock
from tests.support.transport import FakeTransport

from fast_sse.http.connection import Connection
from fast_sse.http.front import Fronts
from fast_sse.http.message import Answer, Deferred, Request, Response, Stream
from fast_sse.http.reader import RequestReader
from fast_sse.model.limits import Limits

LIMITS = Limits(
    head_bytes_max=400,
    body_bytes_max=100,
    pipeline_requests_max=4,
    header_s=10.0,
    body_s=30.0,
    keep_alive_s=75.0,
)
TICK = 1.0  # a deadline may be late by one sweep


def get(path: str, lines: str = "", version: str = "1.1") -> bytes:
    return f"GET {path} HTTP/{version}\r\nHost: a\r\n{lines}\r\n".encode()


def post(path: str, body: bytes = b"", lines: str = "") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: a\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body


def render(future: asyncio.Future[Any]) -> Response:
    if future.cancelled():
        return Response(504, b"cancelled")
    error = future.exception()
    return Response(503, str(error).encode()) if error else Response(200, future.result())


class Subscriber(asyncio.Protocol):
    """Stands for a stream's protocol: keeps what it is told."""

    def __init__(self, transport: Any) -> None:
        self.transport = transport
        self.received = b""
        self.paused = False
        transport.write(b"primed")

    def data_received(self, data: bytes) -> None:
        self.received += data

    def pause_writing(self) -> None:
        self.paused = True


class Rig:
    """A front with a scripted handler and one connection."""

    def __init__(
        self, limits: Limits = LIMITS, *, half_close: bool = True, peer: object = ("192.0.2.7", 1)
    ) -> None:
        self.clock = ManualClock(1000.0)
        self.asked: list[Request] = []
        self.futures: dict[str, asyncio.Future[bytes]] = {}
        self.defects: list[tuple[str, BaseException]] = []
        self.subscribers: list[Subscriber] = []
        self.special: dict[str, Callable[[Request], Answer]] = {}
        self.fronts = Fronts(
            self.handle, limits, clock=self.clock, on_defect=lambda *defect: self.defects.append(defect)
        )
        self.transport = FakeTransport(self.fronts(), half_close=half_close, peer=peer)

    def handle(self, request: Request) -> Answer:
        self.asked.append(request)
        path = request.path
        if path in self.special:
            return self.special[path](request)
        if path.startswith("/later"):
            future = self.futures[path] = asyncio.get_running_loop().create_future()
            return Deferred(future, render)
        if path.startswith("/stream"):
            return Stream(self.subscribe)
        return Response(200, path.encode(), "text/plain")

    def subscribe(self, transport: Any, head: bytes) -> asyncio.BaseProtocol:
        transport.write(head)
        self.subscribers.append(Subscriber(transport))
        return self.subscribers[-1]

    def feed(self, data: bytes) -> None:
        self.transport.feed(data)

    async def resolve(self, *paths: str) -> None:
        for path in paths:
            self.futures[path].set_result(path.encode())
        await turn()

    def after(self, seconds: float) -> None:
        """Let time pass and sweep."""
        self.clock.now += seconds
        self.fronts.sweep()

    @property
    def answers(self) -> list[tuple[int, bytes]]:
        """Status and body of each answer so far."""
        found, rest = [], self.transport.sent
        while rest:
            head, _, rest = rest.partition(b"\r\n\r\n")
            length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0] or 0)
            found.append((int(head[9:12]), rest[:length]))
            rest = rest[length:]
        return found

    @property
    def bodies(self) -> list[str]:
        return [body.decode() for _, body in self.answers]

    @property
    def statuses(self) -> list[int]:
        return [status for status, _ in self.answers]


async def turn() -> None:
    """Let the loop run what is ready."""
    for _ in range(3):
        await asyncio.sleep(0)


# -- order ------------------------------------------------------------------------------------------------


async def test_answers_in_request_order() -> None:
    """A later answer that is ready earlier waits for those before it (RFC 9112 §9.3.2)."""
    rig = Rig()
    rig.feed(get("/later/1") + get("/2") + get("/later/3"))
    await rig.resolve("/later/3")
    assert rig.bodies == []
    await rig.resolve("/later/1")
    assert rig.bodies == ["/later/1", "/2", "/later/3"]


async def test_a_run_of_ready_answers_is_one_write() -> None:
    """Answers that are ready together leave in one write, whether they were pending or not."""
    rig = Rig()
    rig.feed(get("/1") + get("/2") + get("/3"))
    assert len(rig.transport.writes) == 1
    rig.feed(get("/later/1") + get("/later/2") + get("/later/3"))
    await rig.resolve("/later/1", "/later/2", "/later/3")
    assert len(rig.transport.writes) == 2
    assert len(rig.bodies) == 6


async def test_a_future_that_is_done_is_answered_at_once() -> None:
    """A Deferred that needs no waiting does not cost a turn of the loop."""
    rig = Rig()
    done: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    done.set_result(b"done")
    rig.special["/done"] = lambda _: Deferred(done, render)
    rig.feed(get("/done"))
    assert rig.bodies == ["done"]


async def test_one_future_is_listened_to() -> None:
    """Only the answer whose turn it is has a callback, and one, however many requests wait behind it."""
    rig = Rig()
    for n in range(3):
        rig.feed(get(f"/later/{n}"))
    listeners: list[Any] = [future._callbacks for future in rig.futures.values()]
    assert [len(callbacks or ()) for callbacks in listeners] == [1, 0, 0]
    await rig.resolve("/later/0", "/later/1", "/later/2")
    assert len(rig.bodies) == 3


async def test_failed_and_cancelled_futures_are_answers() -> None:
    """What became of a publish is `render`'s to say, also when its future failed or was cancelled."""
    rig = Rig()
    rig.feed(get("/later/1") + get("/later/2"))
    rig.futures["/later/1"].set_exception(RuntimeError("gone"))
    rig.futures["/later/2"].cancel()
    await turn()
    assert rig.answers == [(503, b"gone"), (504, b"cancelled")]


async def test_reading_pauses_while_too_many_are_pending() -> None:
    """At `pipeline_requests_max` pending answers the socket is not read; it is again once one has gone out."""
    rig = Rig()
    rig.feed(b"".join(get(f"/later/{n}") for n in range(3)))
    assert rig.transport.reading
    rig.feed(get("/later/3"))
    assert not rig.transport.reading
    await rig.resolve("/later/0")
    assert rig.transport.reading


async def test_requests_of_one_read_beyond_the_bound_wait_for_the_handler() -> None:
    """One read may hold more requests than may be pending: the rest reaches the handler as answers go out."""
    rig = Rig()
    rig.feed(b"".join(get(f"/later/{n}") for n in range(10)))
    assert [request.path for request in rig.asked] == [f"/later/{n}" for n in range(4)]
    for n in range(10):
        await rig.resolve(f"/later/{n}")
    assert rig.bodies == [f"/later/{n}" for n in range(10)]
    assert rig.transport.reading


async def test_a_head_answer_has_no_body() -> None:
    """HEAD goes to the handler like any method and its answer carries the length, not the body."""
    rig = Rig()
    rig.feed(get("/1").replace(b"GET", b"HEAD") + get("/later").replace(b"GET", b"HEAD"))
    await rig.resolve("/later")
    assert rig.transport.sent.count(b"\r\n\r\n") == 2
    assert rig.transport.sent.endswith(b"Content-Length: 6\r\n\r\n")
    assert b"/later" not in rig.transport.sent
    assert [request.method for request in rig.asked] == ["HEAD", "HEAD"]


# -- expect -----------------------------------------------------------------------------------------------

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
EXPECT = "Expect: 100-continue\r\n"


async def test_continue_is_answered_at_once() -> None:
    """A client that waits for 100 gets it as soon as its head is good, once, and then the answer."""
    rig = Rig()
    data = post("/1", b"abc", EXPECT)
    rig.feed(data[:-3])
    assert rig.transport.sent == CONTINUE
    rig.transport.protocol.pause_writing()
    rig.transport.protocol.resume_writing()
    rig.feed(data[-3:])
    assert rig.transport.sent.count(CONTINUE) == 1
    assert rig.transport.sent.endswith(b"/1")


async def test_no_continue_when_the_body_is_there() -> None:
    """Who did not wait needs no 100 (RFC 9110 §10.1.1)."""
    rig = Rig()
    rig.feed(post("/1", b"abc", EXPECT))
    assert CONTINUE not in rig.transport.sent


async def test_no_continue_for_a_refused_head() -> None:
    """A body over its limit is answered 413 by its length, without asking for it, and the connection ends."""
    rig = Rig()
    rig.feed(b"POST /1 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 101\r\n\r\n")
    assert rig.statuses == [413]
    assert rig.transport.ended


async def test_continue_waits_for_the_answers_before_it() -> None:
    """An interim answer belongs to its request: those of earlier requests go out first (RFC 9110 §15.2)."""
    rig = Rig()
    rig.feed(get("/later") + post("/2", b"abc", EXPECT)[:-3])
    assert rig.transport.sent == b""
    await rig.resolve("/later")
    assert rig.transport.sent.endswith(b"/later" + CONTINUE)


# -- refusals ---------------------------------------------------------------------------------------------


async def test_a_refusal_comes_after_what_is_pending() -> None:
    """A parse error never cuts a publish in flight: its answer goes first, then the error, then the end."""
    rig = Rig()
    rig.feed(get("/later/1") + get("/2") + b"\x00garbage")
    assert rig.transport.sent == b""
    assert not rig.transport.ended
    await rig.resolve("/later/1")
    assert rig.statuses == [200, 200, 400]
    assert rig.transport.ended
    assert rig.fronts.malformed == 1


async def test_a_refusal_comes_after_the_backlog() -> None:
    """Requests before the error that the handler has not seen yet are still asked and answered."""
    rig = Rig()
    rig.feed(b"".join(get(f"/later/{n}") for n in range(6)) + b"\x00garbage")
    for n in range(6):
        await rig.resolve(f"/later/{n}")
    assert rig.statuses == [200] * 6 + [400]
    assert rig.transport.ended


async def test_only_the_last_answer_says_close() -> None:
    """`Connection: close` stands on the last answer and on no other (RFC 9112 §9.6)."""
    rig = Rig()
    rig.feed(get("/1") + get("/later") + get("/3") + b"\x00garbage")
    await rig.resolve("/later")
    assert rig.transport.sent.count(b"Connection: close") == 1
    assert b"Connection: close" in rig.transport.sent.partition(b" 400 ")[2]


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400, b"bad_request"),
        (get("/" + "a" * 500), 431, b"headers_too_large"),
        (b"GET /" + b"a" * 500, 431, b"headers_too_large"),
        (post("/", b"a" * 101), 413, b"too_large"),
    ],
)
async def test_what_a_refusal_looks_like(data: bytes, status: int, code: bytes) -> None:
    """A refusal is JSON with code, message and request id; it closes, and the handler hears nothing."""
    rig = Rig()
    rig.feed(data)
    ((answered, body),) = rig.answers
    assert answered == status
    assert body.startswith(b'{"code":"%b","message":"' % code)
    assert b'"request_id":"' in body
    assert rig.transport.ended
    assert rig.asked == []


async def test_nothing_behind_a_refusal_is_read() -> None:
    """There is no safe place to go on: what follows is discarded until the peer closes."""
    rig = Rig()
    rig.feed(b"\x00garbage")
    rig.feed(get("/1"))
    assert rig.asked == []
    assert not rig.transport.closed
    rig.transport.end()
    assert rig.transport.closed


async def test_a_refused_peer_that_stays_is_cut() -> None:
    """After the last answer the peer has a short while to read it and close; then the connection is cut."""
    rig = Rig()
    rig.feed(b"\x00garbage")
    rig.after(1.9)
    assert not rig.transport.closed
    rig.after(0.1 + TICK)
    assert rig.transport.aborted


# -- closing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [get("/1", "Connection: close\r\n"), get("/1", version="1.0")])
async def test_close_when_the_client_asks(data: bytes) -> None:
    """`Connection: close` and plain HTTP/1.0 end the connection behind the answer; nothing more is read."""
    rig = Rig()
    rig.feed(data + get("/2"))
    assert rig.bodies == ["/1"]
    assert b"Connection: close" in rig.transport.sent
    assert rig.transport.ended


async def test_http10_stays_when_asked() -> None:
    """HTTP/1.0 with keep-alive stays open, and is told so."""
    rig = Rig()
    rig.feed(get("/1", "Connection: keep-alive\r\n", "1.0") + get("/2"))
    assert rig.bodies == ["/1", "/2"]
    assert rig.transport.sent.count(b"Connection: keep-alive") == 1
    assert not rig.transport.ended


async def test_half_close_still_gets_the_answer() -> None:
    """A client that sent its publish and half-closed gets its answer, and then the close."""
    rig = Rig()
    rig.feed(get("/later/1") + get("/later/2") + b"GET /unfinis")
    rig.transport.end()
    assert not rig.transport.closed
    rig.after(1000)
    assert not rig.transport.closed
    await rig.resolve("/later/1", "/later/2")
    assert rig.bodies == ["/later/1", "/later/2"]
    assert rig.transport.closed
    assert not rig.transport.aborted


@pytest.mark.parametrize("begun", [b"", b"GET /", post("/1", b"abc")[:-1]])
async def test_end_amid_a_request_just_closes(begun: bytes) -> None:
    """An unfinished request has no answer."""
    rig = Rig()
    rig.feed(begun)
    rig.transport.end()
    assert rig.transport.closed
    assert rig.transport.sent == b""


async def test_tls_has_no_half_close() -> None:
    """A transport that cannot half-close is not asked to stay open for what cannot be sent."""
    rig = Rig(half_close=False)
    rig.feed(get("/later"))
    rig.transport.end()
    assert rig.transport.closed
    rig = Rig(half_close=False)
    rig.feed(b"\x00garbage")
    assert rig.statuses == [400]
    assert rig.transport.closed
    assert not rig.transport.aborted


async def test_a_peer_that_is_gone_drops_its_answers_only() -> None:
    """A lost connection cancels nothing: the publish goes on, and its outcome disturbs nobody."""
    rig = Rig()
    rig.feed(get("/later/1") + get("/later/2") + get("/3"))
    rig.transport.lose()
    assert not rig.futures["/later/1"].cancelled()
    rig.futures["/later/1"].set_result(b"stored")
    forgotten: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: forgotten.append(context))
    rig.futures["/later/2"].set_exception(RuntimeError("nobody asks"))
    await turn()
    rig.futures.clear()
    gc.collect()
    assert forgotten == []
    assert rig.transport.sent == b""
    assert rig.fronts.connections == 0


# -- deadlines --------------------------------------------------------------------------------------------


async def test_a_silent_connection_is_closed_without_a_word() -> None:
    """Who connects and sends nothing is closed after the header deadline, silently."""
    rig = Rig()
    rig.after(9.9)
    assert not rig.transport.closed
    rig.after(0.1 + TICK)
    assert rig.transport.closed
    assert rig.transport.sent == b""
    assert rig.fronts.timeouts == 0


async def test_a_head_has_its_deadline_from_its_first_byte() -> None:
    """A head that trickles is answered 408 after `header_s`, however often a byte comes (CWE-400, slowloris)."""
    rig = Rig()
    rig.feed(get("/1"))
    rig.after(50)
    rig.feed(b"G")
    for byte in b"ET /2 HT":
        rig.after(1.2)
        rig.feed(bytes([byte]))
    assert not rig.transport.ended
    rig.after(1.4)
    assert rig.statuses == [200, 408]
    assert b"bad_request" in rig.transport.sent
    assert rig.transport.ended
    assert rig.fronts.timeouts == 1


async def test_a_body_has_its_own_deadline() -> None:
    """From the end of the head a body has `body_s`, however often a byte comes; then 408 and close."""
    rig = Rig()
    rig.feed(post("/1", b"a" * 90)[:-90])
    for _ in range(29):
        rig.after(1)
        rig.feed(b"a")
    assert not rig.transport.ended
    rig.after(1 + TICK)
    assert rig.statuses == [408]
    assert rig.transport.ended


async def test_every_request_has_its_own_deadlines() -> None:
    """A request in the same read as the end of another one starts its own clock."""
    rig = Rig()
    whole = post("/1", b"abc")
    rig.feed(whole[:-1])
    rig.after(29)
    rig.feed(whole[-1:] + b"GET /2")
    rig.after(9.9)
    assert not rig.transport.ended
    rig.after(0.1 + TICK)
    assert rig.statuses == [200, 408]


async def test_an_idle_connection_is_kept_and_then_closed_silently() -> None:
    """Between requests a connection is held for `keep_alive_s`."""
    rig = Rig()
    rig.feed(get("/1"))
    rig.after(74.9)
    assert not rig.transport.closed
    rig.feed(get("/2"))
    rig.after(74.9)
    assert not rig.transport.closed
    rig.after(0.1 + TICK)
    assert rig.transport.closed
    assert rig.statuses == [200, 200]


async def test_a_pending_publish_has_no_deadline_here() -> None:
    """While the peer waits for us nothing expires; afterwards the connection is idle from then on."""
    rig = Rig()
    rig.feed(get("/later"))
    rig.after(10_000)
    await rig.resolve("/later")
    rig.after(74.9)
    assert not rig.transport.closed
    rig.after(0.1 + TICK)
    assert rig.transport.closed


async def test_a_timeout_comes_after_what_is_pending() -> None:
    """A late head behind a pending publish gets its 408 after that publish's answer, never instead."""
    rig = Rig()
    rig.feed(get("/later") + b"GET /2")
    rig.after(20)
    assert not rig.transport.ended
    await rig.resolve("/later")
    assert rig.statuses == [200, 408]


async def test_waiting_for_us_is_not_being_late() -> None:
    """An unfinished request whose bytes we do not read, because too many are pending, does not expire."""
    rig = Rig()
    rig.feed(b"".join(get(f"/later/{n}") for n in range(4)) + b"GET /5")
    assert not rig.transport.reading
    rig.after(20)
    await rig.resolve("/later/0", "/later/1", "/later/2", "/later/3")
    rig.after(9.9)
    rig.feed(b" HTTP/1.1\r\nHost: a\r\n\r\n")
    assert rig.bodies[-1] == "/5"


# -- flow control -----------------------------------------------------------------------------------------


async def test_a_peer_that_does_not_read_is_not_read() -> None:
    """While answers pile up in the transport no requests are read; afterwards they are again."""
    rig = Rig()
    rig.feed(get("/1"))
    rig.transport.protocol.pause_writing()
    assert not rig.transport.reading
    rig.transport.protocol.resume_writing()
    assert rig.transport.reading
    rig.feed(get("/2"))
    assert rig.bodies == ["/1", "/2"]


async def test_a_peer_that_never_reads_is_cut() -> None:
    """Answers that nobody takes for `body_s` end the connection."""
    rig = Rig()
    rig.feed(get("/1"))
    rig.transport.protocol.pause_writing()
    rig.after(29.9)
    assert not rig.transport.closed
    rig.after(0.1 + TICK)
    assert rig.transport.aborted
    assert rig.fronts.timeouts == 1


async def test_a_peer_that_neither_waits_nor_reads_is_cut() -> None:
    """The deadline of an unread answer also holds when reading was already paused for another reason."""
    rig = Rig()
    rig.feed(b"".join(get(f"/later/{n}") for n in range(4)))
    rig.transport.protocol.pause_writing()
    rig.after(30 + TICK)
    assert rig.transport.aborted


async def test_the_last_answer_to_a_slow_reader() -> None:
    """A last answer that the peer does not take yet is not cut short: it has `body_s`, and then the usual end."""
    rig = Rig()
    rig.feed(get("/later") + b"\x00garbage")
    rig.transport.protocol.pause_writing()
    await rig.resolve("/later")
    assert rig.statuses == [200, 400]
    assert rig.transport.eof_written
    assert rig.transport.reading  # or its close would not be noticed
    rig.after(29.9)
    rig.transport.protocol.resume_writing()
    rig.after(1.9)
    assert not rig.transport.closed
    rig.after(0.1 + TICK)
    assert rig.transport.aborted


async def test_answers_of_one_read_are_bounded() -> None:
    """A read full of requests does not become a pile of answers: the transport is asked on the way.

    Each `pipeline_requests_max` answers are written, and when that pauses writing the rest waits unasked.
    """
    rig = Rig()
    connection: Connection = rig.transport.protocol
    write = rig.transport.write

    def full(data: bytes) -> None:
        write(data)
        connection.pause_writing()

    rig.transport.write = full  # type: ignore[method-assign]
    rig.feed(get("/x") * 20)
    assert len(rig.asked) == 4
    rig.transport.write = write  # type: ignore[method-assign]
    connection.resume_writing()
    assert len(rig.bodies) == 20
    assert rig.transport.reading


async def test_a_stalled_close_is_cut() -> None:
    """A close that waits for a peer who does not read ends by the same deadline."""
    rig = Rig()
    rig.feed(get("/1"))
    rig.transport.protocol.pause_writing()
    rig.transport.protocol._close()
    rig.transport.closed = False  # a real transport is still flushing
    rig.after(30 + TICK)
    assert rig.transport.aborted


# -- streams ----------------------------------------------------------------------------------------------

STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"Cache-Control: no-store, no-transform\r\nX-Accel-Buffering: no\r\n"
)


async def test_stream_gets_head_and_transport() -> None:
    """The front writes the head and gives the transport away; what the peer sends then is the stream's."""
    rig = Rig()
    rig.feed(get("/stream"))
    assert rig.transport.sent == STREAM_HEAD + b"Transfer-Encoding: chunked\r\n\r\nprimed"
    assert rig.transport.protocol is rig.subscribers[0]
    rig.feed(get("/1"))
    assert rig.subscribers[0].received == get("/1")
    assert len(rig.asked) == 1


async def test_http10_stream_runs_until_the_close() -> None:
    """HTTP/1.0 has no chunks: the stream ends with the connection, also when keep-alive was asked for."""
    rig = Rig()
    rig.feed(get("/stream", "Connection: keep-alive\r\n", "1.0"))
    assert rig.transport.sent == STREAM_HEAD + b"Connection: close\r\n\r\nprimed"
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
    assert rig.fronts.connections == 0
    rig.after(10_000)
    await rig.fronts.drain()
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


# -- defects and peers ------------------------------------------------------------------------------------


async def test_a_defect_of_the_handler_is_one_500() -> None:
    """An exception of the handler is a 500 that says nothing, and the connection goes on."""

    def broken(request: Request) -> Answer:
        raise RuntimeError("secret path /etc")

    rig = Rig()
    rig.special["/broken"] = broken
    rig.feed(get("/1") + get("/broken") + get("/3"))
    assert rig.statuses == [200, 500, 200]
    assert b"secret" not in rig.transport.sent
    ((request_id, error),) = rig.defects
    assert request_id.encode() in rig.transport.sent
    assert error.__traceback__ is not None


async def test_a_defect_of_the_front_ends_one_connection() -> None:
    """An exception of the reader's own code is reported as a defect and ends this connection only."""
    rig = Rig()

    def broken(request: Request, keep_alive: bool) -> bool:
        raise RuntimeError("secret")

    rig.transport.protocol._reader._on_request = broken
    rig.feed(get("/1"))
    assert rig.statuses == [500]
    assert rig.transport.ended
    assert len(rig.defects) == 1


@pytest.mark.parametrize(
    ("peer", "said"),
    [(("192.0.2.7", 1), "192.0.2.7"), (("2001:db8::1", 1, 0, 0), "2001:db8::1"), ("", ""), (None, "")],
)
async def test_peer_address_is_in_the_request(peer: object, said: str) -> None:
    """A request knows the address of the other end, without its port; a Unix socket has none."""
    rig = Rig(peer=peer)
    rig.feed(get("/1"))
    assert rig.asked[0].peer == said
