"""A connection to a database of ours, and what an error of SQLite means."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fast_sse.store.rows.wal import WAL_BYTES

#: Prepared statements of a connection. A page of a filter of 64 channels is one of 300 KiB, and another for each mixture of them.
_WRITER_STATEMENTS, _READER_STATEMENTS = 128, 32


def connect(path: Path, *, writer: bool) -> sqlite3.Connection:
    """A connection in autocommit mode. Only the writer's ever writes or checkpoints. A new file is its owner's alone."""
    if writer:
        with suppress(FileExistsError):  # what SQLite makes beside it has its mode
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(
        path,
        timeout=5.0,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_WRITER_STATEMENTS if writer else _READER_STATEMENTS,
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}").fetchone()
        # Some builds overwrite whatever is deleted, by default: erasing asks for that, and trimming need not pay for it.
        connection.execute("PRAGMA secure_delete = OFF")
        if not writer:
            connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def overwriting(execute: Callable[[str], sqlite3.Cursor]) -> Iterator[None]:
    """What is deleted inside is overwritten, not only let go; outside nobody pays for it."""
    execute("PRAGMA secure_delete = ON").fetchone()
    try:
        yield
    finally:
        with suppress(sqlite3.Error):
            execute("PRAGMA secure_delete = OFF").fetchone()


def misplaced(position: int) -> sqlite3.DatabaseError:
    """The error for a row that lies where none of its position belongs: SQLite goes by the order of rows and does not check it."""
    error = sqlite3.DatabaseError(f"row {position} is out of order")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    error.sqlite_errorname = "SQLITE_CORRUPT"
    return error


def error_code(error: sqlite3.Error) -> int:
    """The primary result code of SQLite, 0 for an error of Python's module itself."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
