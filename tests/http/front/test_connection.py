"""One connection's contract: the order of its answers, expectations, refusals, closing, defects."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from tests.http.front.connection_rig import DATE, TICK, Rig, get, post, render, turn

from fast_sse.http.message import Answer, Deferred, Request

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
    assert rig.transport.sent.endswith(b"Content-Length: 6" + DATE + b"\r\n\r\n")
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
    assert rig.front.malformed == 1


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
    assert rig.front.connections == 0


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
