"""A log with malformed pages, read all the same: what cannot be read is a gap, and what lies behind it follows.

SQLite reports such a page to whoever walks over it, again and again: a stream would stand still before it for ever, with
heartbeats and nothing else. So the range that cannot be read is looked for, by doubling and halving, and told as one gap
`unreadable` (guarantee G6). Where several lie close together the gap may take what is between them, too.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from bisect import bisect_right, insort
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import msgspec

from fast_sse.model.cursor import Position
from fast_sse.observe.metrics import Sample
from fast_sse.store.judge import Ends
from fast_sse.store.ranges import Range
from fast_sse.store.rows.connect import error_code
from fast_sse.store.rows.log import SqliteLog, Totals
from fast_sse.store.rows.pages import Found

_log = logging.getLogger(__name__)

#: What SQLite says of a page, or of a length in it, that nobody wrote.
_CODES = frozenset(
    {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_TOOBIG}
)
#: Records of a page before damage: tried from the first on.
_SHORTER = (64, 8, 1)
#: Damaged places that are remembered, so that each has one line in the log.
_PLACES_MAX = 1024
_RESTORE = "restore a backup, or begin a new log, and look at the disk"


def is_damage(error: Exception) -> bool:
    """Whether the file holds what was never written to it: asking again does not help."""
    if isinstance(error, sqlite3.Error):
        return error_code(error) in _CODES
    return isinstance(error, msgspec.MsgspecError)  # a column has become something of another kind


def is_unreadable(error: sqlite3.Error) -> bool:
    """Whether rows that are only looked at make no sense: malformed, or of a kind that no statement of ours expects."""
    return is_damage(error) or error_code(error) in (0, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH)


class Damage:
    """What is known of it, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places: set[Position | str] = set()
        self._strays: list[Position] = []
        #: Damaged places that were met.
        self.count = 0

    def found(self, after: Position, through: Position) -> None:
        """What lies between cannot be read. Said once."""
        with self._lock:
            if after in self._places or len(self._places) >= _PLACES_MAX:
                return
            self._places.add(after)
            self.count += 1
        _log.error(
            "log.db is damaged: nothing after position %d to %d can be read; %s", after, through, _RESTORE
        )

    def met(self, what: str) -> None:
        """Something else than a page of records met damage. Said once."""
        with self._lock:
            if what in self._places:
                return
            self._places.add(what)
            self.count += 1
        _log.error("log.db is damaged: %s; %s", what, _RESTORE)

    def stray(self, position: Position) -> None:
        """A whole record is not found by its channel, or by another one: a gap for whoever passes it. Said once."""
        with self._lock:
            if position in self._strays or len(self._strays) >= _PLACES_MAX:
                return
            insort(self._strays, position)
            self.count += 1
        _log.error(
            "log.db is damaged: the row of position %d is not what was written; %s", position, _RESTORE
        )

    def first_stray(self, after: Position, through: Position) -> Position | None:
        """The first record in a range that readers may not have been given."""
        if not self._strays:
            return None
        at = bisect_right(self._strays, after)
        return self._strays[at] if at < len(self._strays) and self._strays[at] <= through else None

    @contextmanager
    def noted(self, what: str) -> Iterator[None]:
        """Damage that is met inside is noted, and what is inside given up. Other errors are raised."""
        try:
            yield
        except msgspec.MsgspecError:
            self.met(what)
        except sqlite3.Error as error:
            if not is_unreadable(error):
                raise
            self.met(what)

    def samples(self) -> list[Sample]:
        """What operators see of it."""
        text = "Places of the log that cannot be read: a stream that passes one is told a gap."
        return [Sample("log_unreadable_total", "counter", text, self.count)]


def count_rows(log: SqliteLog, damage: Damage) -> tuple[Totals, int]:
    """What the log holds, and how many keys; nothing where that cannot be counted."""
    try:
        return log.totals(), log.keys()
    except sqlite3.Error as error:
        if not is_damage(error):
            raise
        damage.met("it cannot be counted, so retention by bytes and by number keeps too much")
        return Totals(0, 0), 0


class Read(NamedTuple):
    """A page, or in its place how far nothing can be read."""

    found: Found | None
    resumed_at: Position


def page_or_gap(
    log: SqliteLog,
    arms: Sequence[Range],
    after: Position,
    records_max: int,
    bytes_max: int,
    ends: Callable[[], Ends],
) -> Read:
    """`SqliteLog.page`, as much of it as can be read. `ends`: those of the log as the process knows them."""
    try:
        return Read(log.page(arms, after, records_max, bytes_max), after)
    except sqlite3.Error as error:
        if not is_damage(error):
            raise
    for fewer in _SHORTER:
        if fewer < records_max and (found := _tried(log, arms, after, fewer, bytes_max)) is not None:
            return Read(found, after)
    known = ends()
    if after >= known.newest:  # nothing is known to be behind it: what comes is handed on as it is committed
        return Read(Found(known, [], full=False), after)
    return Read(None, _readable_after(log, arms, after, known.newest))


def _readable_after(log: SqliteLog, arms: Sequence[Range], after: Position, newest: Position) -> Position:
    """The first place behind a damaged one from which reading goes on, `newest` when there is none."""
    bad, step = after, 1
    while True:
        good = min(after + step, newest)
        if good == newest or _tried(log, arms, good, 1, 1) is not None:
            break
        bad, step = good, 2 * step
    while good - bad > 1:
        middle = (good + bad) // 2
        if _tried(log, arms, middle, 1, 1) is not None:
            good = middle
        else:
            bad = middle
    return good


def _tried(
    log: SqliteLog, arms: Sequence[Range], after: Position, records_max: int, bytes_max: int
) -> Found | None:
    try:
        return log.page(arms, after, records_max, bytes_max)
    except sqlite3.Error as error:
        if not is_damage(error):
            raise
        return None
