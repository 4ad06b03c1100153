"""How much one connection may have of a turn, of the memory, and of the others' time."""

from __future__ import annotations

from msgspec.structs import replace
from tests.http.front.connection_rig import LIMITS, TICK, Rig, get, post, turn

from fast_sse.http.front.flow import TURN_BYTES
from fast_sse.http.message import Admission, Response
from fast_sse.model.limits import Limits

CLOSE = b"Connection: close"
#: A request whose head is known from its third time on.
KNOWN = get("/x")
EXPECT = "Expect: 100-continue\r\n"


def warm(rig: Rig) -> None:
    """Have the head of KNOWN kept."""
    for _ in range(3):
        rig.feed(KNOWN)
    rig.asked.clear()


# -- turns --------------------------------------------------------------------------------------------------


async def test_requests_of_one_peer_in_a_turn_are_bounded() -> None:
    """However many requests one read of the socket holds, a turn takes a pipeline's worth and reading pauses (CWE-400)."""
    rig = Rig()
    warm(rig)
    rig.feed(KNOWN * 1000)
    for _ in range(3):
        assert len(rig.asked) <= LIMITS.pipeline_requests_max
        assert not rig.transport.reading
        rig.asked.clear()
        await turn_once()


async def test_heads_that_differ_are_bounded_too() -> None:
    """Requests that llhttp must read are taken slice by slice: no spelling of a head buys a longer turn."""
    rig = Rig()
    requests = b"".join(get(f"/{number}") for number in range(1000))
    rig.feed(requests)
    assert len(rig.asked) < 100
    assert not rig.transport.reading


async def test_every_request_is_answered_in_order_after_all() -> None:
    """What is left for later turns is read on by itself, and then the socket again."""
    rig = Rig()
    rig.feed(b"".join(get(f"/{number}") for number in range(1000)) + get("/last")[:20])
    while not rig.transport.reading:
        await turn_once()
    rig.feed(get("/last")[20:])
    assert rig.bodies == [f"/{number}" for number in range(1000)] + ["/last"]


async def test_others_have_their_turn_in_between() -> None:
    """A second connection is answered while the first still has most of its requests to come."""
    rig = Rig()
    other = rig.connect()
    rig.feed(KNOWN * 1000)
    other.feed(get("/other"))
    assert b"/other" in other.sent
    assert len(rig.asked) < 200


async def test_answers_that_wait_stop_the_turns() -> None:
    """With a pipeline full of answers that wait, what is left stays unread; it is read on when they are out."""
    rig = Rig()
    later = b"".join(get(f"/later/{number}") for number in range(40))
    rig.feed(later + b"".join(get(f"/{number}") for number in range(200)))
    await turn()
    asked = len(rig.asked)
    await turn()
    assert len(rig.asked) == asked
    for number in range(40):
        await rig.resolve(f"/later/{number}")
    while not rig.transport.reading:
        await turn_once()
    assert rig.bodies == [f"/later/{number}" for number in range(40)] + [str(f"/{n}") for n in range(200)]


async def test_a_large_read_is_a_turns_worth() -> None:
    """The loop reads a socket as long as it is full: a connection that fills it is read again in a later turn."""
    rig = Rig(replace(LIMITS, body_bytes_max=1 << 20))
    data = post("/1", bytes(2 * TURN_BYTES))
    rig.feed(data[: TURN_BYTES + 1])
    assert not rig.transport.reading
    await turn_once()
    assert rig.transport.reading
    rig.feed(data[TURN_BYTES + 1 :])
    assert rig.bodies == ["/1"]


async def test_turns_move_no_deadline() -> None:
    """A body that comes in large pieces has no longer than any other."""
    rig = Rig(replace(LIMITS, body_bytes_max=1 << 30))
    rig.feed(post("/1", bytes(20 * TURN_BYTES))[: TURN_BYTES + 1])
    deadline = rig.transport.protocol.deadline
    for _ in range(4):
        await turn_once()
        rig.clock.now += 1
        rig.front.sweep()
        rig.feed(bytes(TURN_BYTES + 1))
    assert rig.transport.protocol.deadline == deadline


async def test_an_error_behind_many_requests_comes_after_their_answers() -> None:
    """A refusal that a later turn finds is the last answer, and says so."""
    rig = Rig()
    rig.feed(KNOWN * 300 + b"\x00garbage" + KNOWN)
    while not rig.transport.ended:
        await turn_once()
    assert rig.statuses == [200] * 300 + [400]
    assert rig.transport.sent.count(CLOSE) == 1


async def test_a_stream_behind_many_requests_is_the_last_of_them() -> None:
    """What is unread behind a stream is dropped, and the stream's transport reads."""
    rig = Rig()
    rig.feed(KNOWN * 300 + get("/stream") + KNOWN * 300)
    while not rig.subscribers:
        await turn_once()
    await turn()
    assert len(rig.asked) == 301
    assert rig.transport.reading


async def test_a_peer_that_is_gone_has_no_more_turns() -> None:
    """Nothing is read for a connection that was lost between two turns."""
    rig = Rig()
    rig.feed(KNOWN * 1000)
    asked = len(rig.asked)
    rig.transport.lose()
    await turn()
    assert len(rig.asked) == asked
    assert rig.defects == []


async def test_a_drain_takes_one_more_of_the_unread() -> None:
    """Whoever has unread requests is told with the answer to the next one that it is the last."""
    rig = Rig()
    warm(rig)
    rig.feed(KNOWN * 1000)
    rig.front._shared.draining = True
    rig.transport.protocol.drain()
    asked = len(rig.asked)
    await turn()
    assert len(rig.asked) == asked + 1
    assert rig.transport.sent.count(CLOSE) == 1
    assert rig.transport.ended


# -- bodies on their way ------------------------------------------------------------------------------------


async def test_a_head_is_judged_when_its_body_is_still_to_come() -> None:
    """A request that is there in one read is not judged twice; any other is judged once, before its body is kept."""
    rig = Rig()
    rig.feed(post("/1", b"abc"))
    assert rig.judged == []
    data = post("/2?q=1", b"abc")
    for cut in (len(data) - 3, -2, -1):
        rig.feed(data[:cut] if cut > 0 else data[cut - 1 : cut])
    rig.feed(data[-1:])
    assert [(request.path, request.query, request.body) for request in rig.judged] == [("/2", "q=1", b"")]
    assert rig.bodies == ["/1", "/2"]


async def test_a_refusal_of_the_head_is_the_last_answer() -> None:
    """It comes behind what is pending and says that the connection ends: the body will not be read."""
    rig = Rig()
    rig.admission = Response(401, b"no")
    rig.feed(get("/later") + post("/1", b"abc")[:-1])
    await rig.resolve("/later")
    assert rig.answers == [(200, b"/later"), (401, b"no")]
    assert rig.transport.sent.count(CLOSE) == 1
    assert rig.transport.ended
    assert rig.front.malformed == 0


async def test_no_continue_for_a_head_that_is_refused() -> None:
    """Who waits for 100 is told at once and need not send its body."""
    rig = Rig()
    rig.admission = Response(401, b"no")
    rig.feed(post("/1", b"abc", EXPECT)[:-3])
    assert rig.statuses == [401]


async def test_a_body_over_what_its_head_allows_is_413() -> None:
    """By its length at once, or by its bytes as they come."""
    for lines, body in (("", b"a" * 60), ("Transfer-Encoding: chunked\r\n", b"")):
        rig = Rig()
        rig.admission = Admission(50)
        data = post("/1", body, lines)
        if lines:
            data = data.replace(b"Content-Length: 0\r\n", b"") + b"20\r\n" + b"a" * 32 + b"\r\n"
            rig.feed(data)
            assert rig.statuses == []
            rig.feed(b"20\r\n" + b"a" * 32)
        else:
            rig.feed(data[:-1])
        assert rig.statuses == [413]


def unvouched(limits: Limits = LIMITS) -> Rig:
    return Rig(replace(limits, bodies_unvouched_bytes_max=160))


async def test_bodies_of_strangers_are_bounded_together() -> None:
    """Over the bound the oldest body is 503 with Retry-After, and others go on (CWE-770)."""
    rig = unvouched()
    second, third = rig.connect(), rig.connect()
    for transport in (rig.transport, second, third):
        transport.feed(post("/1", b"a" * 80)[:-1])
    assert rig.statuses == [503]
    assert b"Retry-After: " in rig.transport.sent
    assert CLOSE in rig.transport.sent
    second.feed(b"a")
    third.feed(b"a")
    assert second.sent.endswith(b"/1")
    assert third.sent.endswith(b"/1")
    assert rig.front._shared.bodies.held_bytes == 0
    found = {sample.name: sample.value for sample in rig.front.samples()}
    assert (found["bodies_unvouched_bytes"], found["bodies_given_up_total"]) == (0, 1)


async def test_requests_that_wait_for_a_turn_are_bounded_together() -> None:
    """What was read and not looked at yet counts as well, until its turn: nobody vouches for it."""
    rig = Rig(replace(LIMITS, bodies_unvouched_bytes_max=25_000))
    bodies = rig.front._shared.bodies
    others = [rig.connect() for _ in range(2)]
    many = b"".join(get(f"/later/{number}") for number in range(300))
    for transport in (rig.transport, *others):
        transport.feed(many)
    assert bodies.held_bytes == 2 * len(many)
    assert bodies.given_up == 1
    assert rig.transport.protocol._unread == b"", "what will never be looked at is not held"
    for transport in others:
        transport.lose()
    assert bodies.held_bytes == 0
    calm = rig.connect()
    calm.feed(KNOWN * 100)
    while not calm.reading:
        await turn_once()
    assert bodies.held_bytes == 0


async def test_bodies_that_are_vouched_for_have_their_own_bound_only() -> None:
    """A signature that was right already makes nobody else's body go."""
    rig = unvouched()
    rig.admission = Admission(LIMITS.body_bytes_max, vouched=True)
    others = [rig.connect() for _ in range(5)]
    for transport in (rig.transport, *others):
        transport.feed(post("/1", b"a" * 80)[:-1])
    for transport in (rig.transport, *others):
        transport.feed(b"a")
        assert transport.sent.endswith(b"/1")


async def test_a_body_is_as_old_as_its_first_byte() -> None:
    """A connection that begins the next body in the read that ends the last one is young again."""
    rig = unvouched()
    second, third = rig.connect(), rig.connect()
    data = post("/1", b"a" * 70)
    for transport in (rig.transport, second):
        transport.feed(data[:-1])
    rig.feed(data[-1:] + data[:-1])
    third.feed(data[:-1])
    assert b" 503 " in second.sent
    assert rig.statuses == [200]


async def test_what_a_body_held_is_free_however_it_ends() -> None:
    """Complete, refused, late or lost: nothing stays counted."""
    for end in ("complete", "refused", "late", "lost", "half-closed"):
        rig = unvouched()
        rig.feed(post("/1", b"a" * 80)[:-1])
        assert rig.front._shared.bodies.held_bytes == 79
        if end == "complete":
            rig.feed(b"a")
        elif end == "refused":
            rig.feed(b"a" + b"\x00garbage")
        elif end == "late":
            rig.after(LIMITS.body_s + TICK)
        elif end == "lost":
            rig.transport.lose()
        else:
            rig.transport.end()
        assert rig.front._shared.bodies.held_bytes == 0, end


async def turn_once() -> None:
    """One turn of the loop."""
    await turn(1)
