"""Records and hub events as SSE bytes (WHATWG HTML, 9.2 Server-sent events).

A frame is encoded once per form and shared by every subscriber. Lines are split at CRLF, CR and LF only,
in bytes: `str.splitlines()` also splits at U+2028, U+0085, VT and FF and would corrupt JSON. `id` and
`event` never hold CR, LF or NUL (CWE-93). A heartbeat is a comment line *without* a blank line, because
some clients dispatch an empty event for a blank line that follows a comment.

The id stands last in its block. Some clients take the id of a half block when a connection ends
(`@microsoft/fetch-event-source`, `extended-eventsource`, both `aiohttp-sse-client`): this way they have the data
by then, or ask for that message again. `retry:` is a line, never a block of its own, for the same reason as a
heartbeat.

A position is sent as an event with data. Most clients outside browsers drop a block without data, and its id
with it (npm `eventsource` 3 and 4, `launchdarkly-eventsource` and others): they would come back without a cursor
and lose what was published meanwhile. `onmessage` never sees a named event.
"""

from __future__ import annotations

import re

import msgspec

from fast_sse.model.cursor import CURSOR_BYTES_MAX, Cursor

HEARTBEAT = b":\n"
#: The same for a page, which cannot see comments. It has no id: the client keeps the one it has on this connection.
HEARTBEAT_EVENT = b"event: fast-sse.heartbeat\ndata: {}\n\n"
LAST_CHUNK = b"0\r\n\r\n"

_LINE_END = re.compile(rb"\r\n|\r|\n")
#: What may be sent back as an id although it is none of ours: visible ASCII, as a header carries it.
_REPEATABLE = re.compile(rf"[\x20-\x7e]{{1,{CURSOR_BYTES_MAX}}}\Z")


def frame(id_text: str, event: str, data: bytes) -> bytes:
    """One event. `data` may hold any line ends; the client joins the lines by LF."""
    if b"\n" in data or b"\r" in data:
        data = b"\ndata: ".join(_LINE_END.split(data))
    if event:
        return b"event: %b\ndata: %b\nid: %b\n\n" % (event.encode(), data, id_text.encode())
    return b"data: %b\nid: %b\n\n" % (data, id_text.encode())


def started(cursor: Cursor, *, resumed: bool) -> bytes:
    """The first block of a stream: the cursor it goes on from, and whether the client showed one of ours."""
    detail = {"cursor": cursor.text, "resumed": resumed}
    return frame(cursor.text, "fast-sse.start", msgspec.json.encode(detail))


def moved(cursor: Cursor) -> bytes:
    """A later block that moves the client's lastEventId without a message."""
    return frame(cursor.text, "fast-sse.position", b"{}")


def id_only(cursor: Cursor) -> bytes:
    """A block that moves the client's lastEventId and dispatches nothing, where the client keeps it (`prime=id`)."""
    return b"id: %b\n\n" % cursor.text.encode()


def heartbeat_at(cursor: Cursor) -> bytes:
    """A heartbeat event that repeats where the client stands, for a connection that has received no id yet.

    A client sets its last event id with every event that it dispatches (WHATWG HTML 9.2.6): one without an id would
    clear the cursor that it came with.
    """
    return frame(cursor.text, "fast-sse.heartbeat", b"{}")


def retry(retry_ms: int) -> bytes:
    """The line that says when to reconnect. It belongs to the block that follows, or are the last words of a stream."""
    return b"retry: %d\n" % retry_ms


def expired(cursor_text: str) -> bytes:
    """What a stream receives when its grant ended. The text, of a cursor or whatever the client showed for one, stays the
    client's: without an id the event would clear it (WHATWG HTML 9.2.6), and the client would not learn of a gap.
    """
    data = b'{"reason":"expired"}'
    if not _REPEATABLE.match(cursor_text):
        return b"event: fast-sse.expired\ndata: %b\n\n" % data
    return frame(cursor_text, "fast-sse.expired", data)


def gap(reason: str, from_text: str, resumed_at: Cursor) -> bytes:
    """The event that names what cannot be continued exactly (guarantee G6). `from_text` is what the client sent,
    whatever that was: it is cut, and what UTF-8 cannot hold is replaced.
    """
    resumed = resumed_at.text
    sent = from_text[:CURSOR_BYTES_MAX].encode("utf-8", "replace").decode()
    detail = {"reason": reason, "from": sent, "resumed_at": resumed}
    return frame(resumed, "fast-sse.gap", msgspec.json.encode(detail))


def chunk(data: bytes) -> bytes:
    """`data` (never empty) as one chunk of the chunked transfer coding (RFC 9112, 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)
