"""The threads that read the log of SQLite: short pages, each in one SELECT, which is also the snapshot a cursor is judged by."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from fast_sse.model.cursor import Cursor, Position
from fast_sse.model.errors import BadRequestError, UnavailableError
from fast_sse.store.base import Gap, Page
from fast_sse.store.judge import Ends, judge
from fast_sse.store.ranges import ALL, Range
from fast_sse.store.rows.connect import connect
from fast_sse.store.rows.log import SqliteLog
from fast_sse.store.rows.pages import Found
from fast_sse.store.rows.since import since
from fast_sse.store.rows.wal import Gate
from fast_sse.store.sqlite.damage import Damage, is_damage, page_or_gap

_T = TypeVar("_T")
_log = logging.getLogger(__name__)

_THREADS = 2

Arms = tuple[Range, ...]
KnownEnds = Callable[[], Ends]


class Readers:
    """Connections of threads to one file. Made before the file is."""

    def __init__(self, path: Path, gate: Gate) -> None:
        self._path = path
        self._gate = gate
        self._loop = asyncio.get_running_loop()
        self.pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="fast-sse-log-reader")
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []

    async def run(self, work: Callable[[SqliteLog], _T]) -> _T:
        """Run `work` on a thread. Raises UnavailableError, whatever it raises, but for BadRequestError."""
        return await self._loop.run_in_executor(self.pool, self._run, work)

    async def close(self) -> None:
        """Finish what is being read."""
        await asyncio.to_thread(self.pool.shutdown)
        for connection in self._connections:
            connection.close()

    def _run(self, work: Callable[[SqliteLog], _T]) -> _T:
        try:
            with self._gate.reading():
                return work(self._own())
        except BadRequestError:
            raise
        except sqlite3.Error as error:
            raise UnavailableError("the log cannot be read now") from error
        except Exception as error:
            _log.exception("a defect in reading log.db: report it")
            raise UnavailableError("the log cannot be read now") from error

    def _own(self) -> SqliteLog:
        """The own connection of the thread that reads."""
        log: SqliteLog | None = getattr(self._local, "log", None)
        if log is None:
            connection = connect(self._path, writer=False)
            self._connections.append(connection)
            log = self._local.log = SqliteLog(connection)
        return log


class Reading:
    """What is read of one log, as pages of the contract. Runs on the readers' threads."""

    def __init__(self, origin: Cursor, ends: KnownEnds, damage: Damage) -> None:
        """`ends`: those of the log as the process knows them, for a log that cannot say."""
        self._origin = origin
        self._ends = ends
        self._damage = damage

    def page(self, log: SqliteLog, arms: Arms, after: Cursor, records_max: int, bytes_max: int) -> Page:
        """See `Store.read`."""
        at = self._origin.at
        place = after
        gap: Gap | None = None
        while True:
            found, readable = page_or_gap(log, arms, place.position, records_max, bytes_max, self._ends)
            again = judge(place, self._origin, found.ends if found else self._ends())
            if again is None and found is None:
                again = self._unreadable(place.position, readable)
            elif again is None and found is not None and found.damaged is not None:
                again = self._unreadable(found.damaged - 1, found.damaged)
            elif again is None and found is not None:
                found, again = self._up_to_a_stray(found, arms, place.position)
            if again is None:
                break
            gap = Gap(gap.reason if gap else again.reason, again.resumed_at)
            place = again.resumed_at
        assert found is not None
        through = found.records[-1].position if found.full else found.ends.newest
        return Page(found.records, at(place.position), at(through), gap)

    def last(self, log: SqliteLog, arms: Arms, count: int, bytes_max: int) -> Page:
        """See `Store.last`."""
        while True:
            try:
                first, newest = log.nth_from_end(arms, count)
            except sqlite3.Error as error:
                return self._not_found(error, self._ends().newest)
            start = self._origin.at(newest if first is None else first - 1)
            if first is None:
                return Page([], start, start)
            page = self.page(log, arms, start, count, bytes_max)
            if page.gap is None or page.gap.reason != "trimmed":  # else trimmed between the two: look again
                return page

    def since(self, log: SqliteLog, time_ms: int) -> Page:
        """See `Store.since`. Where the place cannot be found it is the beginning, rather than too late."""
        try:
            return since(log, self._origin, time_ms)
        except sqlite3.Error as error:
            return self._not_found(error, self._ends().trimmed)

    def _up_to_a_stray(self, found: Found, arms: Arms, after: Position) -> tuple[Found, Gap | None]:
        """A page up to a record that it may lack although it matches; the gap when there is none before it."""
        through = found.records[-1].position if found.full else found.ends.newest
        stray = self._damage.first_stray(after, through)
        if stray is None or ALL in arms:  # who reads the log itself is given all of it
            return found, None
        records = [record for record in found.records if record.position < stray]
        gap = None if records else Gap("unreadable", self._origin.at(stray))
        return found._replace(records=records, full=True), gap

    def _unreadable(self, after: Position, through: Position) -> Gap:
        self._damage.found(after, through)
        return Gap("unreadable", self._origin.at(through))

    def _not_found(self, error: sqlite3.Error, place: Position) -> Page:
        if not is_damage(error):
            raise error
        self._damage.met("a place in it cannot be found")
        start = self._origin.at(place)
        return Page([], start, start, Gap("unreadable", start))
