"""The write-ahead log beside a database, kept small whoever reads it.

SQLite begins the file anew only at a moment when nobody reads from it. Readers of ours that never pause would make it grow
without end, past all retention; so would the open transaction of a stranger, such as a backup. Ours go through a gate, which
the writer shuts for the time of a checkpoint: they wait for some milliseconds. A stranger cannot be shut out: it is
told by a line and a number, and at the bound nothing more is written, while the disk still has room for others.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fast_sse.model.errors import DiskFullError
from fast_sse.model.limits import MIB
from fast_sse.observe.metrics import Sample

_log = logging.getLogger(__name__)

#: What the file takes between two checkpoints; above it the file is cut at the next one.
WAL_BYTES = 16 * MIB
#: The bound: of a large log a part, so that a backup of it has time.
_BYTES_MAX = 64 * MIB
_PART_OF_LOG = 8
#: How long a checkpoint waits for our own readers, each of which reads one page, and at the bound.
_SHUT_S, _SHUT_S_MAX = 0.2, 5.0
#: How long a stranger has read when it is said, unless the bound is reached before. One that reads in short pieces may be
#: met several times in a row.
_HELD_S = 30.0
#: How long a reader waits for a checkpoint before it reads beside it.
_WAIT_S = 5.0


def wal_of(database: Path) -> Path:
    """The write-ahead log of a database."""
    return database.with_name(database.name + "-wal")


def wal_bytes_max(log_bytes_max: int | None) -> int:
    """How large the file may become beside a log of so many bytes (None: without a bound)."""
    return max(_BYTES_MAX, (log_bytes_max or 0) // _PART_OF_LOG)


class Gate:
    """Lets readers in, but for the moments in which the writer wants them out."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._inside = 0
        self._long = 0
        self._shut = False
        #: Those who read for long are to leave, too.
        self.is_wanted = False

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read one page: whoever is inside is waited for."""
        with self._change:
            self._change.wait_for(lambda: not self._shut, _WAIT_S)
            self._inside += 1
        try:
            yield
        finally:
            with self._change:
                self._inside -= 1
                self._change.notify_all()

    @contextmanager
    def reading_long(self) -> Iterator[None]:
        """Read for longer than a checkpoint waits: whoever is inside looks at `is_wanted` and leaves soon when it is set."""
        with self._change:
            self._change.wait_for(lambda: not self._shut, _WAIT_S)
            self._long += 1
        try:
            yield
        finally:
            with self._change:
                self._long -= 1
                self._change.notify_all()

    @contextmanager
    def shut(self, within_s: float, *, all_out: bool = False) -> Iterator[bool]:
        """Let nobody in; whether everybody was out in time. Those who read for long are waited for only if `all_out`."""
        with self._change:
            self._shut = True
            self.is_wanted = all_out
            self._change.wait_for(lambda: not (self._inside or (all_out and self._long)), within_s)
            empty = not (self._inside or self._long)
        try:
            yield empty
        finally:
            with self._change:
                self._shut = self.is_wanted = False
                self._change.notify_all()


class Wal:
    """The file of one database. For the thread that writes; its numbers are read from any."""

    def __init__(
        self,
        database: Path,
        gate: Gate,
        bytes_max: int = _BYTES_MAX,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = wal_of(database)
        self._clock_s = clock_s
        self._held_since_s: float | None = None
        self._said = False
        self._gate = gate
        self._bytes_max = bytes_max
        #: Of the last look.
        self.size_bytes = 0
        #: Somebody else reads from it and does not end, so it cannot be begun anew.
        self.held = False

    def checkpoint(
        self, connection: sqlite3.Connection, wait_s: float = _SHUT_S, *, empty_it: bool = False
    ) -> None:
        """Copy it into the database and begin it anew, empty when it has grown or is to be. Raises sqlite3.Error.

        Those of ours who read for long are asked to leave only if it is to be empty.
        """
        how = "TRUNCATE" if self._look() > WAL_BYTES or empty_it else "RESTART"
        execute = connection.execute
        usual_ms = execute("PRAGMA busy_timeout").fetchone()[0]
        with self._gate.shut(wait_s, all_out=empty_it) as empty:
            execute("PRAGMA busy_timeout = 0").fetchone()  # a stranger is not waited for
            try:
                busy, frames, copied = execute(f"PRAGMA wal_checkpoint({how})").fetchone()
            finally:
                execute(f"PRAGMA busy_timeout = {usual_ms}").fetchone()
        self._look()
        if empty:
            self._tell(bool(busy) or copied < frames)

    def check(self, connection: sqlite3.Connection, size_bytes: int | None = None) -> None:
        """Whether it may grow; `size_bytes`: its size, if that was just looked at.

        Raises:
            DiskFullError: it is at its bound, and somebody holds it there.
        """
        if size_bytes is None:
            self._look()
        else:
            self.size_bytes = size_bytes
        if self.size_bytes < self._bytes_max:
            return
        self.checkpoint(connection, _SHUT_S_MAX, empty_it=True)
        if self.size_bytes >= self._bytes_max:
            self._say_held()
            raise DiskFullError("the write-ahead log is full: another process reads log.db and does not end")

    def tend(self, connection: sqlite3.Connection) -> None:
        """`checkpoint` when it has grown or was held, then `check`."""
        if self._look() >= WAL_BYTES or self.held:
            self.checkpoint(connection)
        self.check(connection)

    def is_half_full(self) -> bool:
        """Whether it has grown to half its bound, when it was last looked at: who reads for long leaves then."""
        return self.size_bytes >= self._bytes_max // 2

    def samples(self) -> list[Sample]:
        """What operators see of it."""
        text = "1 while another process keeps the write-ahead log from being emptied."
        return [
            Sample("log_wal_bytes", "gauge", "Bytes of the write-ahead log beside log.db.", self.size_bytes),
            Sample("log_wal_held", "gauge", text, self.held),
        ]

    def _look(self) -> int:
        try:
            self.size_bytes = self.path.stat().st_size
        except OSError:
            self.size_bytes = 0
        return self.size_bytes

    def _tell(self, held: bool) -> None:
        """A stranger that reads for a moment is no news: what is said is that one does not end."""
        self.held = held
        if not held:
            if self._said:
                _log.warning("%s can be emptied again: nothing to do", self.path.name)
            self._held_since_s, self._said = None, False
        elif self._held_since_s is None:
            self._held_since_s = self._clock_s()
        elif self._clock_s() - self._held_since_s >= _HELD_S:
            self._say_held()

    def _say_held(self) -> None:
        if not self._said:
            self._said = True
            _log.warning(
                "%s grows: end the other process that reads log.db in one transaction, or publishes are refused at %d MiB",
                self.path.name,
                self._bytes_max // MIB,
            )
