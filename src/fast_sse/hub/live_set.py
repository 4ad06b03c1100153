"""A live set: all level subscribers that ask for the same filter in the same wire form.

They are written the very same bytes objects: pending frames are joined once, framed once, and handed to each
member's bound `transport.write`, so that a delivery costs one C call and no Python bookkeeping. Members that are written
the same bytes share a lane.

Rules kept here:
- every member is level with `level`, the cursor of the last flush; a set with nothing pending is level with the
  follower;
- a joiner waits for the next flush, is levelled from the tail right after it and then added: ids never go back;
- a member that pauses during a flush (uvloop calls `pause_writing` inside `write()`) is collected and taken out
  after the loop; its cursor is the flush that paused it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from fast_sse.hub.form import Form
from fast_sse.hub.frames import shape_of
from fast_sse.hub.tail import Entry, acceptor
from fast_sse.model.channel import Filter
from fast_sse.model.cursor import Cursor


class Member(Protocol):
    """What a live set, and the fan-out over all of them, know of a stream. `place` is the lane's to write."""

    transport: Any
    place: int

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


class Lane:
    """Members that are written the very same bytes; joining and leaving take constant time."""

    __slots__ = ("_writers", "members")

    def __init__(self) -> None:
        self.members: list[Member] = []
        self._writers: list[Callable[[bytes], None]] = []

    def add(self, member: Member) -> None:
        """Take a member in."""
        member.place = len(self.members)
        self.members.append(member)
        self._writers.append(member.transport.write)

    def remove(self, member: Member) -> None:
        """Take a member out: the last one takes its place."""
        place = member.place
        last = self.members.pop()
        writer = self._writers.pop()
        if last is not member:
            last.place = place
            self.members[place] = last
            self._writers[place] = writer
        member.place = -1

    def write(self, data: bytes) -> int:
        """Hand the same bytes to every member; how many transports took them."""
        took = len(self._writers)
        writers = iter(self._writers)
        while True:
            try:
                for write in writers:
                    write(data)
                return took
            except RuntimeError:
                # A transport that is already closed says so by raising; its connection_lost is on the way.
                took -= 1


class LiveSet:
    """Members, what waits for the next flush, and who waits to join."""

    __slots__ = (
        "_lane", "accepts", "advanced_s", "fallen", "filter", "flushing", "form", "held", "joiners", "level",
        "pending", "pending_bytes", "sent", "shape",
    )  # fmt: skip

    def __init__(self, wanted: Filter, form: Form, level: Cursor, now_s: float) -> None:
        self.filter = wanted
        self.form = form
        self.shape = shape_of(wanted)
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
        """Take a member out."""
        self._lane.remove(member)

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
        if sockets := self.write_all(self.form.piece(data)):
            for entry in taken:
                if not entry.written:
                    entry.first_s = now_s
                entry.written += sockets
        return taken, sockets

    def tell_position(self, level: Cursor, now_s: float) -> None:
        """Write every member, quiet until then, a block with the id of `level`."""
        self.sent = level
        self.advanced_s = now_s
        self.write_all(self.form.position(level))

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

    def write_all(self, data: bytes) -> int:
        """Hand the same bytes to every member; how many sockets took them. Members that pause meanwhile wait in `fallen` for
        the caller.
        """
        self.flushing = True
        try:
            return self._lane.write(data)
        finally:
            self.flushing = False

    def take_fallen(self) -> list[Member]:
        """Those who paused since the last call."""
        fallen = self.fallen
        self.fallen = []
        return fallen
