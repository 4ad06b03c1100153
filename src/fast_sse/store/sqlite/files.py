"""Opening a directory that holds a log: the lock, the database, the reserve, and what was lost since last time.

The lock file says that one process writes here: two writers would number the same positions and reset each
other's WAL. An open file goes on taking writes when its name was removed or given to another one: what is acknowledged
then is on no disk for the next process. So the names are compared with what was opened, by `stat` alone: to open and
close `log.db` a second time would let go of SQLite's locks in the whole process (POSIX). The order of the steps makes every crash between them harmless: a loss is committed before the
reserve moves above it, and a new epoch is in the database before a sidecar speaks of it.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import sqlite3
from pathlib import Path

from fast_sse.model.cursor import Position, epoch_text
from fast_sse.model.errors import ConfigError, DiskFullError, FastSseError, HeldError, NotStoredError
from fast_sse.store.judge import Ends
from fast_sse.store.rows.connect import connect, error_code
from fast_sse.store.rows.log import SqliteLog
from fast_sse.store.rows.schema import prepare
from fast_sse.store.rows.wal import wal_of
from fast_sse.store.sqlite.reserve import BLOCK, Reserve, sync_directory
from fast_sse.store.sqlite.upgrade import upgrade

#: Errors of opening that waiting does not mend.
_HOPELESS = {
    sqlite3.SQLITE_CANTOPEN: "log.db cannot be opened; see that the user of the hub owns it",
    sqlite3.SQLITE_READONLY: "log.db cannot be written; see that the user of the hub owns it",
    sqlite3.SQLITE_PERM: "log.db cannot be accessed; see that the user of the hub owns it",
    sqlite3.SQLITE_NOTADB: "log.db is not a database; restore a backup, or set data_dir to another directory",
    sqlite3.SQLITE_CORRUPT: "log.db is damaged; restore a backup, or set data_dir to another directory",
}


class SqliteFiles:
    """One directory, locked for as long as it is open. Blocking code, for a thread."""

    def __init__(self, directory: Path, reserve_block: int = BLOCK) -> None:
        self.path = directory / "log.db"
        self._directory = directory
        self._block = reserve_block
        self._reserve = Reserve(directory)
        self._lock = -1
        self._opened: dict[Path, tuple[int, int] | None] = {}
        self.epoch = ""
        #: What the log says of itself and is not what was written: all that was handed out is told a gap.
        self.damaged: list[str] = []
        #: Every position ever given is below it, whatever the rows say.
        self.reserved: Position = 0

    def open(self) -> tuple[SqliteLog, Ends]:
        """Lock and open the log, record what was lost, reserve a block of positions: numbers start above `ends.newest`.

        Raises:
            ConfigError: it can never work here.
            UnavailableError: it may work later.
        """
        self.hold()
        try:
            return self._open_log()
        except sqlite3.Error as error:
            self.release()
            raise translated(error) from error
        except OSError as error:
            self.release()
            raise _unwritable(self._directory, error) from error
        except BaseException:
            self.release()
            raise

    def cover(self, position: Position) -> None:
        """Make sure that `position` is below the reserve on disk. Raises OSError."""
        if position >= self.reserved:
            self._set_reserve(position + self._block)

    def lower(self, position: Position) -> None:
        """At a clean close: nothing above `position` was given. Raises OSError."""
        self._set_reserve(position + 1)

    def note_opened(self) -> None:
        """The files that have these names now are those that are open. Soon after `connect`, with a first look at the log."""
        self._opened.setdefault(self.path, _identity(_stat(self.path)))
        self._opened[wal_of(self.path)] = _identity(_stat(wal_of(self.path)))

    def note_closing(self) -> None:
        """The last connection takes the write-ahead log with it."""
        self._opened.pop(wal_of(self.path), None)

    def check_there(self) -> int:
        """Whether a process that opened the log next would find what is written now; the size of the write-ahead log.

        Raises:
            NotStoredError: the files were removed or replaced; it heals when they are back, or with a restart.
        """
        size = 0
        for path, opened in self._opened.items():
            found = _stat(path)
            if _identity(found) != opened:
                raise NotStoredError(
                    f"{path.name} was removed or replaced under the running hub: put the right one back, and restart the hub"
                )
            if found is not None and path != self.path:
                size = found.st_size
        return size

    def release(self) -> None:
        """Let another process have the directory. Idempotent."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def hold(self) -> None:
        """Lock the directory, made if need be. Raises ConfigError: HeldError where another process has it."""
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self._directory / "log.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unwritable(self._directory, error) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.release()
            problem = f"another process holds it ({self._directory}/log.lock); stop that one, or set data_dir to another directory"
            raise HeldError("data_dir", problem) from error

    def _open_log(self) -> tuple[SqliteLog, Ends]:
        if self.path.exists():
            upgrade(self.path)
        connection = connect(self.path, writer=True)
        try:
            prepare(connection)
            log = SqliteLog(connection)
            self._settle(log)
            self.note_opened()
            sync_directory(self._directory)
            return log, log.ends()
        except BaseException:
            connection.close()
            raise

    def _settle(self, log: SqliteLog) -> None:
        """Compare the rows with the reserve: continue, record a loss, or begin a new epoch."""
        self.damaged = [f"table {table} is not what was written" for table in log.unsound()]
        if log.mend_mark():
            self.epoch = ""
        else:
            log.distrust_totals()
            self.epoch = log.epoch()
        newest = log.ends().newest
        reserve = self._reserve.read(self.epoch) if self.epoch else None
        if reserve is None or reserve < newest:
            self.epoch = epoch_text(secrets.randbits(64))
            log.set_epoch(self.epoch)
            reserve = log.ends().newest
        elif reserve - newest > 1:
            log.add_loss(newest, reserve)
        self._set_reserve(reserve + self._block)

    def _set_reserve(self, position: Position) -> None:
        self._reserve.write(self.epoch, position)
        self.reserved = position


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _identity(found: os.stat_result | None) -> tuple[int, int] | None:
    """Which file it is; None for none."""
    return None if found is None else (found.st_dev, found.st_ino)


def _unwritable(directory: Path, error: OSError) -> ConfigError:
    """Why a directory cannot hold a log, and what to do. A directory is no secret of the operator, who alone sees it."""
    if isinstance(error, FileExistsError | NotADirectoryError):
        return ConfigError("data_dir", f"{directory} is a file, or below one; set data_dir to a directory")
    advice = "set data_dir to a directory that the user of the hub can write to"
    return ConfigError("data_dir", f"cannot write to {directory}: {error.strerror}; {advice}")


def translated(error: sqlite3.Error) -> FastSseError:
    """What an error of SQLite means while a log is opened."""
    code = error_code(error)
    if code in _HOPELESS:
        return ConfigError("data_dir", _HOPELESS[code])
    if code == sqlite3.SQLITE_FULL:
        return DiskFullError("the disk is full")
    return NotStoredError("the log cannot be opened now")
