"""The answers that pass through the relay, byte for byte, and where a cut falls in them.

A hub's stream is chunked. A cut is counted in bytes of the body, chunk sizes not among them: "after the 17th byte of
the block" is then the same place whoever frames it. What goes out is the hub's own framing up to that byte, so the
client sees a chunk that breaks off. The last whole chunk is held back until it is complete, which is when one can
tell where a block begins.

Of a gzip stream the blocks are what it unpacks to. The hub sends one compressed piece in a chunk, and a cut is counted in the bytes
of the piece that holds the marker.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Any

from tests.support.http1 import parse_head

END = b"\n\n"


@dataclass
class Answer:
    """One answer: its status, the body bytes that the client was given, unpacked, and whether its framing was completed."""

    cursor: str
    status: int = 0
    body: bytearray = field(default_factory=bytearray)
    whole: bool = False
    over: bool = False
    #: Unpacks the body of a gzip stream.
    gzip: Any = None

    def unpacked(self, payload: bytes) -> bytes:
        """What the next bytes of the body say. It can be asked before they are taken."""
        return payload if self.gzip is None else bytes(self.gzip.copy().decompress(payload))

    def take(self, payload: bytes) -> None:
        """The client is given these bytes."""
        self.body += payload if self.gzip is None else self.gzip.decompress(payload)

    @property
    def blocks(self) -> list[bytes]:
        """The complete blocks of a stream, with their blank line."""
        return [block + END for block in bytes(self.body).split(END)[:-1]]

    def block_with(self, marker: bytes) -> bytes:
        """The block that holds a marker."""
        (found,) = [block for block in self.blocks if marker in block]
        return found


@dataclass
class Cut:
    """Cut an answer once, so many bytes into the block that holds the marker; past its end is just behind it."""

    marker: bytes
    after_bytes: int

    def place(self, body: bytes) -> int | None:
        """Where in a piece of a body, which begins with a block, the cut falls; None when not there."""
        at = body.find(self.marker)
        if at < 0:
            return None
        start = body.rfind(END, 0, at)
        start = 0 if start < 0 else start + len(END)
        end = body.find(END, at) + len(END)
        return min(start + self.after_bytes, end)


class Answers:
    """What one connection to a hub sends back: bytes in, bytes that go on to the client out.

    Attributes:
        cut: whether a cut struck; nothing more may go on.
    """

    def __init__(self) -> None:
        self.current: Answer | None = None
        self.cut = False
        self._rest = b""
        self._length: int | None = None

    def expect(self, answer: Answer) -> None:
        """The next answer to come."""
        self.current = answer

    def feed(self, data: bytes, cut: Cut | None) -> bytes:
        """Take bytes as received; hand back those that the client gets now."""
        self._rest += data
        out = b""
        while not self.cut and (piece := self._piece(cut)):
            out += piece
        return out

    def _piece(self, cut: Cut | None) -> bytes:
        """The next head, chunk or stretch of a body; nothing when it is not complete."""
        answer = self.current
        if answer is None:
            return b""
        if not answer.status:
            return self._head(answer)
        if self._length is not None:
            piece, self._rest = self._rest[: self._length], self._rest[self._length :]
            self._length -= len(piece)
            answer.body += piece
            self._finish(answer, ended=not self._length)
            return piece
        line, found, rest = self._rest.partition(b"\r\n")
        size = int(line, 16) if found else 0
        if not found or len(rest) < size + 2:
            return b""
        raw, self._rest = self._rest[: len(line) + 2 + size + 2], rest[size + 2 :]
        payload = rest[:size]
        place = cut.place(answer.unpacked(payload)) if cut else None
        if cut and place is not None:
            if answer.gzip is not None:
                place = min(cut.after_bytes, size)
            self.cut = True
            payload = payload[:place]
            raw = raw[: len(line) + 2 + place]
        answer.take(payload)
        self._finish(answer, ended=size == 0)
        return raw

    def _head(self, answer: Answer) -> bytes:
        head, blank, rest = self._rest.partition(b"\r\n\r\n")
        if not blank:
            return b""
        status, headers = parse_head(head)
        if status >= 200:
            answer.status = status
            if headers.get("content-encoding") == "gzip":
                answer.gzip = zlib.decompressobj(31)
            self._length = None if headers.get("transfer-encoding") else int(headers.get("content-length", 0))
            self._finish(answer, ended=self._length == 0)
        self._rest = rest
        return head + blank

    def _finish(self, answer: Answer, *, ended: bool) -> None:
        if ended:
            answer.whole = answer.over = True
            self.current = None
