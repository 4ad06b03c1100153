"""The wire form of a stream: its framing, how it tells a client where it stands, and its heartbeats.

A live set is one filter in one form, so that all its members are written the same bytes. Whatever goes out without a
message is made here.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from fast_sse.model.cursor import Cursor
from fast_sse.model.frame import (
    HEARTBEAT,
    HEARTBEAT_EVENT,
    LAST_CHUNK,
    chunk,
    heartbeat_at,
    id_only,
    moved,
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

    def piece(self, data: bytes) -> bytes:
        """Bytes of the body, framed."""
        return chunk(data) if self.chunked and data else data  # an empty chunk would end the body

    def last(self, data: bytes) -> bytes:
        """The last bytes of the body, framed, with its end."""
        return chunk(data) + LAST_CHUNK if self.chunked else data

    def start(self, cursor: Cursor, *, resumed: bool) -> bytes:
        """The first block; `resumed`: the client showed a cursor of ours. Empty where positions are not told."""
        return started(cursor, resumed=resumed) if self.prime == "event" else self.position(cursor)

    def position(self, cursor: Cursor) -> bytes:
        """A block that moves the client's cursor; empty where positions are not told."""
        if self.prime == "event":
            return moved(cursor)
        return id_only(cursor) if self.prime == "id" else b""

    def beat(self, cursor: Cursor | None) -> bytes:
        """A heartbeat. `cursor`: where the client stands when this connection may not have told it any id yet."""
        if self.heartbeat == "comment":
            return HEARTBEAT
        return HEARTBEAT_EVENT if cursor is None else heartbeat_at(cursor)
