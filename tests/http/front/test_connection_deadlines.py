"""How long a connection waits for its peer: deadlines of reading, and peers that do not read."""

from __future__ import annotations

from tests.http.front.connection_rig import TICK, Rig, get, post

from fast_sse.http.front.connection import Connection

# -- deadlines --------------------------------------------------------------------------------------------


async def test_a_silent_connection_is_closed_without_a_word() -> None:
    """Who connects and sends nothing is closed after the header deadline, silently."""
    rig = Rig()
    rig.after(9.9)
    assert not rig.transport.closed
    rig.after(0.1 + TICK)
    assert rig.transport.closed
    assert rig.transport.sent == b""
    assert rig.front.timeouts == 0


async def test_nothing_is_read_once_a_connection_ends() -> None:
    """What a transport still had when the connection was closed is never asked for: its answer could not be sent."""
    rig = Rig()
    rig.feed(get("/1"))
    rig.after(80)
    assert rig.transport.closed
    rig.transport.protocol.data_received(get("/2", "Connection: close\r\n"))
    rig.front.abort()
    assert [request.path for request in rig.asked] == ["/1"]
    assert rig.statuses == [200]


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
    assert rig.front.timeouts == 1


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
    assert rig.front.timeouts == 1


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
