"""Records and hub events as SSE bytes (WHATWG HTML, 9.2 Server-sent events).

A frame is encoded once per form and shared by every subscriber. Lines are split at CRLF, CR and LF only,
in bytes: `str.splitlines()` also splits at U+2028, U+0085, VT and FF and would corrupt JSON. `id` and
`event` never hold CR, LF or NUL (CWE-93). A heartbeat is a comment line *without* a blank line, because
some clients dispatch an empty event for a blank line that follows a comment.
"""

from __future__ import annotations

import re

import msgspec

from fast_sse.model.cursor import CURSOR_BYTES_MAX, Cursor

HEARTBEAT = b":\n"
LAST_CHUNK = b"0\r\n\r\n"
#: What a stream is told when its grant ended.
EXPIRED = b'event: fast-sse.expired\ndata: {"reason":"expired"}\n\n'

_LINE_END = re.compile(rb"\r\n|\r|\n")


def frame(id_text: str, event: str, data: bytes) -> bytes:
    """One event. `data` may hold any line ends; the client joins the lines by LF."""
    if b"\n" in data or b"\r" in data:
        data = b"\ndata: ".join(_LINE_END.split(data))
    if event:
        return b"id: %b\nevent: %b\ndata: %b\n\n" % (id_text.encode(), event.encode(), data)
    return b"id: %b\ndata: %b\n\n" % (id_text.encode(), data)


def id_only(cursor: Cursor) -> bytes:
    """A block that moves the client's lastEventId and dispatches nothing."""
    return b"id: %b\n\n" % cursor.text.encode()


def opening(retry_ms: int, cursor: Cursor | None) -> bytes:
    """The first block of a stream: reconnection time and, when priming, the cursor it goes on from."""
    if cursor is None:
        return b"retry: %d\n\n" % retry_ms
    return b"retry: %d\nid: %b\n\n" % (retry_ms, cursor.text.encode())


def come_back(retry_ms: int) -> bytes:
    """The last block of a stream that is told to reconnect later; it never carries an id."""
    return b"retry: %d\n\n" % retry_ms


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
