"""A backup of a log, taken while the hub runs or is stopped: one file, consistent, on the disk, and whole or not there.

One long read would keep the hub from beginning its write-ahead log anew, and at the bound publishes are refused (`rows.wal`). SQLite's
own backup begins again whenever another process writes. So records are copied in short reads, in the order of the log: they
never change, new ones come behind, and what goes meanwhile is found by counting. What is left then, the last records and everything
that does change, is copied in one transaction: its snapshot is the backup.

The file is written under another name, and gets its version last: what is cut off is no backup to anybody. `verify` looks through
a finished one.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from fast_sse.model.cursor import Position
from fast_sse.model.errors import ConfigError, DiskFullError, NotStoredError
from fast_sse.model.limits import MIB
from fast_sse.store.rows.connect import error_code
from fast_sse.store.rows.schema import SCHEMA_VERSION
from fast_sse.store.sqlite.damage import is_damage
from fast_sse.store.sqlite.failures import is_out_of_space
from fast_sse.store.sqlite.reserve import sync_directory
from fast_sse.store.sqlite.verify import Contents, Progress, Pulse, contents_of

#: Records of one read, and how long it should take: it is made longer and shorter by how long the last one took.
_ROWS_MIN, _ROWS_MAX = 64, 65_536
_READ_S = 0.02
#: How many times as long as it reads it rests, so that the hub finds moments without a reader.
_REST = 1.0
#: Times that the copy catches up with what came meanwhile before the rest is copied at once, and what is little.
_ROUNDS_MAX = 8
_LITTLE_ROWS = 1_000
#: Bytes after which the copy is brought to its disk, so that no read waits for that.
_SYNC_BYTES = 64 * MIB
#: Tables of SQLite's own: only this one has something that is not made by itself.
_OWN = "sqlite_sequence"

Sleep = Callable[[float], None]


def back_up(directory: Path, to: Path, progress: Progress, *, sleep: Sleep = time.sleep) -> Contents:
    """Write a backup of the log in `directory` to a new file, and what it holds. A running hub goes on meanwhile.

    Raises:
        ConfigError: there is no log, or the file is there already.
        DiskFullError: there is no room for the file.
        NotStoredError: the log cannot be read, or was replaced meanwhile.
    """
    path, part = directory / "log.db", to.with_name(f"{to.name}.part")
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ConfigError(
            "data_dir", f"{directory} holds no log.db; name the directory of the hub's log"
        ) from error
    except OSError as error:
        raise ConfigError("data_dir", f"cannot read {directory}: {error.strerror}") from error
    _make(to, part)
    try:
        with part.open("rb") as file:
            contents = _write(
                path, part, Pulse(progress, "copying"), sleep, lambda: os.fdatasync(file.fileno())
            )
            os.fsync(file.fileno())
        _give_name(part, to)
        return contents
    except sqlite3.Error as error:
        raise _told(error) from error
    except OSError as error:
        if is_out_of_space(error):
            raise _no_room("which its disk has not") from error
        raise NotStoredError(f"no backup was made: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def _make(to: Path, part: Path) -> None:
    """An empty file under the other name. Raises ConfigError."""
    if os.path.lexists(to):
        raise ConfigError("FILE", f"{to} is there already; name a new file: nothing is overwritten")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError as error:
        sentence = f"{part} is there; wait for the backup that writes it, or remove it if none runs"
        raise ConfigError("FILE", sentence) from error
    except OSError as error:
        raise ConfigError("FILE", f"cannot write {to}: {error.strerror}") from error


def _give_name(part: Path, to: Path) -> None:
    """Name a file that is on the disk, unless the name was taken meanwhile."""
    try:
        os.link(part, to)
    except FileExistsError as error:
        raise ConfigError(
            "FILE", f"{to} is there already; name a new file: nothing is overwritten"
        ) from error
    except OSError:  # a file system without links
        part.rename(to)
    part.unlink(missing_ok=True)
    sync_directory(to.parent)


def _write(path: Path, part: Path, pulse: Pulse, sleep: Sleep, sync: Callable[[], None]) -> Contents:
    with closing(sqlite3.connect(part, timeout=5.0, isolation_level=None)) as connection:
        execute = connection.execute
        for pragma in (
            "journal_mode = OFF",
            "synchronous = OFF",
            "secure_delete = ON",
            "temp_store = MEMORY",
        ):
            execute(f"PRAGMA {pragma}").fetchone()
        execute("ATTACH ? AS source", (str(path),))
        copy = Copy(connection, part, pulse, sleep, sync)
        _check_room(part, copy.whole)
        copy.run()
        execute("DETACH source")
        copy.finish()
        if execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise NotStoredError("no backup was made: the copy is damaged")
        return contents_of(connection, part.stat().st_size)


class Copy:
    """One log on its way into a new file, over one connection that has both: `main` is the new one, `source` the log."""

    def __init__(
        self, connection: sqlite3.Connection, part: Path, pulse: Pulse, sleep: Sleep, sync: Callable[[], None]
    ) -> None:
        self._execute = connection.execute
        self._part = part
        self._pulse = pulse
        self._sleep = sleep
        self._sync = sync
        self._synced = 0
        self._through: Position = -1
        self._copied = 0
        self._rows = _ROWS_MIN
        self._identity = self._asked_identity()
        _check_schema(self._identity[0])
        sql = "SELECT type, name, tbl_name, sql FROM source.sqlite_master WHERE name NOT LIKE 'sqlite@_%' ESCAPE '@'"
        made = self._execute(f"{sql} ORDER BY rowid").fetchall()
        #: Indexes, views and triggers come behind what they would slow down or change.
        self._later = [
            sql for kind, _, table, sql in made if kind != "table" and (kind, table) != ("index", "log")
        ]
        self._tables = [name for kind, name, *_ in made if kind == "table" and name != "log"]
        for *_, sql in made:
            if sql not in self._later:
                self._execute(sql)
        pages, free, size = (
            self._execute(f"PRAGMA source.{name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        #: Bytes that it takes at most.
        self.whole = (pages - free) * size

    def run(self) -> None:
        """Copy everything. Raises sqlite3.Error, NotStoredError."""
        for _ in range(_ROUNDS_MAX):
            if self._catch_up() <= _LITTLE_ROWS:
                break
        self._take_snapshot()

    def finish(self) -> None:
        """What hangs on the tables, and the version: from now on it is a backup."""
        for sql in self._later:
            self._execute(sql)
        self._execute(f"PRAGMA user_version = {self._identity[0]}")

    def _catch_up(self) -> int:
        """Copy what the log holds now, in short reads; how many records."""
        before, newest = self._copied, self._newest()
        while self._through < newest:
            began_s = time.monotonic()
            if not self._copy_records("ORDER BY seq LIMIT ?", self._rows):
                break
            took_s = time.monotonic() - began_s
            if took_s > _READ_S:
                self._rows = max(_ROWS_MIN, self._rows // 2)
            elif took_s < _READ_S / 2:
                self._rows = min(_ROWS_MAX, self._rows * 2)
            self._tell()
            self._sleep(_REST * took_s)
        return self._copied - before

    def _take_snapshot(self) -> None:
        """Copy the rest in one transaction. The first read of it is the moment that the backup is of."""
        self._execute("BEGIN")
        self._copy_records("ORDER BY seq")
        if self._asked_identity() != self._identity:
            raise NotStoredError("no backup was made: the log became another one meanwhile; begin again")
        self._forget_what_went()
        for name in self._tables:
            self._execute(f"INSERT INTO main.{name} SELECT * FROM source.{name}")  # noqa: S608
        if self._execute("SELECT 1 FROM source.sqlite_master WHERE name = ?", (_OWN,)).fetchone():
            self._execute(f"DELETE FROM main.{_OWN}")  # noqa: S608
            self._execute(f"INSERT INTO main.{_OWN} SELECT * FROM source.{_OWN}")  # noqa: S608
        self._execute("COMMIT")

    def _copy_records(self, how: str, *values: int) -> int:
        """Copy the next records in one statement; how many."""
        sql = f"INSERT INTO main.log SELECT * FROM source.log WHERE seq > ? {how}"  # noqa: S608
        count = self._execute(sql, (self._through, *values)).rowcount
        self._copied += count
        if count:
            self._through = self._execute("SELECT max(seq) FROM main.log").fetchone()[0]
        return count

    def _forget_what_went(self) -> None:
        """Records that retention or an erasure took since they were copied. What is left is overwritten, not only let go."""
        there = self._execute("SELECT count(*) FROM source.log").fetchone()[0]
        trimmed = "DELETE FROM main.log WHERE seq < (SELECT min(seq) FROM source.log)"
        erased = "DELETE FROM main.log WHERE NOT EXISTS (SELECT 1 FROM source.log AS kept WHERE kept.seq = log.seq)"
        for sql in (trimmed, erased):
            if self._copied > there:
                self._copied -= self._execute(sql).rowcount
        if self._copied != there:
            raise NotStoredError(f"no backup was made: {self._copied} records were copied of {there}")

    def _newest(self) -> Position:
        return int(self._execute("SELECT ifnull(max(seq), -1) FROM source.log").fetchone()[0])

    def _asked_identity(self) -> tuple[int, str]:
        """Schema and epoch: a log that has others is another one."""
        (version,) = self._execute("PRAGMA source.user_version").fetchone()
        return version, str(self._execute("SELECT epoch FROM source.mark").fetchone()[0])

    def _tell(self) -> None:
        size = self._part.stat().st_size
        self._pulse(size, self.whole)
        if size - self._synced >= _SYNC_BYTES:
            self._synced = size
            self._sync()


def _check_schema(version: int) -> None:
    if not version:
        raise ConfigError(
            "data_dir",
            "log.db is empty, or a database of another program; name the directory of the hub's log",
        )
    if version > SCHEMA_VERSION:
        raise ConfigError(
            "data_dir", f"the log has schema {version}; run the fast-sse of the version that wrote it"
        )


def _check_room(part: Path, needed: int) -> None:
    """Say at once what would only be found out in the middle."""
    free = os.statvfs(part.parent)
    if free.f_bavail * free.f_frsize < needed:
        raise _no_room(f"which takes up to {needed // MIB + 1} MiB")


def _no_room(what: str) -> DiskFullError:
    return DiskFullError(f"no backup was made: there is no room for the file, {what}")


def _told(error: sqlite3.Error) -> Exception:
    code = error_code(error)
    if is_out_of_space(error):
        return _no_room("which its disk has not")
    if code == sqlite3.SQLITE_NOTADB:
        return ConfigError("data_dir", "log.db is not a database; name the directory of the hub's log")
    if code == sqlite3.SQLITE_CANTOPEN:
        return ConfigError("data_dir", "log.db cannot be opened: run this as the hub's user, or as root")
    if is_damage(error):
        return NotStoredError("no backup was made: log.db is damaged; readiness of the hub says so too")
    return NotStoredError(f"no backup was made: {error}")
