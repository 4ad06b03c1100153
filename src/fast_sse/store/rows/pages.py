"""A page of the log, read by one statement; which one, this decides.

A filter that many channels match is read by walking the log, as long as that finds enough: a look at each of a hundred
thousand channels would cost more than the page. Where the walk finds little, the channels are merged from the same place,
so that a page costs at most twice what the better way does.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from fast_sse.model.cursor import Position
from fast_sse.model.message import Record
from fast_sse.store.judge import Ends
from fast_sse.store.ranges import Range
from fast_sse.store.rows.body import records_of, records_of_page
from fast_sse.store.rows.connect import misplaced
from fast_sse.store.rows.statements import (
    COUNT_SQL,
    JOINT,
    Asked,
    Way,
    asked_of,
    cut_sql,
    last_sql,
    whole_sql,
)

#: The largest integer SQLite can hold.
INTEGER_MAX = (1 << 63) - 1
#: What is joined for a page at most, as so many times the page's own bound, and at least.
_JOINED_PAGES_MAX = 2
_JOINED_BYTES_MIN = 64 << 10
#: Pages that are cut at once after one that was too heavy to be joined: large messages come in runs.
_CUT_PAGES = 8
#: Channels from which on the log is walked first, and how far they are counted.
MANY_CHANNELS, _COUNT_MAX = 256, 20_000
#: Places of one walk, and as many looks into the index as it costs.
_WALK_PLACES, _WALK_LOOKS = 8_192, 3_000

_decode_pairs = msgspec.json.Decoder(list[tuple[int, int]]).decode


class Found(NamedTuple):
    """A page as the snapshot had it.

    `full`: more may match above the last record; else the scan reached the newest. `damaged`: the position of a
    record that cannot be read, when it would have been the first; a page ends before any other.
    """

    ends: Ends
    records: list[Record]
    full: bool
    damaged: Position | None = None


class Pages:
    """The pages that one connection reads."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._cut_next = 0

    def page(self, wanted: Sequence[Range], after: Position, records_max: int, bytes_max: int) -> Found:
        """See `SqliteLog.page`."""
        after = min(after, INTEGER_MAX)
        asked = asked_of(tuple(wanted))
        if asked.open_ended and (channels := self._count(asked)) >= MANY_CHANNELS:
            end = min(after + _WALK_PLACES, INTEGER_MAX)
            walk = Asked(Way.WALK, (*asked.values, end), open_ended=True)
            found = self._page(walk, after, records_max, bytes_max)
            if end >= found.ends.newest:
                return found
            # The other way finds a whole page, for one look for each channel and each record.
            enough = _WALK_LOOKS * records_max / (channels + records_max)
            if found.full or found.damaged is not None or len(found.records) >= max(1, enough):
                return found._replace(full=True)
        return self._page(asked, after, records_max, bytes_max)

    def nth_from_end(self, wanted: Sequence[Range], count: int) -> tuple[Position | None, Position]:
        """See `SqliteLog.nth_from_end`."""
        asked = asked_of(tuple(wanted))
        first: Position | None
        if asked.open_ended and self._count(asked) >= MANY_CHANNELS:
            (end,) = self._connection.execute("SELECT max(seq) FROM log").fetchone()
            values = (INTEGER_MAX, count, None, *asked.values, (end or 0) - _WALK_PLACES)
            hits, first, newest = self._connection.execute(last_sql(Way.WALK), values).fetchone()
            if hits == count:
                return first, newest
        values = (INTEGER_MAX, count, None, *asked.values)
        _, first, newest = self._connection.execute(last_sql(asked.way), values).fetchone()
        return first, newest

    def _count(self, asked: Asked) -> int:
        _, ids, types = asked.values
        return int(self._connection.execute(COUNT_SQL, (_COUNT_MAX, ids, types)).fetchone()[0])

    def _page(self, asked: Asked, after: Position, records_max: int, bytes_max: int) -> Found:
        whole = self._whole_page(asked, after, records_max, bytes_max)
        if whole is not None:
            trimmed, newest, losses, hits, records = whole
            damaged = None
        else:  # much too heavy for one page, or damaged: a second look, a row at a time
            values = (after, records_max, bytes_max, *asked.values)
            found = self._connection.execute(cut_sql(asked.way), values).fetchone()
            trimmed, newest, losses, hits, text, bodies = found
            records, damaged = records_of(_decode_pairs(text), bodies, after)
        full = hits == records_max or len(records) < hits
        damaged = None if records else damaged
        first = records[0].position if records else damaged
        if first is not None and first <= after:
            raise misplaced(first)
        return Found(Ends(trimmed, newest, tuple(_decode_pairs(losses))), records, full, damaged)

    def _whole_page(
        self, asked: Asked, after: Position, records_max: int, bytes_max: int
    ) -> tuple[Position, Position, str, int, list[Record]] | None:
        """Ends, losses, number of hits, and the records; None when it is much more than a page, or one is damaged."""
        if self._cut_next:
            self._cut_next -= 1
            return None
        limit = self._connection.setlimit
        usual = limit(sqlite3.SQLITE_LIMIT_LENGTH, -1)  # asks only
        joined_max = max(_JOINED_BYTES_MIN, _JOINED_PAGES_MAX * bytes_max)
        limit(sqlite3.SQLITE_LIMIT_LENGTH, min(usual, joined_max))
        try:
            values = (after, records_max, JOINT, *asked.values)
            found = self._connection.execute(whole_sql(asked.way), values).fetchone()
        except sqlite3.DataError:  # "string or blob too big"
            self._cut_next = _CUT_PAGES
            return None
        finally:
            limit(sqlite3.SQLITE_LIMIT_LENGTH, usual)
        trimmed, newest, losses, hits, sizes, joined, positions_sum = found
        records = records_of_page(sizes, joined, positions_sum, bytes_max) if hits else []
        return None if records is None else (trimmed, newest, losses, hits, records)
