"""The recent records of this node, encoded once, bounded in bytes.

The tail is what makes live delivery and a short catch-up the same thing: both read these entries. It covers a
cursor when every record after that cursor is still in it; for older cursors the store's indexes are the way.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable

from fast_sse.hub.frames import PAYLOAD, SHAPES, frame_of, is_packed
from fast_sse.model.channel import Channel, Filter, matches
from fast_sse.model.cursor import Cursor, Position
from fast_sse.model.limits import KIB, Limits
from fast_sse.model.message import Record

#: Dropped entries are cut off the front of the list when they are this many and half of it.
_COMPACT_MIN = 1024


class Entry:
    """A record with its frames. Each shape is encoded when it is first asked for, and then shared by all streams.

    `text` gives the `id:` of a record of its log (`frames.id_texts`); `packed_bytes_min`: see `frames.is_packed`.

    Attributes:
        written: sockets of this node that it was written to.
        first_s: when that first happened (loop time).
        elsewhere: sockets of other nodes, as far as they told.
    """

    __slots__ = (
        "_frames", "_packed_bytes_min", "_text", "elsewhere", "first_s", "position", "record", "written",
    )  # fmt: skip

    def __init__(self, record: Record, text: Callable[[Record], str], packed_bytes_min: int = KIB) -> None:
        self.record = record
        self.position: Position = record.position
        self._text = text
        self._packed_bytes_min = packed_bytes_min
        self._frames = [b""] * len(SHAPES)
        self.written = self.elsewhere = 0
        self.first_s = 0.0

    def frame(self, shape: int) -> bytes:
        """The SSE bytes of this record in one of the shapes of `frames.py`."""
        found = self._frames[shape]
        if not found:
            plain = shape >= PAYLOAD and not is_packed(self.record, self._packed_bytes_min)
            # One that is not packed is the same bytes as in a plain stream, and the same object.
            found = self._frames[shape] = self.frame(shape - PAYLOAD) if plain else self.encode(shape)
        return found

    def is_unpacked(self, shape: int) -> bool:
        """Whether its frame in this shape is still to be made, by packing."""
        return shape >= PAYLOAD and not self._frames[shape] and is_packed(self.record, self._packed_bytes_min)

    def encode(self, shape: int) -> bytes:
        """A frame as `frame` gives it, made anew and not kept. For a thread; then `keep` it in the loop."""
        return frame_of(self.record, self._text(self.record), shape, self._packed_bytes_min)

    def keep(self, shape: int, frame: bytes) -> None:
        """Keep what `encode` made."""
        self._frames[shape] = frame


def _weight(record: Record) -> int:
    """What an entry weighs: the record and, as an estimate that needs no encoding, one frame of it."""
    return 2 * (len(record.data) + len(record.headers)) + len(record.meta) + 400


def acceptor(wanted: Filter) -> Callable[[Channel], bool]:
    """A fast `wanted.matches`: one set look-up for filters of exact channels."""
    if any(pattern.is_wildcard for pattern in wanted.patterns):
        if len(wanted.patterns) == 1:
            pattern = wanted.patterns[0]
            return lambda channel: matches(channel, pattern)
        return wanted.matches
    return frozenset(
        place
        for event_id, event_type in wanted.patterns
        for place in ((event_id, event_type), (event_id, "*"), ("*", event_type), ("*", "*"))
    ).__contains__


class Tail:
    """Entries in log order after `floor`, an exclusive position: nothing after it is missing.

    Attributes:
        swept: the last position whose count was looked at.
        before_drop: called before an entry above `swept` is dropped.
    """

    def __init__(self, limits: Limits) -> None:
        self.swept: Position = 0
        self.before_drop: Callable[[], object] = lambda: None
        self._bytes_max = limits.tail_bytes_max
        self._records_max = limits.tail_records_max
        self._entries: list[Entry] = []
        self._positions: list[Position] = []
        self._head = 0
        self._bytes = 0
        self._husk = Entry.__new__(Entry)
        self._origin: Cursor | None = None
        self._dropped: Record | None = None

    def __len__(self) -> int:
        return len(self._entries) - self._head

    @property
    def size_bytes(self) -> int:
        """Memory that its records take, roughly."""
        return self._bytes

    def reset(self, floor: Cursor) -> None:
        """Forget everything; from now on the tail holds what follows `floor`."""
        self._entries.clear()
        self._positions.clear()
        self._head = self._bytes = 0
        self._origin = floor
        self._dropped = None

    @property
    def floor(self) -> Cursor | None:
        """The log this tail belongs to and the exclusive start of what it holds. None before the first `reset`."""
        last = self._dropped
        if last is None or self._origin is None:
            return self._origin
        return self._origin.at(last.position, last.fingerprint)

    def append(self, entry: Entry) -> None:
        """Add the next record of the log, dropping the oldest ones past the bounds."""
        self._entries.append(entry)
        self._positions.append(entry.record.position)
        self._bytes += _weight(entry.record)
        while self._bytes > self._bytes_max or len(self._entries) - self._head > self._records_max:
            self._drop_oldest()

    def trim_to(self, position: Position) -> None:
        """Forget what retention has taken from the store: a cursor below the trim mark is a gap, however near."""
        while len(self) and self._positions[self._head] <= position:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        entry = self._entries[self._head]
        if entry.position > self.swept:
            self.before_drop()
        self._dropped = entry.record
        self._bytes -= _weight(entry.record)
        self._entries[self._head] = self._husk  # lets go of it now, and not when the list is cut
        self._head += 1
        if self._head > _COMPACT_MIN and self._head * 2 > len(self._entries):
            del self._entries[: self._head], self._positions[: self._head]
            self._head = 0

    def erase(self, target: Channel) -> None:
        """Forget the records of exactly this channel; what is said of the places between stays true."""
        kept = [
            entry
            for entry in self._entries[self._head :]
            if entry.record.channel != target or entry.record.is_control
        ]
        self._entries, self._positions, self._head = kept, [entry.position for entry in kept], 0
        self._bytes = sum(_weight(entry.record) for entry in kept)

    def covers(self, cursor: Cursor) -> bool:
        """Whether every record after the cursor that the follower has seen is in the tail.

        It must be that of an entry or of the floor, as every id of ours is; any other is the store's to judge.
        """
        floor = self.floor
        if floor is None or cursor.epoch != floor.epoch or cursor.kind != floor.kind:
            return False
        if cursor.position <= floor.position:
            return cursor == floor
        index = bisect_right(self._positions, cursor.position, lo=self._head) - 1
        if index < self._head or self._positions[index] != cursor.position:
            return False
        return self._entries[index].record.fingerprint == cursor.fingerprint

    def find(self, position: Position) -> Entry | None:
        """The entry at exactly this position."""
        index = bisect_left(self._positions, position, lo=self._head)
        if index < len(self._positions) and self._positions[index] == position:
            return self._entries[index]
        return None

    def count_after(self, position: Position) -> int:
        """How many entries follow the position."""
        return len(self._positions) - bisect_right(self._positions, position, lo=self._head)

    def between(self, after: Position, through: Position) -> list[Entry]:
        """The entries in (after, through]."""
        start = bisect_right(self._positions, after, lo=self._head)
        return self._entries[start : bisect_right(self._positions, through, lo=start)]

    def first_after(self, position: Position, count: int) -> list[Entry]:
        """The first `count` entries after the position."""
        start = bisect_right(self._positions, position, lo=self._head)
        return self._entries[start : start + count]
