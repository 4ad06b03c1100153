"""Giving the log's name to a second file that holds the same log: after a crash it is the one or the other."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from fast_sse.model.errors import NotStoredError
from fast_sse.store.rows.wal import wal_of
from fast_sse.store.sqlite.reserve import sync_directory


def new_file(path: Path) -> None:
    """An empty file, its owner's alone, in place of whatever was left there by an attempt that was cut off."""
    remove(path)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def remove(path: Path) -> None:
    """Remove a database and what SQLite keeps beside it."""
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)


def replace(made: Path, path: Path) -> None:
    """Give `made`, closed and complete, the name of the log, which this process has closed, and the log's owner and mode.

    Raises:
        NotStoredError: another process has the log open.
        OSError: as it says; the log is as it was.
    """
    if wal_of(path).exists() or wal_of(made).exists():
        raise NotStoredError("the log is as it was: another process reads it")
    old = path.stat()
    with made.open("rb") as file:
        os.fchown(file.fileno(), old.st_uid, old.st_gid)  # root may do it for the user of the hub
        os.fchmod(file.fileno(), stat.S_IMODE(old.st_mode))
        os.fsync(file.fileno())
    made.rename(path)
    sync_directory(path.parent)
