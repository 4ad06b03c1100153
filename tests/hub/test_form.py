"""The wire forms: how each one tells a client where it stands, and how its heartbeats look."""

from __future__ import annotations

from fast_sse.hub.form import Form
from fast_sse.model.cursor import Cursor
from fast_sse.model.frame import HEARTBEAT, HEARTBEAT_EVENT

CURSOR = Cursor("m1", "0" * 13, 7)
ID = b"m1.0000000000000.7"


def test_a_position_is_an_event_an_id_or_nothing() -> None:
    """By `prime`: with data, so that every client keeps the id; as a block that is only an id; or not at all."""
    assert Form().start(CURSOR, resumed=True) == (
        b'event: fast-sse.start\ndata: {"cursor":"%b","resumed":true}\nid: %b\n\n' % (ID, ID)
    )
    assert Form().position(CURSOR) == b"event: fast-sse.position\ndata: {}\nid: %b\n\n" % ID
    only = Form(prime="id")
    assert only.start(CURSOR, resumed=True) == only.position(CURSOR) == b"id: %b\n\n" % ID
    off = Form(prime="off")
    assert off.start(CURSOR, resumed=True) == off.position(CURSOR) == b""


def test_a_heartbeat_is_a_comment_unless_an_event_is_asked_for() -> None:
    """A comment has no blank line behind it; an event has an id only where this connection may have told none."""
    assert Form().beat(None) == Form().beat(CURSOR) == HEARTBEAT == b":\n"
    assert Form(heartbeat="event").beat(None) == HEARTBEAT_EVENT
    assert Form(heartbeat="event").beat(CURSOR) == b"event: fast-sse.heartbeat\ndata: {}\nid: %b\n\n" % ID


def test_only_a_chunked_stream_is_framed() -> None:
    """Pieces become chunks, and the last one ends the body; until close there is nothing to frame."""
    assert Form().piece(b"abc") == b"3\r\nabc\r\n"
    assert Form().last(b"abc") == b"3\r\nabc\r\n0\r\n\r\n"
    assert Form().piece(b"") == b"", "an empty chunk would end the body"
    assert Form(chunked=False).piece(b"abc") == Form(chunked=False).last(b"abc") == b"abc"
