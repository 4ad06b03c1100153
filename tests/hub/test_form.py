"""The wire forms: how each one tells a client where it stands, and how its heartbeats look."""

from __future__ import annotations

import pytest

from fast_sse.hub.form import Form, Heartbeat, Prime
from fast_sse.model.cursor import Cursor
from fast_sse.model.frame import HEARTBEAT, HEARTBEAT_EVENT

CURSOR = Cursor("m1", "0" * 13, 7)
ID = b"m1.0000000000000.7"


def test_a_position_is_an_event_an_id_or_nothing() -> None:
    """By `prime`: with data, so that every client keeps the id; as a block that is only an id; or not at all."""
    plain = Form(chunked=False)
    assert plain.start(CURSOR, resumed=True) == (
        b'event: fast-sse.start\ndata: {"cursor":"%b","resumed":true}\nid: %b\n\n' % (ID, ID)
    )
    assert plain.position(CURSOR) == b"event: fast-sse.position\ndata: {}\nid: %b\n\n" % ID
    only = Form(chunked=False, prime="id")
    assert only.start(CURSOR, resumed=True) == only.position(CURSOR) == b"id: %b\n\n" % ID
    assert all(Form(chunked, prime).tells_positions for chunked in (True, False) for prime in ("event", "id"))
    for chunked in (True, False):
        off = Form(chunked, "off")
        assert off.start(CURSOR, resumed=True) == off.position(CURSOR) == b""
        assert not off.tells_positions


def test_a_heartbeat_is_a_comment_unless_an_event_is_asked_for() -> None:
    """A comment has no blank line behind it; an event has an id only where this connection may have told none."""
    comment, event = Form(chunked=False), Form(chunked=False, heartbeat="event")
    assert comment.beat(None) == comment.beat(CURSOR) == HEARTBEAT == b":\n"
    assert comment.comment() == event.comment() == HEARTBEAT
    assert event.beat(None) == HEARTBEAT_EVENT
    assert event.beat(CURSOR) == b"event: fast-sse.heartbeat\ndata: {}\nid: %b\n\n" % ID


def test_the_opening_says_when_to_come_back_and_where_the_stream_starts() -> None:
    """In one block, so that no client sees an empty event; without the block while the start has to be found out."""
    for prime in ("event", "id", "off"):
        form = Form(False, prime)
        for resumed in (True, False):
            block = form.start(CURSOR, resumed=resumed)
            assert form.opening(5, CURSOR, resumed=resumed) == b"retry: 5\n" + block
        assert form.opening(5, None, resumed=True) == b"retry: 5\n"


def test_last_words_say_when_to_come_back_or_that_the_grant_has_ended() -> None:
    """`retry:` alone has no id; `expired` keeps the client's, and brings a `retry:` only where there is one."""
    form = Form(chunked=False)
    assert form.goodbye(7) == b"retry: 7\n"
    event = b'event: fast-sse.expired\ndata: {"reason":"expired"}\nid: x\n\n'
    assert form.expired("x", 0) == event
    assert form.expired("x", 7) == b"retry: 7\n" + event


def every_saying(form: Form) -> list[bytes]:
    """What a form can say before the end."""
    return [
        form.piece(b"abc"),
        form.opening(5, CURSOR, resumed=False),
        form.start(CURSOR, resumed=False),
        form.position(CURSOR),
        form.gap("trimmed", "x", CURSOR),
        form.comment(),
        form.beat(None),
        form.beat(CURSOR),
    ]


@pytest.mark.parametrize("prime", ["event", "id", "off"])
@pytest.mark.parametrize("heartbeat", ["comment", "event"])
def test_a_chunked_stream_says_the_same_in_chunks(prime: Prime, heartbeat: Heartbeat) -> None:
    """Each saying is one chunk, or nothing where it is empty: an empty chunk would end the body. Only last words end it."""
    chunked, plain = Form(True, prime, heartbeat), Form(False, prime, heartbeat)
    for framed, data in zip(every_saying(chunked), every_saying(plain), strict=True):
        assert framed == (b"%x\r\n%b\r\n" % (len(data), data) if data else b"")
    for framed, data in (
        (chunked.goodbye(7), plain.goodbye(7)),
        (chunked.expired("x", 7), plain.expired("x", 7)),
    ):
        assert framed == b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data)
    assert chunked.piece(b"") == plain.piece(b"") == b""
