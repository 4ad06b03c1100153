"""Server-sent events as the WHATWG text says (HTML, 9.2.6), written apart from the hub's own parser.

A block without data dispatches nothing but still sets the last event id; a block that the connection cuts in
half counts for nothing.
"""

from __future__ import annotations

import re
from typing import NamedTuple

#: Events of the hub that say nothing but where a stream stands, or that it lives.
POSITIONS = ("fast-sse.start", "fast-sse.position", "fast-sse.heartbeat")
_LINE_END = re.compile(rb"\r\n|\r|\n")


class Block(NamedTuple):
    """What ended with a blank line. `data` is None when there was none: nothing is dispatched."""

    id: str
    event: str
    data: str | None

    @property
    def is_position(self) -> bool:
        """It says where the stream stands, or that it lives, and brings no message and no gap."""
        return self.data is None or self.event in POSITIONS


class Comment(NamedTuple):
    """A line that starts with a colon."""

    text: str


class Retry(NamedTuple):
    """A new reconnection time."""

    ms: int


Item = Block | Comment | Retry


class Parser:
    """Bytes in, items out, in order. `last_event_id` carries over from an earlier connection."""

    def __init__(self, last_event_id: str = "") -> None:
        self._rest = b""
        self._id = last_event_id
        self._event = ""
        self._data: list[str] = []

    def feed(self, received: bytes) -> list[Item]:
        """Every item that these bytes complete."""
        text = self._rest + received
        # A CR at the very end may be the first half of CRLF.
        whole, held = (text[:-1], b"\r") if text.endswith(b"\r") else (text, b"")
        *lines, rest = whole.split(b"\n") if b"\r" not in whole else _LINE_END.split(whole)
        self._rest = rest + held
        items: list[Item] = []
        for line in lines:
            self._line(line.decode(), items)
        return items

    def _line(self, line: str, items: list[Item]) -> None:
        if not line:
            data = "\n".join(self._data) if self._data else None
            items.append(Block(self._id, self._event or "message", data))
            self._event, self._data = "", []
            return
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not field:
            items.append(Comment(value))
        elif field == "data":
            self._data.append(value)
        elif field == "event":
            self._event = value
        elif field == "id" and "\0" not in value:
            self._id = value
        elif field == "retry" and value.isascii() and value.isdigit():
            items.append(Retry(int(value)))
