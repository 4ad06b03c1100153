"""Frames: exactly one event per frame, whatever it carries."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fast_sse.model.channel import Channel
from fast_sse.model.cursor import Cursor
from fast_sse.model.errors import BadRequestError
from fast_sse.model.frame import (
    HEARTBEAT,
    HEARTBEAT_EVENT,
    LAST_CHUNK,
    chunk,
    expired,
    frame,
    gap,
    heartbeat_at,
    id_only,
    moved,
    retry,
    started,
)
from fast_sse.model.limits import Limits
from fast_sse.model.message import check_event_name, draft, parse_publish
from fast_sse.model.parser import Event, EventParser

CURSOR = Cursor("s1", "k3v9x2qah5m2c", 4711)
ID = "s1.k3v9x2qah5m2c.4711"


def parse(data: bytes) -> list[Event]:
    """What a browser would dispatch."""
    return EventParser().feed(data)


def test_a_frame_is_event_data_id():
    """The id stands last, for clients that take that of half a block; without a name there is no `event` line."""
    assert frame(ID, "", b"{}") == b"data: {}\nid: s1.k3v9x2qah5m2c.4711\n\n"
    assert frame(ID, "x", b"{}") == b"event: x\ndata: {}\nid: s1.k3v9x2qah5m2c.4711\n\n"


@pytest.mark.parametrize("end", [b"\r\n", b"\r", b"\n"])
def test_line_ends_in_data_cannot_inject_fields(end):
    """Data that looks like SSE arrives as data: every CRLF, CR and LF starts a new `data:` line (S12)."""
    data = end.join([b"a", b"id: spoof", b"event: fast-sse.gap", b"", b"data: b", b""])
    (event,) = parse(frame(ID, "", data))
    assert event == Event("message", data.replace(end, b"\n"), ID)


def test_empty_data_is_dispatched():
    """An empty `data:` line is an event with empty data, not nothing."""
    assert parse(frame(ID, "", b"")) == [Event("message", b"", ID)]


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\u0085", "\x0b", "\x0c", "\x1c", "\x1e"])
def test_other_line_separators_stay_in_the_line(mark):
    """What `str.splitlines` takes for line ends is text: one `data:` line, unchanged (S14)."""
    data = f"a{mark}b".encode()
    assert frame(ID, "", data).count(b"data:") == 1
    assert parse(frame(ID, "", data)) == [Event("message", data, ID)]


@given(st.text(max_size=12))
def test_an_accepted_event_name_arrives_as_it_is(name):
    """Every name that a publisher may use comes out of the frame unchanged, as one event."""
    try:
        check_event_name(name)
    except BadRequestError:
        return
    assert parse(frame(ID, name, b"1")) == [Event(name or "message", b"1", ID)]


@given(st.text(max_size=20), st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3))
def test_a_published_message_is_one_event(text, headers):
    """From JSON body to dispatched event: one event whose data is one line of the same JSON."""
    body = parse_publish(
        json.dumps({"data": text, "headers": headers}, indent=1, ensure_ascii=False).encode(), Limits()
    )
    made = draft(Channel("a", "b"), body, send_time="")
    (event,) = parse(frame(ID, made.event, made.data))
    assert b"\n" not in event.data
    assert json.loads(event.data) == text


def test_an_id_only_block_moves_the_cursor_only():
    """It sets the last id and dispatches nothing."""
    parser = EventParser()
    assert parser.feed(id_only(CURSOR)) == []
    assert parser.last_event_id == ID


@pytest.mark.parametrize("resumed", [True, False])
def test_the_first_block_names_the_cursor_and_whether_one_was_shown(resumed):
    """An event with data, since most clients drop the id of a block that has none."""
    assert parse(started(CURSOR, resumed=resumed)) == [
        Event(
            "fast-sse.start",
            b'{"cursor":"%b","resumed":%b}' % (ID.encode(), str(resumed).lower().encode()),
            ID,
        )
    ]


def test_a_later_position_is_an_event_with_empty_data():
    """The id is all that it says."""
    assert parse(moved(CURSOR)) == [Event("fast-sse.position", b"{}", ID)]


def test_a_heartbeat_event_keeps_the_id():
    """It has none of its own, or the one that the client came with."""
    assert EventParser("kept").feed(HEARTBEAT_EVENT) == [Event("fast-sse.heartbeat", b"{}", "kept")]
    assert parse(heartbeat_at(CURSOR)) == [Event("fast-sse.heartbeat", b"{}", ID)]


def test_retry_is_a_line_and_no_block():
    """Clients that dispatch on a blank line see nothing; the time counts, and the cursor stays."""
    assert retry(15_000) == b"retry: 15000\n"
    parser = EventParser("kept")
    assert parser.feed(retry(15_000)) == []
    assert (parser.last_event_id, parser.retry_ms) == ("kept", 15_000)


@pytest.mark.parametrize(
    ("shown", "kept"), [(ID, ID), ("", "kept"), ("nonsense", "nonsense"), ("a\nb", "kept"), ("\xe4", "kept")]
)
def test_expiry_is_an_event_that_keeps_the_cursor(shown, kept):
    """The end of a grant is named, with the place where the stream stood, or what the client showed for one."""
    (event,) = EventParser("kept").feed(expired(shown))
    assert (event.type, json.loads(event.data), event.last_event_id) == (
        "fast-sse.expired",
        {"reason": "expired"},
        kept,
    )


def test_a_heartbeat_is_a_comment_without_a_blank_line():
    """It dispatches nothing, not even in clients that dispatch an empty event for a blank line."""
    assert HEARTBEAT == b":\n"
    assert parse(HEARTBEAT * 3 + frame(ID, "", b"1")) == [Event("message", b"1", ID)]


@given(st.text(st.characters(exclude_categories=[]), max_size=200))
@example("\ud800 and \udfff")
@example("x" * 129)
def test_a_gap_names_what_the_client_sent_and_survives_it(sent):
    """Any text, lone surrogates too, gives one event of bounded size that is valid JSON."""
    data = gap("unreadable", sent, CURSOR)
    (event,) = parse(data)
    assert (event.type, event.last_event_id) == ("fast-sse.gap", ID)
    detail = json.loads(event.data)
    assert detail == {"reason": "unreadable", "from": detail["from"], "resumed_at": ID}
    assert detail["from"] == re.sub("[\ud800-\udfff]", "?", sent[:128])
    assert len(data) < 1200


@given(st.binary(min_size=1, max_size=300))
def test_a_chunk_reads_back(data):
    """RFC 9112, 7.1: hexadecimal size, CRLF, data, CRLF; the last one has size 0."""
    size, _, rest = chunk(data).partition(b"\r\n")
    assert rest == data + b"\r\n"
    assert int(size, 16) == len(data)
    assert LAST_CHUNK == b"0\r\n\r\n"
