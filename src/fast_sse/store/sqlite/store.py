"""The SQLite store: the log in one directory of this machine, fsynced before it is acknowledged.

The default: no server to install. A 2xx means the commit's fsync returned (WAL, synchronous=FULL, group commit).
One thread writes, a few read short pages, the loop's thread does neither: it numbers, builds rows, and hands
what was committed to followers.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from fast_sse.model.channel import Channel, Filter
from fast_sse.model.cursor import Cursor, Position
from fast_sse.model.errors import (
    NotStoredError,
    StoreClosedError,
    UnavailableError,
    UnknownOutcomeError,
)
from fast_sse.model.message import Draft, Record, erasure
from fast_sse.observe.metrics import Sample
from fast_sse.store.base import Appended, Bounds, Outcome, Page, Retention, Store, Windows, refused_append
from fast_sse.store.judge import Ends
from fast_sse.store.letters import LetterBounds
from fast_sse.store.pace import ByHand, Pace, Paced
from fast_sse.store.ranges import ranges
from fast_sse.store.relay import Relay
from fast_sse.store.rows.channels import Numbers
from fast_sse.store.rows.log import SqliteLog
from fast_sse.store.rows.wal import Gate, Wal, wal_bytes_max
from fast_sse.store.sqlite.answers import answer, answer_all
from fast_sse.store.sqlite.audit import Audit, look_at_ends
from fast_sse.store.sqlite.ballast import BALLAST_BYTES, Ballast
from fast_sse.store.sqlite.damage import Damage
from fast_sse.store.sqlite.erasing import erase_below, erase_on
from fast_sse.store.sqlite.files import SqliteFiles, translated
from fast_sse.store.sqlite.group import job
from fast_sse.store.sqlite.keeper import Keeper
from fast_sse.store.sqlite.letters import SqliteLetters
from fast_sse.store.sqlite.opening import opened
from fast_sse.store.sqlite.parts import Parts, is_large
from fast_sse.store.sqlite.reader import Readers, Reading
from fast_sse.store.sqlite.reserve import BLOCK
from fast_sse.store.sqlite.trim import Trimmed
from fast_sse.store.sqlite.writer import Group, Writer

_T = TypeVar("_T")
_log = logging.getLogger(__name__)

#: Both times are kept so often, beside every probe: the next process goes on from there.
_KEEP_MS = 60_000


class SqliteStore(Store):
    """The log in `directory`, which it makes and locks."""

    kind = "s1"
    durability = "fsync"

    def __init__(  # noqa: PLR0913  what a deployment may choose, each with a default
        self,
        directory: Path,
        retention: Retention = Retention(),  # noqa: B008 - frozen
        windows: Windows = Windows(),  # noqa: B008 - frozen
        *,
        letters: LetterBounds = LetterBounds(),  # noqa: B008 - frozen
        now_ms: Callable[[], int] | None = None,
        ping_s: float = 2.0,
        retry_s: float = 0.5,
        reserve_block: int = BLOCK,
        ballast_bytes: int = BALLAST_BYTES,
    ) -> None:
        """`letters`: how many dead letters are kept. `now_ms`: a clock moved by hand, for tests.

        `ping_s`: deadline of the write probe. `retry_s`: pause between attempts to mend a broken log.
        """
        self._directory = directory
        self._retention = retention
        self._windows = windows
        self._window_ms = int(windows.key_window_s * 1000)
        self._pace: Paced = ByHand(now_ms) if now_ms else Pace(retention.clock_patience_s)
        self._ping_s = ping_s
        self._retry_s = retry_s
        self._reserve_block = reserve_block
        self._ballast_bytes = ballast_bytes
        self._writer: Writer | None = None
        self._keeper: Keeper | None = None
        self._closed = False
        self._readers: Readers | None = None
        self._audit: Audit | None = None
        self._damage = Damage()
        self._letters = SqliteLetters(
            letters, self._damage, self._write, self._read, self._pace.read, lambda: self._origin
        )
        self._numbers = Numbers()
        self._gate = Gate()
        self._wal = Wal(directory / "log.db", self._gate, wal_bytes_max(retention.max_bytes))
        self._parts: set[Parts] = set()
        self._erasing: asyncio.Task[None] | None = None
        self._kept_ms = 0
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
        writer = Writer(self._settle)
        readers = Readers(self._files.path, self._gate)
        keeper, ends = await opened(readers.pool, partial(self._open_files, writer))
        self._readers = readers
        self._origin = Cursor(self.kind, self._files.epoch, 0)
        self._reading = Reading(self._origin, self._ends, self._damage)
        self._given = self._newest = ends.newest
        self._trimmed = ends.trimmed
        self._relay = Relay(ends.newest)
        writer.start(keeper)
        self._keeper, self._writer, self._numbers = keeper, writer, keeper.numbers
        self._erasing = writer.loop.create_task(erase_on(keeper, self._do))
        self._audit = Audit(self._files.path, self._gate, self._wal, self._damage, self._ends)
        self._audit.start()

    async def close(self) -> None:
        """Commit what was appended, end the followers, leave the file so that the next opening finds no loss."""
        self._closed = True
        for parts in tuple(self._parts):
            parts.finish()
        writer, self._writer = self._writer, None
        readers, self._readers = self._readers, None
        if writer is None or readers is None:
            return
        if self._erasing is not None:
            self._erasing.cancel()
        if self._audit is not None:
            await writer.loop.run_in_executor(readers.pool, self._audit.stop)
        await readers.close()
        with suppress(UnavailableError):
            await writer.do(self._keep_times())
        await writer.close(self._given)
        self._relay.close()

    @property
    def letters(self) -> SqliteLetters:
        """The dead letters, in the same file and written by the same thread."""
        return self._letters

    @property
    def keys_cut(self) -> int:
        """Keys forgotten before their window ended, because there were more than `keys_max`."""
        return self._keeper.keys_cut if self._keeper else 0

    @property
    def damaged(self) -> bool:
        """Whether part of the log was found unreadable since the start."""
        return self._damage.count > 0

    def now_ms(self) -> int:
        """What time it is in the log: no step of the wall clock moves it until it is believed."""
        return self._pace.read().time_ms

    def samples(self) -> Iterable[Sample]:
        """The file in numbers, beside what every store counts."""
        return [*super().samples(), *self._wal.samples(), *self._damage.samples()]

    def _open_files(self, writer: Writer) -> tuple[Keeper, Ends]:
        log, ends = self._files.open()
        try:
            for what in self._files.damaged:
                self._damage.met(what)
            look_at_ends(log.connection, self._damage, ends)
            self._last_ms = log.last_ms()
            self._pace.begin(log.kept(), self._last_ms)
            keeper = Keeper(
                self._files,
                log,
                ballast=Ballast(self._directory, self._ballast_bytes),
                windows=self._windows,
                retry_s=self._retry_s,
                on_mended=lambda newest: writer.tell(self._recovered, newest),
                wal=self._wal,
                damage=self._damage,
            )
        except BaseException as error:
            log.connection.close()
            self._files.release()
            if isinstance(error, sqlite3.Error):
                raise translated(error) from error
            raise
        return keeper, ends

    # -- writing ------------------------------------------------------------------------------------

    def append(self, drafts: Sequence[Draft]) -> asyncio.Future[list[Outcome]]:
        """Number the drafts, build their rows and queue them for the next group; many of them in parts."""
        writer = self._writer
        if writer is None:
            return refused_append()
        if is_large(drafts):
            parts = Parts(drafts, writer.loop.create_future(), self._submit)
            self._parts.add(parts)
            parts.answer.add_done_callback(lambda _: self._parts.discard(parts))
            return parts.answer
        queued = self._submit(drafts)
        assert queued is not None
        return queued

    def _submit(self, drafts: Sequence[Draft]) -> asyncio.Future[list[Outcome]] | None:
        writer = self._writer
        if writer is None:
            return None
        future: asyncio.Future[list[Outcome]] = writer.loop.create_future()
        if not drafts:
            future.set_result([])
            return future
        at = self._pace.read()
        self._last_ms = max(self._last_ms, at.time_ms)
        work = job(future, drafts, self._given, at, self._last_ms, self._window_ms, self._numbers)
        self._given += len(drafts)
        writer.submit(work)
        return future

    async def trim(self, keep_after: Position | None = None) -> int:
        """One step of at most 500 records and 500 expired and 500 excess keys."""
        keeper, now, times = self._kept(), self._pace.read(), None
        if now.paced_ms - self._kept_ms >= _KEEP_MS:
            self._kept_ms, times = now.paced_ms, self._pace.keep()
        step: Trimmed = await self._opened().do(
            lambda: keeper.trim(self._retention, now.paced_ms, times, keep_after)
        )
        self._trimmed = max(self._trimmed, step.trimmed)
        return step.gone

    async def erase(self, target: Channel) -> int:
        """Steps of at most 500 records, between the commits of others."""
        self._opened()
        (outcome,) = await self.append([erasure(target)])
        if not isinstance(outcome, Appended):
            raise outcome
        return await erase_below(self._kept(), self._do, target, outcome.cursor.position)

    def _do(self, chore: Callable[[], Any]) -> asyncio.Future[Any]:
        return self._opened().do(chore)

    def _keep_times(self) -> Callable[[], None]:
        keeper, times = self._keeper, self._pace.keep()
        assert keeper is not None
        return lambda: keeper.keep(times)

    async def ping(self) -> None:
        """Write the probe's row, within `ping_s`."""
        probe = self._opened().do(self._keep_times())
        done, _ = await asyncio.wait({probe}, timeout=self._ping_s)
        if not done:
            probe.cancel()
            raise NotStoredError("the log did not take a write in time")
        probe.result()

    def _settle(self, group: Group) -> None:
        """Answer everybody in a committed group and hand its records on. Called once per group."""
        try:
            fresh = answer(group, self._origin)
        except Exception:  # noqa: BLE001  said, and answered
            _log.exception("a defect in answering publishes: report it")
            answer_all(group, UnknownOutcomeError())
            self._relay.restart(self._newest)  # followers look into the log
            return
        if fresh:
            self._newest = max(self._newest, fresh[-1].position)
            self._relay.push(fresh)

    def _recovered(self, newest: Position) -> None:
        """After an unknown outcome the log may hold records that were handed to nobody."""
        if newest > self._newest:
            self._newest = newest
            self._relay.restart(newest)

    # -- reading ------------------------------------------------------------------------------------

    async def read(self, wanted: Filter, after: Cursor, records_max: int, bytes_max: int) -> Page:
        """One page in one SELECT, which is also the snapshot that the cursor is judged by."""
        arms = ranges(wanted)
        return await self._read(lambda log: self._reading.page(log, arms, after, records_max, bytes_max))

    async def last(self, wanted: Filter, count: int, bytes_max: int = 1 << 20) -> Page:
        """The last matching records, found backwards on the indexes."""
        arms = ranges(wanted)
        return await self._read(lambda log: self._reading.last(log, arms, count, bytes_max))

    async def since(self, time_ms: int) -> Page:
        """By halving, in one SELECT."""
        return await self._read(lambda log: self._reading.since(log, time_ms))

    async def get(self, position: Position) -> Record | None:
        """One record, None when there is none."""
        return await self._read(lambda log: log.get(position))

    def follow(self, after: Cursor) -> AsyncIterator[list[Record]]:
        """Groups as they are committed; a slow follower is served by pages."""
        self._opened()
        return self._relay.follow(after, self.read)

    async def bounds(self) -> Bounds:
        """The ends of the log: this process alone moves them."""
        self._opened()
        return Bounds(self._origin.at(self._trimmed), self._origin.at(self._newest))

    async def _read(self, work: Callable[[SqliteLog], _T]) -> _T:
        self._opened()
        assert self._readers is not None
        return await self._readers.run(work)

    # -- small things -------------------------------------------------------------------------------

    async def _write(self, work: Callable[[Keeper], _T]) -> _T:
        keeper = self._kept()
        found: _T = await self._do(lambda: work(keeper))
        return found

    def _ends(self) -> Ends:
        """As this process knows them, for a log that cannot say. From any thread."""
        return Ends(self._trimmed, self._newest)

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
