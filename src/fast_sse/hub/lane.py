"""The members of a live set, and the writing of the same bytes to all of them.

They are handed the very same bytes objects by their transports' bound `write`, so that a delivery costs one C call and no
Python bookkeeping. In a compressed set those in step, who share the window of one compressor, stand before the others:
all of them are brought into step, or out of it, by moving one number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

EVERYBODY = slice(None)


class Seated(Protocol):
    """What a lane knows of a member. `place` is the lane's to write, -1 before and after."""

    transport: Any
    place: int


class Lane:
    """Members that are written to together. Joining and leaving take constant time.

    Attributes:
        members: those in step, then the others.
        in_step: how many of them are in step.
    """

    __slots__ = ("_writers", "in_step", "members")

    def __init__(self) -> None:
        self.members: list[Any] = []
        self.in_step = 0
        self._writers: list[Callable[[bytes], None]] = []

    def add(self, member: Seated) -> None:
        """Take a member in; it is not in step."""
        member.place = len(self.members)
        self.members.append(member)
        self._writers.append(member.transport.write)

    def remove(self, member: Seated) -> None:
        """Take a member out: the last one takes its place."""
        place = member.place
        if place < self.in_step:
            self.in_step -= 1
            self._move(self.in_step, place)
            place = self.in_step
        self._move(len(self.members) - 1, place)
        self.members.pop()
        self._writers.pop()
        member.place = -1

    def _move(self, source: int, place: int) -> None:
        if source != place:
            last = self.members[source]
            last.place = place
            self.members[place] = last
            self._writers[place] = self._writers[source]

    def write(self, data: bytes, part: slice = EVERYBODY) -> int:
        """Hand the same bytes to every member, or to some; how many transports took them."""
        some = self._writers if part is EVERYBODY else self._writers[part]
        took = len(some)
        writers = iter(some)
        while True:
            try:
                for write in writers:
                    write(data)
                return took
            except RuntimeError:
                # A transport that is already closed says so by raising; its connection_lost is on the way.
                took -= 1

    def write_in_step(self, data: bytes) -> int:
        """`write` to those in step."""
        return self.write(data, slice(self.in_step))

    def write_out_of_step(self, data: bytes) -> int:
        """`write` to the others."""
        return self.write(data, slice(self.in_step, None) if self.in_step else EVERYBODY)
