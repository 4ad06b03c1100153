"""Whether a file is a whole backup: all of it is read, and compared with its checksums, as the hub looks through its log.

A backup that nobody can restore is found out on the day it is needed. So `verify` reads every record, every key and every
dead letter, what is said twice, and the structure of the file. It opens the file as one that nobody writes, and makes
nothing beside it.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from fast_sse.model.cursor import Cursor
from fast_sse.model.errors import ConfigError, NotStoredError
from fast_sse.store.judge import Ends
from fast_sse.store.rows.check import PIECE_ROWS
from fast_sse.store.rows.connect import error_code
from fast_sse.store.rows.log import SqliteLog
from fast_sse.store.rows.schema import SCHEMA_VERSION, version_of
from fast_sse.store.rows.wal import wal_of
from fast_sse.store.sqlite.audit import Walk
from fast_sse.store.sqlite.damage import Damage
from fast_sse.store.sqlite.store import SqliteStore

#: Told what is done, and how much of it in percent.
Progress = Callable[[str, int], None]
#: Seconds between two words of progress.
SAID_S = 1.0


class Contents(NamedTuple):
    """What a backup holds.

    Attributes:
        newest: every message that was acknowledged up to here is in it.
        messages, letters, keys: how many of each.
        schema: of the file.
        size_bytes: of the file.
    """

    newest: Cursor
    messages: int
    letters: int
    keys: int
    schema: int
    size_bytes: int


class Pulse:
    """Says how far something is, at most once a second."""

    def __init__(self, progress: Progress, what: str) -> None:
        self._progress = progress
        self._what = what
        self._said_s = time.monotonic()

    def __call__(self, done: int, whole: int) -> None:
        """So much of so much is done."""
        if time.monotonic() - self._said_s >= SAID_S:
            self._said_s = time.monotonic()
            self._progress(self._what, min(100, 100 * done // max(1, whole)))


def verify(path: Path, progress: Progress, called: str = "") -> Contents:
    """Read all of a backup. Each place that is damaged is one line in the log. A file of an earlier schema has its structure
    checked, and its records by the first start. `called`: what errors call it.

    Raises:
        ConfigError: it is no backup, or cannot be read.
        NotStoredError: it is damaged.
    """
    check_is_file(path)
    called = called or str(path)
    try:
        place = f"{path.resolve().as_uri()}?immutable=1"
        with closing(sqlite3.connect(place, uri=True, isolation_level=None)) as connection:
            _look_through(connection, called, Pulse(progress, "checking"))
            return contents_of(connection, path.stat().st_size)
    except sqlite3.Error as error:
        if error_code(error) == sqlite3.SQLITE_NOTADB:
            raise ConfigError(
                "FILE", f"{called} is not a backup; name a file that fast-sse backup wrote"
            ) from error
        raise NotStoredError(f"{called} is damaged: {error}") from error
    except OSError as error:
        raise ConfigError("FILE", f"cannot read {called}: {error.strerror}") from error


def check_is_file(path: Path) -> None:
    """Raises ConfigError: it is no file, or one of those that belong together."""
    try:
        if not path.is_file():
            raise ConfigError(
                "FILE", f"{path} is not there, or not a file; name a file that fast-sse backup wrote"
            )
        path.open("rb").close()
    except OSError as error:
        raise ConfigError("FILE", f"cannot read {path}: {error.strerror}") from error
    if wal_of(path).exists():
        sentence = (
            f"{path} is the log of a hub, and not whole without {wal_of(path).name}: take a backup of it"
        )
        raise ConfigError("FILE", sentence)


def contents_of(connection: sqlite3.Connection, size_bytes: int) -> Contents:
    """What a whole file says it holds. Raises sqlite3.Error."""
    log, schema = SqliteLog(connection), version_of(connection)
    (messages,) = connection.execute("SELECT count(*) FROM log").fetchone()
    letters = (
        connection.execute("SELECT count(*) FROM letter").fetchone()[0] if schema >= SCHEMA_VERSION else 0
    )
    newest = Cursor(SqliteStore.kind, log.epoch(), log.ends().newest)
    return Contents(newest, messages, letters, log.keys(), schema, size_bytes)


def _look_through(connection: sqlite3.Connection, called: str, pulse: Pulse) -> None:
    damage, log = Damage(), SqliteLog(connection)
    walk = Walk(connection, damage, lambda: ends)
    ends = Ends(0, 0)
    if _schema_of(connection, called) == SCHEMA_VERSION:
        rows = 0
        with damage.noted("it cannot be counted"):
            sql = "SELECT (SELECT count(*) FROM log) + (SELECT count(*) FROM key)"
            rows = connection.execute(sql).fetchone()[0]
        with damage.noted("its ends cannot be read"):
            if not {"mark", "loss"} & set(log.unsound()):
                ends = log.ends()
        for done, _ in enumerate(walk.pieces()):
            pulse(done * PIECE_ROWS, rows)
    walk.structure()
    if damage.count:
        places = "1 place" if damage.count == 1 else f"{damage.count} places"
        raise NotStoredError(f"{called} is damaged in {places}: do not restore it")


def _schema_of(connection: sqlite3.Connection, called: str) -> int:
    if connection.execute("PRAGMA user_version").fetchone() == (0,):
        raise ConfigError("FILE", f"{called} is not a backup, or one that was cut off; take another one")
    try:
        return version_of(connection)
    except ConfigError as error:
        raise ConfigError("FILE", f"{called} is not a backup for this version: {error.problem}") from error
