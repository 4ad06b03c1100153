"""The wire form of a stream: its framing, how it tells a client where it stands, its heartbeats and its last words.

What goes out beside the frames of messages is made here and nowhere else, and so is the framing of both. Everything
that a `Form` returns is handed to the transport as it is. A live set is one filter in one form, so that all its members
are written the same bytes.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from fast_sse.model.cursor import Cursor
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


class Form(NamedTuple):
    """Chunked or until close, how positions are told, and how heartbeats look."""

    chunked: bool = True
    prime: Prime = "event"
    heartbeat: Heartbeat = "comment"

    @property
    def tells_positions(self) -> bool:
        """Whether the client is told ids without messages."""
        return self.prime != "off"

    def piece(self, data: bytes) -> bytes:
        """Some frames."""
        return chunk(data) if self.chunked and data else data  # an empty chunk would end the body

    def opening(self, retry_ms: int, start: Cursor | None, *, resumed: bool) -> bytes:
        """The first bytes: when to come back and, unless it has to be found out first, where the stream starts.

        `resumed`: the client showed a cursor of ours.
        """
        block = b"" if start is None else self._first_block(start, resumed)
        return self.piece(retry(retry_ms) + block)

    def start(self, cursor: Cursor, *, resumed: bool) -> bytes:
        """The first block of a stream that opened without it; empty where positions are not told."""
        return self.piece(self._first_block(cursor, resumed))

    def position(self, cursor: Cursor) -> bytes:
        """A block that moves the client's cursor; empty where positions are not told."""
        return self.piece(self._moved(cursor))

    def gap(self, reason: str, lost_from: str, resumed_at: Cursor) -> bytes:
        """What cannot be continued (`lost_from`: what the client showed), and where the stream goes on."""
        return self.piece(gap(reason, lost_from, resumed_at))

    def comment(self) -> bytes:
        """A heartbeat that may come at any time, also before the first block."""
        return self.piece(HEARTBEAT)

    def beat(self, cursor: Cursor | None) -> bytes:
        """A heartbeat. `cursor`: where the client stands when this connection may not have told it any id yet."""
        if self.heartbeat == "comment":
            return self.piece(HEARTBEAT)
        return self.piece(HEARTBEAT_EVENT if cursor is None else heartbeat_at(cursor))

    def goodbye(self, retry_ms: int) -> bytes:
        """Last words: come back in `retry_ms`."""
        return self._last(retry(retry_ms))

    def expired(self, standing: str, retry_ms: int) -> bytes:
        """Last words: the grant has ended. `standing`: the client's cursor or what it showed in the place of one;
        `retry_ms`: when a client comes back that does not understand, 0 to leave that to the first word about it.
        """
        return self._last((retry(retry_ms) if retry_ms else b"") + expired(standing))

    def _last(self, data: bytes) -> bytes:
        return chunk(data) + LAST_CHUNK if self.chunked else data

    def _first_block(self, cursor: Cursor, resumed: bool) -> bytes:
        return started(cursor, resumed=resumed) if self.prime == "event" else self._moved(cursor)

    def _moved(self, cursor: Cursor) -> bytes:
        if self.prime == "event":
            return moved(cursor)
        return id_only(cursor) if self.prime == "id" else b""
