"""The SQLite store: the log in one directory of this machine, fsynced before it is acknowledged.

The default: no server to install. A 2xx means the commit's fsync returned (WAL, synchronous=FULL, group commit).
One thread writes, a few read short pages, the loop's thread does neither: it numbers, builds rows, and hands
what was committed to followers.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from fast_sse.model.channel import Channel, Filter
from fast_sse.model.cursor import Cursor, Position
from fast_sse.model.errors import FastSseError, NotStoredError, StoreClosedError, UnavailableError
from fast_sse.model.message import Draft, Record, erasure
from fast_sse.store.base import (
    Appended,
    Bounds,
    Gap,
    Outcome,
    Page,
    Retention,
    Store,
    Windows,
    refused_append,
)
from fast_sse.store.judge import Ends, judge
from fast_sse.store.ranges import ALL, Range, ranges
from fast_sse.store.relay import Relay
from fast_sse.store.sqlite_ballast import BALLAST_BYTES, Ballast
from fast_sse.store.sqlite_files import SqliteFiles, connect
from fast_sse.store.sqlite_group import Job, Special, job
from fast_sse.store.sqlite_keeper import Keeper, Trimmed
from fast_sse.store.sqlite_log import SqliteLog
from fast_sse.store.sqlite_reserve import BLOCK
from fast_sse.store.sqlite_since import since
from fast_sse.store.sqlite_writer import Group, Writer

_T = TypeVar("_T")
_log = logging.getLogger(__name__)

#: Threads that read.
_READERS = 2
#: One page for a follower that lags behind the window.
_FOLLOWER_RECORDS = 512
_FOLLOWER_BYTES = 1 << 20


def _wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


class SqliteStore(Store):
    """The log in `directory`, which it makes and locks."""

    kind = "s1"
    durability = "fsync"

    def __init__(
        self,
        directory: Path,
        retention: Retention = Retention(),  # noqa: B008 - frozen
        windows: Windows = Windows(),  # noqa: B008 - frozen
        *,
        now_ms: Callable[[], int] = _wall_clock_ms,
        ping_s: float = 2.0,
        retry_s: float = 0.5,
        reserve_block: int = BLOCK,
        ballast_bytes: int = BALLAST_BYTES,
    ) -> None:
        """`ping_s`: deadline of the write probe. `retry_s`: pause between attempts to mend a broken log."""
        self._directory = directory
        self._retention = retention
        self._windows = windows
        self._window_ms = int(windows.key_window_s * 1000)
        self._now_ms = now_ms
        self._ping_s = ping_s
        self._retry_s = retry_s
        self._reserve_block = reserve_block
        self._ballast_bytes = ballast_bytes
        self._writer: Writer | None = None
        self._keeper: Keeper | None = None
        self._closed = False
        self._readers: ThreadPoolExecutor | None = None
        self._local = threading.local()
        self._reading: list[sqlite3.Connection] = []
        self._origin = Cursor(self.kind, "", 0)
        self._given: Position = 0
        self._trimmed: Position = 0
        self._newest: Position = 0
        self._last_ms = 0
        self._relay = Relay(0)

    # -- life ---------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Lock and open the directory; after an error it may be tried again."""
        self._check(self._closed or self._writer is not None)
        self._files = SqliteFiles(self._directory, self._reserve_block)
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="fast-sse-log-reader")
        writer = Writer(self._settle)
        try:
            keeper, ends = await writer.loop.run_in_executor(self._readers, self._open_files, writer)
        except BaseException:
            self._readers.shutdown(wait=False)
            self._readers = None
            raise
        self._origin = Cursor(self.kind, self._files.epoch, 0)
        self._given = self._newest = ends.newest
        self._trimmed = ends.trimmed
        self._relay = Relay(ends.newest)
        writer.start(keeper)
        self._keeper, self._writer = keeper, writer

    async def close(self) -> None:
        """Commit what was appended, end the followers, leave the file so that the next opening finds no loss."""
        self._closed = True
        writer, self._writer = self._writer, None
        readers, self._readers = self._readers, None
        if writer is None or readers is None:
            return
        await asyncio.to_thread(readers.shutdown)
        for connection in self._reading:
            connection.close()
        await writer.close(self._given)
        self._relay.close()

    @property
    def keys_cut(self) -> int:
        """Keys forgotten before their window ended, because there were more than `keys_max`."""
        return self._keeper.keys_cut if self._keeper else 0

    def _open_files(self, writer: Writer) -> tuple[Keeper, Ends]:
        log, ends = self._files.open()
        try:
            self._last_ms = log.last_ms()
            keeper = Keeper(
                self._files,
                log,
                ballast=Ballast(self._directory, self._ballast_bytes),
                windows=self._windows,
                retry_s=self._retry_s,
                on_mended=lambda newest: writer.tell(self._recovered, newest),
            )
        except BaseException:
            log.connection.close()
            self._files.release()
            raise
        return keeper, ends

    # -- writing ------------------------------------------------------------------------------------

    def append(self, drafts: Sequence[Draft]) -> asyncio.Future[list[Outcome]]:
        """Number the drafts, build their rows and queue them for the next group."""
        writer = self._writer
        if writer is None:
            return refused_append()
        future: asyncio.Future[list[Outcome]] = writer.loop.create_future()
        if not drafts:
            future.set_result([])
            return future
        now_ms = self._now_ms()
        self._last_ms = max(self._last_ms, now_ms)
        work = job(future, drafts, self._given, now_ms, self._last_ms, self._window_ms)
        self._given += len(drafts)
        writer.submit(work)
        return future

    async def trim(self) -> int:
        """One step of at most 500 records and 500 expired and 500 excess keys."""
        keeper, now_ms = self._kept(), self._now_ms()
        step: Trimmed = await self._opened().do(lambda: keeper.trim(self._retention, now_ms))
        self._trimmed = max(self._trimmed, step.trimmed)
        return step.gone

    async def erase(self, target: Channel) -> int:
        """Steps of at most 500 records, between the commits of others."""
        keeper = self._kept()
        (outcome,) = await self.append([erasure(target)])
        if not isinstance(outcome, Appended):
            raise outcome
        below, erased = outcome.cursor.position, 0
        while gone := await self._opened().do(lambda: keeper.erase(target, below)):
            erased += gone
        return erased

    async def ping(self) -> None:
        """Write the probe's row, within `ping_s`."""
        keeper, now_ms = self._kept(), self._now_ms()
        probe = self._opened().do(lambda: keeper.probe(now_ms))
        done, _ = await asyncio.wait({probe}, timeout=self._ping_s)
        if not done:
            probe.cancel()
            raise NotStoredError("the log did not take a write in time")
        probe.result()

    def _settle(self, group: Group) -> None:
        """Answer everybody in a committed group and hand its records on. Called once per group."""
        jobs, error, special = group
        if error is not None:
            for one in jobs:
                _answer(one.future, [error] * len(one.records))
            return
        fresh: list[Record] = []
        at = self._origin.at
        for one in jobs:
            if special and one.digests:
                _answer(one.future, self._special_outcomes(one, special, fresh))
            else:
                fresh += one.records
                _answer(one.future, [Appended(at(record.position)) for record in one.records])
        if fresh:
            self._newest = max(self._newest, fresh[-1].position)
            self._relay.push(fresh)

    def _special_outcomes(self, one: Job, special: Special, fresh: list[Record]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for record in one.records:
            found = special.get(record.position)
            if found is None:
                fresh.append(record)
                outcomes.append(Appended(self._origin.at(record.position)))
            elif isinstance(found, FastSseError):
                outcomes.append(found)
            else:
                outcomes.append(Appended(self._origin.at(found.position), duplicate=True))
        return outcomes

    def _recovered(self, newest: Position) -> None:
        """After an unknown outcome the log may hold records that were handed to nobody."""
        if newest > self._newest:
            self._newest = newest
            self._relay.restart(newest)

    # -- reading ------------------------------------------------------------------------------------

    async def read(self, wanted: Filter, after: Cursor, records_max: int, bytes_max: int) -> Page:
        """One page in one SELECT, which is also the snapshot that the cursor is judged by."""
        arms = ranges(wanted)
        return await self._read(lambda log: self._page(log, arms, after, records_max, bytes_max))

    async def last(self, wanted: Filter, count: int, bytes_max: int = 1 << 20) -> Page:
        """The last matching records, found backwards on the indexes."""
        arms = ranges(wanted)
        return await self._read(lambda log: self._last(log, arms, count, bytes_max))

    async def since(self, time_ms: int) -> Page:
        """By halving, in one SELECT."""
        return await self._read(lambda log: since(log, self._origin, time_ms))

    async def get(self, position: Position) -> Record | None:
        """One record, None when there is none."""
        return await self._read(lambda log: log.get(position))

    def follow(self, after: Cursor) -> AsyncIterator[list[Record]]:
        """Groups as they are committed; a slow follower is served by pages."""
        self._opened()
        return self._relay.follow(after, self._page_for_follower)

    async def bounds(self) -> Bounds:
        """The ends of the log: this process alone moves them."""
        self._opened()
        return Bounds(self._origin.at(self._trimmed), self._origin.at(self._newest))

    async def _page_for_follower(self, after: Cursor) -> Page:
        return await self._read(
            lambda log: self._page(log, (ALL,), after, _FOLLOWER_RECORDS, _FOLLOWER_BYTES)
        )

    async def _read(self, work: Callable[[SqliteLog], _T]) -> _T:
        writer = self._opened()

        def run() -> _T:
            try:
                return work(self._reader())
            except sqlite3.Error as error:
                raise UnavailableError("the log cannot be read now") from error

        assert self._readers is not None
        return await writer.loop.run_in_executor(self._readers, run)

    def _reader(self) -> SqliteLog:
        """The own connection of the thread that reads."""
        log: SqliteLog | None = getattr(self._local, "log", None)
        if log is None:
            connection = connect(self._files.path, writer=False)
            self._reading.append(connection)
            log = self._local.log = SqliteLog(connection)
        return log

    def _page(
        self, log: SqliteLog, arms: tuple[Range, ...], after: Cursor, records_max: int, bytes_max: int
    ) -> Page:
        at = self._origin.at
        place = after
        gap: Gap | None = None
        while True:
            found = log.page(arms, place.position, records_max, bytes_max)
            again = judge(place, self._origin, found.ends)
            if again is None and found.damaged is not None:
                _log.error("the record at position %d is damaged", found.damaged)
                again = Gap("unreadable", at(found.damaged))
            if again is None:
                break
            gap = Gap(gap.reason if gap else again.reason, again.resumed_at)
            place = again.resumed_at
        through = found.records[-1].position if found.full else found.ends.newest
        return Page(found.records, at(place.position), at(through), gap)

    def _last(self, log: SqliteLog, arms: tuple[Range, ...], count: int, bytes_max: int) -> Page:
        while True:
            first, newest = log.nth_from_end(arms, count)
            start = self._origin.at(newest if first is None else first - 1)
            if first is None:
                return Page([], start, start)
            page = self._page(log, arms, start, count, bytes_max)
            if page.gap is None or page.gap.reason != "trimmed":  # else trimmed between the two: look again
                return page

    # -- small things -------------------------------------------------------------------------------

    def _opened(self) -> Writer:
        if self._writer is None:
            raise StoreClosedError("the store is closed")
        return self._writer

    def _kept(self) -> Keeper:
        self._opened()
        assert self._keeper is not None
        return self._keeper

    def _check(self, wrong: bool) -> None:
        if wrong:
            raise StoreClosedError("the store is open already, or was closed")


def _answer(future: asyncio.Future[list[Outcome]], outcomes: list[Outcome]) -> None:
    if not future.done():
        future.set_result(outcomes)
