"""SSE bytes as events, by the rules of WHATWG HTML 9.2.6 (interpreting an event stream).

The client's side of the wire, without any I/O: the reader of a socket feeds what it got, in pieces of any
size, and gets the events that are complete. What a browser's EventSource would dispatch, this dispatches:

- one leading BOM is dropped; lines end at CRLF, LF or CR only, also when a CRLF is cut in two;
- a blank line first makes the last `id` the one to reconnect with, and then dispatches if there is data;
- an `id` that holds NUL and a `retry` that is not all ASCII digits are ignored, as are unknown fields;
- an event without its blank line is never dispatched, and neither is its id: at the end of a stream, drop
  the parser. A new one for the next connection starts with the old one's `last_event_id`.

Lines are split in bytes and in bulk, since a load generator parses more than the hub writes. That is the same
as decoding first: UTF-8 never hides a CR, LF or colon inside another character.
"""

from __future__ import annotations

from typing import NamedTuple

from fast_sse.model.errors import TooLargeError
from fast_sse.model.limits import MIB

_BOM = b"\xef\xbb\xbf"
#: Digits of `retry` that are read: eleven days of milliseconds need nine, and int() refuses 4,300.
_RETRY_DIGITS_MAX = 15


class Event(NamedTuple):
    """One dispatched event. `data` is its lines joined by LF, undecoded; `type` is `message` if none was sent."""

    type: str
    data: bytes
    last_event_id: str

    @property
    def text(self) -> str:
        """The data as a browser has it: broken UTF-8 becomes U+FFFD."""
        return self.data.decode("utf-8", "replace")


class EventParser:
    """A stream of bytes on one side, events on the other.

    Attributes:
        last_event_id: what to send as Last-Event-ID when reconnecting; empty for none.
        retry_ms: what the server last asked to wait before reconnecting; None until it did.
    """

    def __init__(self, last_event_id: str = "", *, event_bytes_max: int = 16 * MIB) -> None:
        self.last_event_id = last_event_id
        self.retry_ms: int | None = None
        self._event_bytes_max = event_bytes_max
        self._id = last_event_id
        self._type = ""
        self._data: list[bytes] = []
        self._size = 0  # of the data lines, names included
        self._rest = bytearray()  # the unfinished line
        self._at_start = True
        self._skip_lf = False  # the last byte was a CR, whose LF may come yet

    def feed(self, data: bytes) -> list[Event]:
        """Take the next bytes and return the events they complete.

        Raises:
            TooLargeError: an event or line is longer than `event_bytes_max`; the parser is of no more use.
        """
        if self._at_start:
            data = self._without_bom(data)
        if self._skip_lf and data:
            self._skip_lf = False
            if data[0] == 0x0A:
                data = data[1:]
        if b"\r" in data:
            self._skip_lf = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = data.split(b"\n")
        if len(lines) > 1 and self._rest:
            lines[0] = bytes(self._rest) + lines[0]
            self._rest.clear()
        self._rest += lines.pop()
        events = self._take(lines)
        self._check(self._size + len(self._rest))
        return events

    def _without_bom(self, data: bytes) -> bytes:
        """Hold the first bytes back while they may still become a BOM."""
        data = bytes(self._rest) + data
        self._rest.clear()
        if len(data) < len(_BOM) and _BOM.startswith(data):
            self._rest += data
            return b""
        self._at_start = False
        return data.removeprefix(_BOM)

    def _take(self, lines: list[bytes]) -> list[Event]:
        events: list[Event] = []
        for line in lines:
            if line.startswith(b"data: "):
                self._data.append(line[6:])
                self._size += len(line)
            elif line.startswith(b"id: ") and b"\0" not in line:
                self._id = line[4:].decode("utf-8", "replace")
            elif line:
                self._take_field(line)
            else:
                self.last_event_id = self._id
                if self._data:
                    events.append(Event(self._type or "message", self._joined(), self._id))
                self._type = ""
        return events

    def _take_field(self, line: bytes) -> None:
        """One line in any spelling; `_take` has short cuts for the two that nearly all lines have."""
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            self._size += len(line)
        elif name == b"id" and b"\0" not in value:
            self._id = value.decode("utf-8", "replace")
        elif name == b"event":
            self._type = value.decode("utf-8", "replace")
        elif name == b"retry" and value.isdigit() and len(value) <= _RETRY_DIGITS_MAX:
            self.retry_ms = int(value)

    def _joined(self) -> bytes:
        self._check(self._size)
        data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        self._data = []
        self._size = 0
        return data

    def _check(self, size: int) -> None:
        if size > self._event_bytes_max:
            raise TooLargeError(f"an event is longer than {self._event_bytes_max} bytes")
