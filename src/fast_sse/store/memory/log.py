"""The log of the memory store: records by position, with the same three indexes as on disk.

Positions in an index only grow, so a range is a slice found by bisection. Trimming drops a prefix; index
entries that point below it are dead and are cut off when they are half of their list, so that trimming one
record costs the same however long the log is.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from heapq import merge
from itertools import islice

from fast_sse.model.channel import Channel
from fast_sse.model.cursor import Position
from fast_sse.model.message import Record
from fast_sse.store.ranges import ALL, Range
from fast_sse.store.record import weight

#: Dead entries an index may hold before it is looked at.
_DEAD_MIN = 64


class MemoryLog:
    """Records in order, readable by range. Not thread-safe; no clock and no policy."""

    def __init__(self) -> None:
        self._records: dict[Position, Record] = {}
        self._indexes: dict[Range, list[Position]] = {ALL: []}
        self.trimmed: Position = 0
        self.newest: Position = 0
        #: Times of the newest record and of the trim mark.
        self.newest_ms = 0
        self.trimmed_ms = 0
        self.weight = 0

    def __len__(self) -> int:
        return len(self._records)

    def add(self, record: Record) -> None:
        """Append one record; its position is above the newest, its time not below."""
        self._records[record.position] = record
        for index in _indexes_of(record):
            positions = self._indexes.get(index)
            if positions is None:
                self._indexes[index] = [record.position]
            else:
                positions.append(record.position)
        self.newest, self.newest_ms = record.position, record.time_ms
        self.weight += weight(record)

    def get(self, position: Position) -> Record | None:
        """The record there, None when there is none."""
        return self._records.get(position)

    def oldest(self) -> Record | None:
        """The first record, None when the log is empty."""
        return next(self.after((ALL,), self.trimmed), None)

    def after(self, wanted: tuple[Range, ...], place: Position) -> Iterator[Record]:
        """Matching records above `place`, ascending, each once."""
        place = max(place, self.trimmed)
        parts = [part for one in wanted if (part := self._slice(one, place)) is not None]
        if len(parts) == 1:  # as a rule: who publishes to a wildcard?
            return map(self._records.__getitem__, parts[0])
        return self._merged(parts)

    def _merged(self, parts: list[Iterator[Position]]) -> Iterator[Record]:
        last = 0
        for position in merge(*parts):
            if position != last:
                last = position
                yield self._records[position]

    def nth_from_end(self, wanted: tuple[Range, ...], count: int) -> Position | None:
        """The position of the first of the last `count` matching records, None when none matches."""
        last: Position | None = None
        seen = 0
        for position in merge(*(self._backwards(one) for one in wanted), reverse=True):
            if position != last:
                last = position
                seen += 1
                if seen == count:
                    break
        return last

    def first_since(self, time_ms: int) -> Position | None:
        """The position of the first record of that time or later, None when there is none."""
        positions = self._indexes[ALL]
        low = bisect_right(positions, self.trimmed)
        at = bisect_left(positions, time_ms, low, key=lambda position: self._records[position].time_ms)
        return positions[at] if at < len(positions) else None

    def drop(self, oldest: Record) -> None:
        """Remove the oldest record and move the trim mark to it."""
        del self._records[oldest.position]
        self.trimmed, self.trimmed_ms = oldest.position, oldest.time_ms
        self.weight -= weight(oldest)
        for index in _indexes_of(oldest):
            self._cut(index)

    def erase(self, target: Channel, below: Position) -> int:
        """Remove the records of exactly this channel before a position; how many went."""
        gone = {
            record.position
            for record in self.after((Range(*target),), self.trimmed)
            if record.position < below
        }
        touched = (ALL, Range(*target), Range(target.event_id, None), Range(None, target.event_type))
        for index in touched if gone else ():
            kept = [position for position in self._indexes[index] if position not in gone]
            if kept or index is ALL:
                self._indexes[index] = kept
            else:
                del self._indexes[index]
        for position in gone:
            self.weight -= weight(self._records.pop(position))
        return len(gone)

    def _slice(self, one: Range, place: Position) -> Iterator[Position] | None:
        positions = self._indexes.get(one, [])
        start = bisect_right(positions, place)
        if start == len(positions):
            return None
        # By index: an islice would walk there from the beginning of the log.
        return map(positions.__getitem__, range(start, len(positions)))

    def _backwards(self, one: Range) -> Iterator[Position]:
        positions = self._indexes.get(one, [])
        return islice(reversed(positions), len(positions) - bisect_right(positions, self.trimmed))

    def _cut(self, index: Range) -> None:
        positions = self._indexes[index]
        if index is not ALL and positions[-1] <= self.trimmed:
            del self._indexes[index]
            return
        middle = len(positions) // 2
        if len(positions) > _DEAD_MIN and positions[middle] <= self.trimmed:
            del positions[:middle]


def _indexes_of(record: Record) -> tuple[Range, ...]:
    if record.is_control:
        return (ALL,)
    event_id, event_type = record.channel
    # Plain tuples hash and compare as a Range, and cost a third of one to make.
    return (ALL, (event_id, event_type), (event_id, None), (None, event_type))  # type: ignore[return-value]
