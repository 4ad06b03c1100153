"""What an error says about the write that met it, and about the file."""

from __future__ import annotations

import errno
import sqlite3

from fast_sse.store.rows.connect import error_code

#: Errors that pass by themselves: the connection and the file are sound.
_PASSING = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_TOOBIG}
)
#: What Python's module raises while it binds values: the statement did not run.
_BEFORE_IT_RAN = (
    ValueError,
    TypeError,
    OverflowError,
    sqlite3.ProgrammingError,
    sqlite3.InterfaceError,
)


def is_out_of_space(problem: Exception) -> bool:
    """Whether SQLite or the system says that the disk is full."""
    if isinstance(problem, sqlite3.Error):
        return error_code(problem) == sqlite3.SQLITE_FULL
    return isinstance(problem, OSError) and problem.errno == errno.ENOSPC


def is_doubtful(problem: Exception, *, committing: bool) -> bool:
    """Whether the connection and the file must be looked at before they are believed again."""
    code = error_code(problem) if isinstance(problem, sqlite3.Error) else 0
    if code:
        return code not in _PASSING
    return committing and not isinstance(problem, _BEFORE_IT_RAN)
