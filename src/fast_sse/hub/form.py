"""The wire form of a stream: its framing, how it tells a client where it stands, its heartbeats and its last words.

What goes out beside the frames of messages is made here and nowhere else, and so is the framing of both. Everything
that a `Form` returns is handed to the transport as it is. A live set is one filter in one form, so that all its members
are written the same bytes.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from fast_sse.model.cursor import Cursor
from fast_sse.model.deflate import GZIP_HEADER, block, stored
from fast_sse.model.frame import (
    HEARTBEAT,
    HEARTBEAT_EVENT,
    LAST_CHUNK,
    chunk,
    expired,
    gap,
    heartbeat_at,
    id_only,
    moved,
    retry,
    started,
)

#: How a client is told an id without a message: by an event, by a block that is nothing but the id, or not at all.
Prime = Literal["event", "id", "off"]
#: How a heartbeat looks.
Heartbeat = Literal["comment", "event"]
#: What becomes of the frames: nothing, messages that a client has to unpack, or a body that its HTTP client unpacks.
Body = Literal["plain", "payload", "gzip"]


class Form(NamedTuple):
    """Chunked or until close, how positions are told, how heartbeats look, and whether it is compressed.

    In a gzip body whatever is one stream's own is stored, not compressed: it is short, or repeats what the client showed,
    whose text must not meet that of others in one window. Pages of records are compressed.
    """

    chunked: bool = True
    prime: Prime = "event"
    heartbeat: Heartbeat = "comment"
    body: Body = "plain"

    @property
    def tells_positions(self) -> bool:
        """Whether the client is told ids without messages."""
        return self.prime != "off"

    @property
    def preamble(self) -> bytes:
        """What stands before everything else in the body."""
        return self.framed(GZIP_HEADER) if self.body == "gzip" else b""

    def framed(self, data: bytes) -> bytes:
        """Bytes of the body, encoded already."""
        return chunk(data) if self.chunked and data else data  # an empty chunk would end the body

    def piece(self, data: bytes) -> bytes:
        """Some frames."""
        if self.body == "gzip" and data:
            data = block(data)
        return chunk(data) if self.chunked and data else data

    def opening(self, retry_ms: int, start: Cursor | None, *, resumed: bool) -> bytes:
        """The first bytes: when to come back and, unless it has to be found out first, where the stream starts.

        `resumed`: the client showed a cursor of ours.
        """
        first = b"" if start is None else self._first_block(start, resumed)
        return self._own(retry(retry_ms) + first)

    def start(self, cursor: Cursor, *, resumed: bool) -> bytes:
        """The first block of a stream that opened without it; empty where positions are not told."""
        return self._own(self._first_block(cursor, resumed))

    def position(self, cursor: Cursor) -> bytes:
        """A block that moves the client's cursor; empty where positions are not told."""
        return self._own(self.moved(cursor))

    def gap(self, reason: str, lost_from: str, resumed_at: Cursor) -> bytes:
        """What cannot be continued (`lost_from`: what the client showed), and where the stream goes on."""
        return self._own(gap(reason, lost_from, resumed_at))

    def comment(self) -> bytes:
        """A heartbeat that may come at any time, also before the first block."""
        return self._own(HEARTBEAT)

    def beat(self, cursor: Cursor | None) -> bytes:
        """A heartbeat. `cursor`: where the client stands when this connection may not have told it any id yet."""
        if self.heartbeat == "comment":
            return self._own(HEARTBEAT)
        return self._own(HEARTBEAT_EVENT if cursor is None else heartbeat_at(cursor))

    def goodbye(self, retry_ms: int) -> bytes:
        """Last words: come back in `retry_ms`."""
        return self._last(retry(retry_ms))

    def expired(self, standing: str, retry_ms: int) -> bytes:
        """Last words: the grant has ended. `standing`: the client's cursor or what it showed in the place of one;
        `retry_ms`: when a client comes back that does not understand, 0 to leave that to the first word about it.
        """
        return self._last((retry(retry_ms) if retry_ms else b"") + expired(standing))

    def moved(self, cursor: Cursor) -> bytes:
        """The frames of `position`, for a whole live set."""
        if self.prime == "event":
            return moved(cursor)
        return id_only(cursor) if self.prime == "id" else b""

    def _own(self, data: bytes) -> bytes:
        """What is one stream's own."""
        return self.framed(stored(data) if self.body == "gzip" and data else data)

    def _last(self, data: bytes) -> bytes:
        """A gzip body ends without its trailer, which would be a check sum of one stream's bytes."""
        return self._own(data) + (LAST_CHUNK if self.chunked else b"")

    def _first_block(self, cursor: Cursor, resumed: bool) -> bytes:
        return started(cursor, resumed=resumed) if self.prime == "event" else self.moved(cursor)
