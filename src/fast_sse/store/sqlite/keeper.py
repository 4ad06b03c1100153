"""The log as its one writer keeps it: groups committed, retention applied, the WAL checkpointed, failures mended.

Plain synchronous code without a thread or a loop; `writer` runs it on its thread. Every public method
raises nothing but `FastSseError`, which says what became of what was tried (guarantees G1, G2; reliability F8, F16):

- disk full: SQLite rolled back, the group is certainly not stored, the ballast is let go, and the log heals when
  space returns;
- an I/O error at COMMIT, a failed fsync above all: the group may be stored. After a failed fsync the kernel may
  forget the dirty pages and report success next time, so the same fsync is never asked again: the connection is
  closed and opened anew, the file checked, the WAL copied into the database with an fsync of its own, and only
  then is anything acknowledged again;
- any other error: the group is certainly not stored.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress

from fast_sse.model.channel import Channel
from fast_sse.model.cursor import Position
from fast_sse.model.errors import (
    DiskFullError,
    FastSseError,
    NotStoredError,
    UnavailableError,
    UnknownOutcomeError,
)
from fast_sse.store.base import Retention, Windows
from fast_sse.store.pace import Times
from fast_sse.store.rows.channels import Numbers
from fast_sse.store.rows.connect import connect, overwriting
from fast_sse.store.rows.entries import ENTRIES_MAX, ENTRY_VALUES
from fast_sse.store.rows.log import SqliteLog, Totals
from fast_sse.store.rows.wal import Gate, Wal
from fast_sse.store.sqlite.ballast import Ballast, Room
from fast_sse.store.sqlite.damage import Damage, count_rows, is_damage
from fast_sse.store.sqlite.failures import is_doubtful, is_out_of_space
from fast_sse.store.sqlite.files import SqliteFiles
from fast_sse.store.sqlite.group import Batch, Job, Special, resolve_group
from fast_sse.store.sqlite.trim import STEP, Trimmed, plan

_log = logging.getLogger(__name__)

#: Rows and bytes after which the WAL is checkpointed.
_CHECKPOINT_ROWS = 4000
_CHECKPOINT_BYTES = 8 << 20


class Keeper:
    """An open log and what its writer remembers of it. `on_mended` hears the newest position after a failure."""

    def __init__(
        self,
        files: SqliteFiles,
        log: SqliteLog,
        *,
        ballast: Ballast,
        windows: Windows,
        retry_s: float,
        on_mended: Callable[[Position], None],
        wal: Wal | None = None,
        damage: Damage | None = None,
    ) -> None:
        self._files = files
        self._log = log
        self._windows = windows
        self._retry_s = retry_s
        self._on_mended = on_mended
        self.wal = wal or Wal(files.path, Gate())
        self._damage = damage or Damage()
        #: Numbers of channels, for rows that are made elsewhere.
        self.numbers = Numbers()
        self._unknown: dict[Channel, None] = {}
        self._totals, self._keys = count_rows(log, self._damage)
        self._newest = log.ends().newest
        self._committing = False
        self._look_first = False
        self._mend_at: float | None = None
        self._room = Room(ballast)
        self._rows_in_wal = 0
        self._bytes_in_wal = 0
        #: Keys forgotten before their window ended, because there were more than `keys_max`.
        self.keys_cut = 0

    # -- what the writer does -----------------------------------------------------------------------

    def commit(self, jobs: Sequence[Job]) -> Special:
        """Store a group, durably when this returns; what became of the drafts whose keys were known."""
        with self._failures_named():
            self._make_ready()
            self._files.cover(jobs[-1].records[-1].position)
            return self._store(jobs)

    def keep(self, times: Times) -> None:
        """Keep what time it is, which proves that a write would be durable."""
        with self._failures_named():
            self._make_ready()
            self._committing = True
            self._log.keep(times)
            self._committing = False

    def trim(
        self,
        retention: Retention,
        now_ms: int,
        times: Times | None = None,
        keep_after: Position | None = None,
    ) -> Trimmed:
        """One step of retention at a paced time, in one transaction; what time it is is kept on the way.

        Allowed on a full disk: it is what the ballast is for.
        """
        with self._failures_named():
            self._mend()
            if self.wal.held:
                self.wal.checkpoint(self._log.connection)
                if self.wal.held:  # what is deleted is written there, and frees nothing before that ends
                    return Trimmed(0, 0)
            step = plan(self._log.oldest(STEP, keep_after), self._totals, retention, now_ms)
            self._begin()
            if times is not None:
                self._log.keep(times)
            forgotten = self._log.trim_to(step.position, step.totals) if step.gone else []
            expired = self._log.forget_expired_keys(now_ms, STEP)
            excess = min(STEP, self._keys - expired - self._windows.keys_max)
            cut = self._log.forget_oldest_keys(excess) if excess > 0 else 0
            self._end()
            self.numbers.forget(forgotten)
            self._totals = step.totals
            self._keys -= expired + cut
            self.keys_cut += cut
            return Trimmed(step.gone + expired + cut, step.position)

    def erase(self, target: Channel, below: Position) -> int:
        """One step of erasing a channel, in one transaction; the bytes are overwritten, not only let go. How many went.

        The step that finds nothing more empties the WAL, which still held them.
        """
        with self._failures_named():
            self._mend()
            with overwriting(self._log.connection.execute):
                self._begin()
                gone = self._log.erase(target, below, STEP)
                totals = Totals(self._totals.messages - gone.messages, self._totals.bytes - gone.bytes)
                self._log.save_totals(totals)
                forgotten: list[Channel] = []
                if not gone.messages:
                    self._log.end_erasing(target, below)
                    forgotten = self._log.forget_empty(target)
                self._end()
            self.numbers.forget(forgotten)
            self._totals = totals
            if not gone.messages:
                self.wal.checkpoint(self._log.connection, empty_it=True)
            return gone.messages

    @contextmanager
    def transaction(self, *, frees: bool = False, overwrites: bool = False) -> Iterator[SqliteLog]:
        """One transaction beside the groups. `frees`: it only deletes, and so may be done on a full disk, too.

        `overwrites`: what it deletes is overwritten; the WAL still holds it until `empty_wal`.
        """
        with self._failures_named():
            if frees:
                self._mend()
            else:
                self._make_ready()
            changes = self._log.connection.total_changes
            with overwriting(self._log.connection.execute) if overwrites else nullcontext():
                self._begin()
                yield self._log
                self._end()
            self._rows_in_wal += self._log.connection.total_changes - changes

    def empty_wal(self) -> None:
        """Copy all of the WAL into the database, and begin it anew."""
        with self._failures_named():
            self.wal.checkpoint(self._log.connection, empty_it=True)

    def erasing(self) -> list[tuple[Channel, Position]]:
        """What an earlier process began to erase and did not end."""
        with self._failures_named():
            return self._log.erasing()

    def tidy_up(self) -> None:
        """Learn the numbers that the last groups' channels have, and copy the WAL into the database once it has grown.

        After the answers, so that nobody waits for it.
        """
        if self._unknown:
            wanted, self._unknown = list(self._unknown), {}
            with suppress(FastSseError), self._failures_named():
                self.numbers.learn(self._log.numbers(wanted))
        if self._rows_in_wal < _CHECKPOINT_ROWS and self._bytes_in_wal < _CHECKPOINT_BYTES:
            return
        self._rows_in_wal = self._bytes_in_wal = 0
        with suppress(FastSseError), self._failures_named():
            self._files.check_there()
            self.wal.checkpoint(self._log.connection)

    def distrust(self) -> None:
        """After a defect of ours that may have left a group half done: look at the file before anything else."""
        self._mend_at = time.monotonic()

    def close(self, last_given: Position) -> None:
        """Close the database and lower the reserve to what was given; if that fails the next opening takes care."""
        try:
            with self._failures_named():
                self._mend()
                self._log.save_totals(self._totals)
                self._log.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                self._log.connection.close()
                self._files.lower(max(last_given, self._newest))
        except FastSseError:
            _log.warning("log.db was not closed cleanly: nothing to do, the next start checks it")
            with suppress(sqlite3.Error):
                self._log.connection.close()
        self._files.release()

    # -- groups -------------------------------------------------------------------------------------

    def _store(self, jobs: Sequence[Job]) -> Special:
        """Write a group: at once if its keys are new, which the index itself says, else after looking them up."""
        group = Batch.of(jobs, self.numbers)
        if not (self._look_first or group.repeats_a_key()):
            try:
                self._write(group)
                return {}
            except sqlite3.IntegrityError:
                self._committing = False
                self._roll_back()
        known = self._log.known(group.digests)
        if self._log.keys_damaged:
            self._damage.met("idempotency keys are not what was written: these are forgotten")
        group, special = resolve_group(jobs, known, self.numbers)
        self._write(group)
        # Retries come in storms: while there are some, an attempt at once would be thrown away.
        self._look_first = bool(special)
        return special

    def _write(self, group: Batch) -> None:
        if not group.values:
            return
        if group.ended or group.erasing or len(group.values) > ENTRIES_MAX * ENTRY_VALUES:
            self._begin()
            self._log.forget_keys(group.ended)
            self._log.insert(group.values)
            for target, position in group.erasing:
                self._log.add_erasing(target, position)
            self._end()
        else:
            self._committing = True
            self._log.insert(group.values)
            self._committing = False
        self._unknown.update(dict.fromkeys(group.unknown))
        self._totals = Totals(self._totals.messages + group.records, self._totals.bytes + group.weight)
        self._keys += len(group.digests) - len(group.ended)
        self._newest = max(self._newest, group.newest)
        self._rows_in_wal += group.records + len(group.digests)
        self._bytes_in_wal += group.weight

    def _begin(self) -> None:
        self._log.connection.execute("BEGIN IMMEDIATE")

    def _end(self) -> None:
        self._committing = True
        self._log.connection.execute("COMMIT")
        self._committing = False

    # -- when something fails -----------------------------------------------------------------------

    @contextmanager
    def _failures_named(self) -> Iterator[None]:
        try:
            yield
        except FastSseError:
            raise
        except Exception as problem:
            raise self._failed(problem) from problem

    def _failed(self, problem: Exception) -> FastSseError:
        """Roll back, note what must be mended, and name the outcome of what was tried."""
        committing, self._committing = self._committing, False
        sound = self._roll_back()
        if sound and is_out_of_space(problem):
            self._make_room()
            return DiskFullError("the disk is full")
        if sound and not committing and is_damage(problem):
            # What is damaged stays where it is: retention and erasing end there, and publishes go on.
            self._damage.met("retention and erasing cannot delete a damaged part of it")
            return UnavailableError("the log is damaged: this part of it cannot be deleted")
        _log.error("writing log.db failed: look at the disk; the hub tries again", exc_info=problem)
        if not sound or is_doubtful(problem, committing=committing):
            self._mend_at = time.monotonic() + self._retry_s
            if committing:
                return UnknownOutcomeError()
        return NotStoredError("the log cannot be written now")

    def _roll_back(self) -> bool:
        try:
            if self._log.connection.in_transaction:
                self._log.connection.execute("ROLLBACK")
        except sqlite3.Error:
            return False
        return True

    def _make_room(self) -> None:
        self._room.let_go()
        with suppress(sqlite3.Error):
            self.wal.checkpoint(self._log.connection, empty_it=True)

    def _make_ready(self) -> None:
        """Raise when nothing may be appended now."""
        # Each look at a file gives the interpreter away for a moment: two for a group, and none for the same thing twice.
        wal_bytes = self._files.check_there()
        self._mend()
        self.wal.check(self._log.connection, wal_bytes)
        self._room.check(self._log.connection)

    def _mend(self) -> None:
        """After a failure: a new connection, a checked file, and the WAL in the database. Raises NotStoredError."""
        if self._mend_at is None:
            return
        if time.monotonic() < self._mend_at:
            raise NotStoredError("the log cannot be written now")
        self._mend_at = time.monotonic() + self._retry_s
        self._files.check_there()
        self._files.note_closing()
        with suppress(sqlite3.Error):
            self._log.connection.close()
        connection = connect(self._files.path, writer=True)
        self._log = SqliteLog(connection)
        self.numbers.forget_all()
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        newest = self._log.ends().newest
        self._files.note_opened()
        if verdict != "ok" or newest < self._newest:
            self._damage.met("it can no longer be written")
            _log.critical(
                "log.db is damaged (%s, newest %d of %d): restore a backup", verdict, newest, self._newest
            )
            raise NotStoredError("the log is damaged")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self._totals, self._keys, self._newest = self._log.totals(), self._log.keys(), newest
        self._mend_at = None
        self._on_mended(newest)
