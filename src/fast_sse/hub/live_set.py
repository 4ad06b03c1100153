"""A live set: all level subscribers that ask for the same filter in the same wire form.

They are written the very same bytes objects: pending frames are joined once, compressed and framed once, and handed to
the lane of the members.

Rules kept here:
- every member is level with `level`, the cursor of the last flush; a set with nothing pending is level with the
  follower;
- a joiner waits for the next flush, is levelled from the tail right after it and then added: ids never go back;
- a member that pauses during a flush (uvloop calls `pause_writing` inside `write()`) is collected and taken out
  after the loop; its cursor is the flush that paused it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fast_sse.hub.coder import Coder
from fast_sse.hub.form import Form
from fast_sse.hub.frames import shape_of
from fast_sse.hub.lane import Lane, Seated
from fast_sse.hub.tail import Entry, acceptor
from fast_sse.model.channel import Filter
from fast_sse.model.cursor import Cursor


class Member(Seated, Protocol):
    """What a live set, and the fan-out over all of them, know of a stream."""

    def flushed(self, live_set: LiveSet) -> None:
        """The live set that it waited for has flushed."""

    def fall_behind(self) -> None:
        """It paused while its live set was writing."""

    def unseat(self) -> None:
        """It leaves its live set, also where it only waits to join."""

    def catch_up(self) -> None:
        """It goes on from its own cursor."""

    def give_up(self, error: Exception) -> None:
        """A defect of ours ends it."""


class LiveSet:
    """Members, what waits for the next flush, and who waits to join."""

    __slots__ = (
        "_lane", "accepts", "advanced_s", "coder", "fallen", "filter", "flushing", "form", "held", "joiners", "level",
        "pending", "pending_bytes", "sent", "shape",
    )  # fmt: skip

    def __init__(
        self, wanted: Filter, form: Form, level: Cursor, now_s: float, coder: Coder | None = None
    ) -> None:
        """`coder`: what compresses it; None where its form is not gzip."""
        self.filter = wanted
        self.form = form
        self.shape = shape_of(wanted, form.body)
        self.coder = coder
        self.accepts = acceptor(wanted)
        self._lane = Lane()
        self.joiners: list[Member] = []
        self.pending: list[Entry] = []
        self.pending_bytes = 0
        self.fallen: list[Member] = []
        self.flushing = False
        #: While its joiners are levelled it is not discarded, even if it is empty for a moment.
        self.held = False
        #: With something pending: the cursor before it. Otherwise the follower's cursor counts.
        self.level = level
        #: A lower bound of the last id that every member was sent, and when it last moved (loop time).
        self.sent = level
        self.advanced_s = now_s

    @property
    def members(self) -> Sequence[Member]:
        """Those who are level with it."""
        return self._lane.members

    @property
    def deserted(self) -> bool:
        """It has no members and no joiners."""
        return not self._lane.members and not self.joiners

    def add(self, member: Member) -> None:
        """Take in a subscriber that is level."""
        self._lane.add(member)

    def remove(self, member: Member) -> None:
        """Take a member out; with the last one in step goes the window that they shared."""
        self._lane.remove(member)
        if self.coder is not None and not self._lane.in_step:
            self.coder.end(self._lane)

    def queue(self, entry: Entry) -> int:
        """Let an entry wait for the next flush; the bytes it adds."""
        size = len(entry.frame(self.shape))
        self.pending.append(entry)
        self.pending_bytes += size
        return size

    def flush(self, bytes_max: int, now_s: float) -> tuple[list[Entry], int]:
        """Write one piece of what is pending, at most `bytes_max` (or one larger frame), to every member.

        Returns what that was, and how many sockets took it; each entry counts them. In a set without members nothing counts.
        """
        taken = self._take(bytes_max)
        shape = self.shape
        data = b"".join([entry.frame(shape) for entry in taken])
        last = taken[-1]
        self.level = self.sent = self.level.at(last.position, last.record.fingerprint)
        self.advanced_s = now_s
        if sockets := self._write(data, now_s):
            for entry in taken:
                if not entry.written:
                    entry.first_s = now_s
                entry.written += sockets
        return taken, sockets

    def tell_position(self, level: Cursor, now_s: float) -> None:
        """Write every member, quiet until then, a block with the id of `level`."""
        self.sent = level
        self.advanced_s = now_s
        self._write(self.form.moved(level), now_s)

    def _take(self, bytes_max: int) -> list[Entry]:
        pending = self.pending
        if self.pending_bytes <= bytes_max:
            self.pending = []
            self.pending_bytes = 0
            return pending
        size = count = 0
        for entry in pending:
            size += len(entry.frame(self.shape))
            if size > bytes_max and count:
                size -= len(entry.frame(self.shape))
                break
            count += 1
        self.pending = pending[count:]
        self.pending_bytes -= size
        return pending[:count]

    def beat(self, member: Member, now_s: float) -> bool:
        """A visit of the wheel to a member. Whether its heartbeat is that of all who share a window, and not its own."""
        if self.coder is None or not 0 <= member.place < self._lane.in_step:
            return False
        self.flushing = True
        try:
            return self.coder.beat(self._lane, now_s)
        finally:
            self.flushing = False

    def close(self) -> None:
        """Let go of what it compressed with. It is discarded."""
        if self.coder is not None:
            self.coder.end(self._lane)

    def _write(self, data: bytes, now_s: float) -> int:
        """Hand the same frames to every member; how many sockets took them. Members that pause meanwhile wait in `fallen`
        for the caller.
        """
        self.flushing = True
        try:
            if self.coder is None:
                return self._lane.write(self.form.piece(data))
            return self.coder.write(data, self._lane, now_s)
        finally:
            self.flushing = False

    def take_fallen(self) -> list[Member]:
        """Those who paused since the last call."""
        fallen = self.fallen
        self.fallen = []
        return fallen
