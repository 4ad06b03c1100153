"""The file of a view: found, checked, made anew where it is no use, and held by one process.

Nothing in it is precious: a file that is missing, damaged, of another form, of another version or of another topic is replaced
by an empty one, and the topic is read again.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fast_sse.model.errors import ConfigError, HeldError
from fast_sse.store.kafka.fold import POISON_BODY
from fast_sse.store.rows.connect import connect
from fast_sse.store.rows.log import SqliteLog
from fast_sse.store.rows.schema import prepare, version_of

_log = logging.getLogger(__name__)

#: Marks the file as a view; another number is another form of it.
_FORM = 0x46535601
#: From this schema on entries of dead letters are read as what they are; before it they were poison.
_WITH_LETTERS = 5
_NONE = "there was none"
_TABLES = """
CREATE TABLE print (seq INTEGER PRIMARY KEY, print TEXT NOT NULL);
"""


class ViewFile:
    """One file. Blocking code; `lock` is held while writing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = threading.RLock()
        self._log: SqliteLog | None = None
        self._lock_file = -1

    def open(self, epoch: str) -> bool:
        """Open the view of this epoch, replacing one that is no use; whether it is the one that was there.

        Raises:
            ConfigError: the directory cannot be written, or another process has it.
        """
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._take_lock()
            self._close_log()
            why = self._try_open(epoch)
            if why:
                _log.log(
                    logging.INFO if why == _NONE else logging.WARNING,
                    "the view %s is made again (%s): wait, this node is not ready before",
                    self.path.name,
                    why,
                )
                self.discard()
                self._try_open(epoch, new=True)
        except (OSError, sqlite3.OperationalError) as error:
            problem = f"cannot write to {self.path.parent}; set data_dir to a directory that the user of the hub can write to"
            raise ConfigError("data_dir", problem) from error
        return not why

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._close_log()
        if self._lock_file >= 0:
            os.close(self._lock_file)
            self._lock_file = -1

    def discard(self) -> None:
        """Remove the file, so that `open` makes a new one."""
        self._close_log()
        for end in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + end).unlink(missing_ok=True)

    def _close_log(self) -> None:
        log, self._log = self._log, None
        if log is not None:
            with suppress(sqlite3.Error):
                log.connection.close()

    def _take_lock(self) -> None:
        """Two processes with one name and one directory would write each other's view."""
        if self._lock_file >= 0:
            return
        lock_file = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock_file)
            problem = (
                "another process of this name uses the same data_dir; stop it, or give each a name of its own"
            )
            raise HeldError("node", problem) from error
        self._lock_file = lock_file

    def _try_open(self, epoch: str, *, new: bool = False) -> str:
        """Why the file is no use; empty when it is."""
        fresh = new or not self.path.exists()
        try:
            connection = connect(self.path, writer=True)
            self._log = SqliteLog(connection)
            connection.execute("PRAGMA synchronous = NORMAL").fetchone()
            if not fresh:
                return self._flaw(connection, epoch)
            prepare(connection)
            connection.executescript(_TABLES)
            connection.execute(f"PRAGMA application_id = {_FORM}")
            self._log.set_epoch(epoch)
        except (sqlite3.DatabaseError, ConfigError) as error:
            if fresh or isinstance(error, sqlite3.OperationalError):
                raise
            return str(error).partition("; ")[
                0
            ]  # what a start on this file would have to do is no matter here
        return "" if new else _NONE

    def _flaw(self, connection: sqlite3.Connection, epoch: str) -> str:
        if connection.execute("PRAGMA application_id").fetchone()[0] != _FORM:
            return "it has another form"
        if version_of(connection) < _WITH_LETTERS and self._has_poison(connection):
            return "an earlier version could not read all of it"
        prepare(connection)
        if (verdict := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            return f"it is damaged: {verdict}"
        return "" if self.log.epoch() == epoch else "it is of another topic"

    def _has_poison(self, connection: sqlite3.Connection) -> bool:
        sql = "SELECT 1 FROM log WHERE length(body) = ? LIMIT 1"
        return connection.execute(sql, (len(POISON_BODY),)).fetchone() is not None

    @property
    def log(self) -> SqliteLog:
        """The statements over the writer's connection."""
        assert self._log is not None, "the view is not open"
        return self._log

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """All of it, or nothing. Yields the connection's `execute`."""
        execute = self.log.connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            yield execute
            execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                execute("ROLLBACK")
            raise
