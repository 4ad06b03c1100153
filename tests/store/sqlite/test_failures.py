"""What an error of a write means."""

from __future__ import annotations

import errno
import sqlite3

import pytest
from tests.store.failing import sqlite_error

from fast_sse.store.sqlite.failures import is_doubtful, is_out_of_space


@pytest.mark.parametrize(
    ("problem", "full"),
    [
        (sqlite_error(sqlite3.SQLITE_FULL), True),
        (OSError(errno.ENOSPC, ""), True),
        (OSError(errno.EIO, ""), False),
        (sqlite_error(sqlite3.SQLITE_IOERR), False),
        (ValueError(), False),
    ],
)
def test_a_full_disk_is_told_from_other_failures(problem: Exception, full: bool) -> None:
    """By SQLite, or by the system where the sidecar is written."""
    assert is_out_of_space(problem) is full


@pytest.mark.parametrize(
    ("problem", "before", "at_commit"),
    [
        (sqlite_error(sqlite3.SQLITE_BUSY), False, False),
        (sqlite_error(sqlite3.SQLITE_TOOBIG), False, False),
        (sqlite_error(sqlite3.SQLITE_IOERR), True, True),
        (sqlite3.ProgrammingError(), False, False),
        (OverflowError(), False, False),
        (MemoryError(), False, True),
    ],
)
def test_after_which_failures_the_file_is_looked_at(
    problem: Exception, before: bool, at_commit: bool
) -> None:
    """Errors that pass leave it sound, and values that cannot be bound never reached it; at a commit all else is doubt."""
    assert is_doubtful(problem, committing=False) is before
    assert is_doubtful(problem, committing=True) is at_commit
