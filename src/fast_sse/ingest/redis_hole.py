"""What a Redis stream let go before any reader had it, as `take.lua` finds it; the rule and its limits stand there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class Hole(NamedTuple):
    """Entries that were deleted unread.

    Attributes:
        last: the group's place when they were missed.
        side: `next`: the entry that comes then; `up to`: none of them lies behind this id.
        stop: that id.
        entries: how many.
        counted: `exactly` or `at least`. At least 0: a trim may have passed the group, or took what was read.
        place, read: what the group is set to once the hole is reported.
    """

    last: bytes
    side: str
    stop: bytes
    entries: int
    counted: str
    place: bytes
    read: int

    @classmethod
    def of(cls, reply: Sequence[Any]) -> Hole:
        """From the reply of the script."""
        last, side, stop, entries, counted, place, read = reply
        return cls(last, side.decode(), stop, entries, counted.decode(), place, read)

    def where(self, known: bytes) -> str:
        """Its place for a log, when all up to an id is known to have been read."""
        last = max(self.last, known, key=numbers)
        return f"last read {last.decode()}, {self.side} {self.stop.decode()}"


def numbers(place: bytes) -> tuple[int, ...]:
    """An id of Redis, so that it compares; the empty one is before all."""
    return tuple(map(int, place.split(b"-"))) if place else ()
