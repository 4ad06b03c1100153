"""The one thread that writes the log and checkpoints it, by group commit.

What the loop appends while a commit runs is the next group: the thread takes it the moment it is free, so there
is one wake-up per group in each direction at most, however many publishers wait. The thread holds the GIL as
little as it can: rows come ready to bind, a small group is one statement and one transaction in one
`sqlite3_step`.

When writing fails (guarantees G1, G2; reliability F8, F16):

- disk full: SQLite rolled back, the group is certainly not stored, the ballast is let go, and the store heals
  when space returns;
- an I/O error at COMMIT, a failed fsync above all: the group may be stored. After a failed fsync the kernel may
  forget the dirty pages and report success next time, so the same fsync is never asked again: the connection
  is closed and opened anew, the file checked, the WAL copied into the database with an fsync of its own, and
  only then is anything acknowledged again;
- any other error: the group is certainly not stored.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from fast_sse.model.cursor import Position
from fast_sse.model.errors import (
    DiskFullError,
    FastSseError,
    NotStoredError,
    UnknownOutcomeError,
)
from fast_sse.store.base import Retention, Windows
from fast_sse.store.sqlite_ballast import Ballast
from fast_sse.store.sqlite_files import SqliteFiles, connect, error_code
from fast_sse.store.sqlite_group import Batch, Job, Special, resolve_group
from fast_sse.store.sqlite_log import ENTRIES_MAX, ENTRY_VALUES, SqliteLog, Totals

_log = logging.getLogger(__name__)

#: Calls of `append` that one group takes at most.
_GROUP_JOBS_MAX = 1024
#: Rows and bytes after which the WAL is checkpointed.
_CHECKPOINT_ROWS = 4000
_CHECKPOINT_BYTES = 8 << 20
#: Records and keys of one trim step.
_STEP = 500
#: Errors that pass by themselves: the connection and the file are sound.
_PASSING = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_TOOBIG}
)


class Group(NamedTuple):
    """What became of some jobs: an error for all, or stored but for the `special` outcomes, by position."""

    jobs: list[Job]
    error: FastSseError | None
    special: Special


class Trimmed(NamedTuple):
    """What one step removed, and the trim mark after it."""

    gone: int
    trimmed: Position


class Writer:
    """The thread and the connection it writes through. Its public methods are called on the loop's thread."""

    def __init__(
        self,
        files: SqliteFiles,
        log: SqliteLog,
        *,
        ballast: Ballast,
        windows: Windows,
        retry_s: float,
        on_group: Callable[[Group], None],
        on_recovered: Callable[[Position], None],
    ) -> None:
        self._files = files
        self._log = log
        self._ballast = ballast
        self._windows = windows
        self._retry_s = retry_s
        self._on_group = on_group
        self._on_recovered = on_recovered
        self._loop = asyncio.get_running_loop()
        self._jobs: list[Job] = []
        self._chores: deque[tuple[Callable[[], Any], asyncio.Future[Any]]] = deque()
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._idle = False
        self._wake_due = False
        self._closing: asyncio.Future[None] | None = None
        self._last_given: Position = 0
        # From here on, the thread's own.
        self._totals = log.totals()
        self._keys = log.keys()
        self._newest = log.ends().newest
        self._committing = False
        self._look_first = False
        self._broken_until: float | None = None
        self._full = not ballast.take()
        self._rows_unchecked = 0
        self._bytes_unchecked = 0
        #: Keys forgotten before their window ended, because there were more than `keys_max`.
        self.keys_cut = 0
        self._thread = threading.Thread(target=self._run, name="fast-sse-log-writer", daemon=True)
        self._thread.start()

    # -- the loop's side ----------------------------------------------------------------------------

    def submit(self, job: Job) -> None:
        """Queue one call of `append` for the next group."""
        self._jobs.append(job)
        if self._idle and not self._wake_due:
            self._wake_due = True
            self._loop.call_soon(self._wake_thread)

    def do(self, chore: Callable[[], Any]) -> asyncio.Future[Any]:
        """Run something on the thread, between two groups."""
        future = self._loop.create_future()
        self._chores.append((chore, future))
        self._wake_thread()
        return future

    async def close(self, last_given: Position) -> None:
        """Commit what is queued, lower the reserve to what was given, close the database."""
        self._last_given = last_given
        self._closing = self._loop.create_future()
        self._wake_thread()
        await self._closing
        self._thread.join()

    def _wake_thread(self) -> None:
        self._wake_due = False
        if self._idle:
            self._idle = False
            self._wake.put(None)

    # -- the thread's side --------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            if self._jobs:
                jobs = self._jobs[:_GROUP_JOBS_MAX]
                del self._jobs[: len(jobs)]
                self._commit(jobs)
            if self._chores:
                self._do_chore(*self._chores.popleft())
            self._checkpoint_when_due()
            if self._jobs or self._chores:
                continue
            if self._closing is not None:
                break
            # Idle is said before the last look, so that either side sees the other's word.
            self._idle = True
            if self._jobs or self._chores or self._closing is not None:
                self._idle = False
                continue
            self._wake.get()
        self._shut_down()
        self._tell(self._closing.set_result, None)

    def _tell(self, callback: Callable[..., object], *args: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            self._loop.call_soon_threadsafe(callback, *args)

    def _commit(self, jobs: list[Job]) -> None:
        error: FastSseError | None = None
        special: Special = {}
        try:
            self._make_ready()
            self._files.cover(jobs[-1].records[-1].position)
            special = self._store(jobs)
        except Exception as problem:  # noqa: BLE001 - the thread outlives whatever one group brings
            error = self._failed(problem)
        self._tell(self._on_group, Group(jobs, error, special))

    def _store(self, jobs: list[Job]) -> Special:
        """Write a group: at once if its keys are new, which the index itself says, else after looking them up."""
        group = Batch.of(jobs)
        special: Special = {}
        try:
            if self._look_first or group.repeats_a_key():
                raise sqlite3.IntegrityError("a key is known, or likely to be")
            self._write(group)
        except sqlite3.IntegrityError:
            self._roll_back()
            self._committing = False
            group, special = resolve_group(jobs, self._log.known(group.digests))
            self._write(group)
        # Retries come in storms: while there are some, an attempt at once would be thrown away.
        self._look_first = bool(special)
        return special

    def _write(self, group: Batch) -> None:
        if not group.values:
            return
        if group.ended or len(group.values) > ENTRIES_MAX * ENTRY_VALUES:
            self._begin()
            self._log.forget_keys(group.ended)
            self._log.insert(group.values)
            self._end()
        else:
            self._committing = True
            self._log.insert(group.values)
            self._committing = False
        self._totals = Totals(self._totals.messages + group.records, self._totals.bytes + group.weight)
        self._keys += len(group.digests) - len(group.ended)
        self._newest = max(self._newest, group.newest)
        self._rows_unchecked += group.records + len(group.digests)
        self._bytes_unchecked += group.weight

    def _begin(self) -> None:
        self._log.connection.execute("BEGIN IMMEDIATE")

    def _end(self) -> None:
        self._committing = True
        self._log.connection.execute("COMMIT")
        self._committing = False

    def _do_chore(self, chore: Callable[[], Any], future: asyncio.Future[Any]) -> None:
        try:
            self._mend()
            result = chore()
        except Exception as problem:  # noqa: BLE001 - see _commit
            self._tell(_fail, future, self._failed(problem))
        else:
            self._tell(_succeed, future, result)

    # -- chores -------------------------------------------------------------------------------------

    def probe(self, now_ms: int) -> None:
        """Prove that a write would be durable."""
        self._make_ready()
        self._committing = True
        self._log.probe(now_ms)
        self._committing = False

    def trim(self, retention: Retention, now_ms: int) -> Trimmed:
        """One step of retention, in one transaction."""
        position, gone, totals = self._trim_plan(retention, now_ms)
        self._begin()
        if gone:
            self._log.trim_to(position, totals)
        expired = self._log.forget_expired_keys(now_ms, _STEP)
        excess = min(_STEP, self._keys - expired - self._windows.keys_max)
        cut = self._log.forget_oldest_keys(excess) if excess > 0 else 0
        self._end()
        self._totals = totals
        self._keys -= expired + cut
        self.keys_cut += cut
        return Trimmed(gone + expired + cut, position)

    def _trim_plan(self, kept: Retention, now_ms: int) -> tuple[Position, int, Totals]:
        """How far the oldest records go: the position, how many, and the totals of what stays."""
        messages, size = self._totals
        position, gone = 0, 0
        for seq, time_ms, weight in self._log.oldest(_STEP):
            too_old = kept.max_age_s is not None and time_ms < now_ms - kept.max_age_s * 1000
            too_big = kept.max_bytes is not None and size > kept.max_bytes
            too_many = kept.max_messages is not None and messages > kept.max_messages
            if not (too_old or too_big or too_many):
                break
            position, gone = seq, gone + 1
            messages -= 1
            size -= weight
        return position, gone, Totals(messages, size)

    def _checkpoint_when_due(self) -> None:
        if self._rows_unchecked < _CHECKPOINT_ROWS and self._bytes_unchecked < _CHECKPOINT_BYTES:
            return
        self._rows_unchecked = self._bytes_unchecked = 0
        try:
            self._log.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as problem:
            self._failed(problem)

    def _shut_down(self) -> None:
        try:
            self._mend()
            self._log.save_totals(self._totals)
            self._log.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            self._log.connection.close()
            self._files.lower(max(self._last_given, self._newest))
        except Exception:  # noqa: BLE001 - what was acknowledged is safe; the next opening takes the careful way
            _log.warning("the log was not closed cleanly", exc_info=True)
            with suppress(sqlite3.Error):
                self._log.connection.close()
        self._files.release()

    # -- when writing fails -------------------------------------------------------------------------

    def _failed(self, problem: Exception) -> FastSseError:
        """Roll back, note what must be mended, and name the outcome of what was tried."""
        committing, self._committing = self._committing, False
        if isinstance(problem, FastSseError):
            return problem
        if isinstance(problem, OSError) and problem.errno == errno.ENOSPC:
            self._make_room()
            return DiskFullError("the disk is full")
        sound = self._roll_back()
        code = error_code(problem) if isinstance(problem, sqlite3.Error) else 0
        if sound and code == sqlite3.SQLITE_FULL:
            self._make_room()
            return DiskFullError("the disk is full")
        _log.error("writing the log failed", exc_info=problem)
        if not sound or (code and code not in _PASSING):
            self._broken_until = time.monotonic() + self._retry_s
            if committing:
                return UnknownOutcomeError("the log may or may not hold the message")
        return NotStoredError("the log cannot be written now")

    def _roll_back(self) -> bool:
        try:
            if self._log.connection.in_transaction:
                self._log.connection.execute("ROLLBACK")
        except sqlite3.Error:
            return False
        return True

    def _make_room(self) -> None:
        self._full = True
        self._ballast.let_go()
        with suppress(sqlite3.Error):
            self._log.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def _make_ready(self) -> None:
        """Raise when nothing may be appended now."""
        self._mend()
        if not self._full:
            return
        if self._ballast.take():
            self._full = False
            return
        execute = self._log.connection.execute
        free = execute("PRAGMA freelist_count").fetchone()[0] * execute("PRAGMA page_size").fetchone()[0]
        if free < self._ballast.size_bytes:
            raise DiskFullError("the disk is full")

    def _mend(self) -> None:
        """After a failure: a new connection, a checked file, and the WAL in the database. Raises NotStoredError."""
        if self._broken_until is None:
            return
        if time.monotonic() < self._broken_until:
            raise NotStoredError("the log cannot be written now")
        self._broken_until = time.monotonic() + self._retry_s
        with suppress(sqlite3.Error):
            self._log.connection.close()
        connection = connect(self._files.path, writer=True)
        self._log = SqliteLog(connection)
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        newest = self._log.ends().newest
        if verdict != "ok" or newest < self._newest:
            _log.critical("the log is damaged: %s, newest %d of %d", verdict, newest, self._newest)
            raise NotStoredError("the log is damaged")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self._totals, self._keys, self._newest = self._log.totals(), self._log.keys(), newest
        self._broken_until = None
        self._tell(self._on_recovered, newest)


def _succeed(future: asyncio.Future[Any], result: object) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: FastSseError) -> None:
    if not future.done():
        future.set_exception(error)
