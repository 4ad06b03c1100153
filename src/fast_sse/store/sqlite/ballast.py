"""The file `log.ballast`: room kept for the day the disk is full.

Deleting needs space too: a trim is written to the WAL first. So a few megabytes are held from the start, let go
when SQLite reports a full disk, and taken back once there is room. While they are gone nothing is appended,
unless trimming has freed as much inside the database itself: otherwise the appends would eat the very room that
trimming needs.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from pathlib import Path

from fast_sse.model.errors import DiskFullError

_log = logging.getLogger(__name__)


BALLAST_BYTES = 4 << 20


class Ballast:
    """The file in one directory. Every method is quick and none ever raises: they run while something else has failed."""

    def __init__(self, directory: Path, size_bytes: int = BALLAST_BYTES) -> None:
        self._path = directory / "log.ballast"
        self.size_bytes = size_bytes

    def take(self) -> bool:
        """Hold the room; False when there is none."""
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
        except OSError:
            return self._is_held()
        try:
            os.posix_fallocate(handle, 0, self.size_bytes)
        except OSError:
            self.let_go()
            return False
        finally:
            os.close(handle)
        return True

    def take_back(self) -> bool:
        """Hold the room again, once as much is free beside it: else it would be taken from what it has just let go."""
        try:
            free = os.statvfs(self._path.parent)
        except OSError:
            return False
        return free.f_bavail * free.f_frsize >= 2 * self.size_bytes and self.take()

    def let_go(self) -> None:
        """Give the room back, if the file can be removed."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            _log.error("log.ballast cannot be removed: %s; make room on the disk", error.strerror)

    def _is_held(self) -> bool:
        """Whether the file is there, although it cannot be opened."""
        try:
            return self._path.stat().st_size >= self.size_bytes
        except OSError:
            return False


class Room:
    """Whether anything may be appended: not while the ballast is gone, but for what trimming has freed."""

    def __init__(self, ballast: Ballast) -> None:
        self._ballast = ballast
        self._is_full = not ballast.take()

    def let_go(self) -> None:
        """The disk is full."""
        self._is_full = True
        self._ballast.let_go()

    def check(self, connection: sqlite3.Connection) -> None:
        """Take the ballast back if there is room again.

        Raises:
            DiskFullError: there is none, not even within the database.
        """
        if not self._is_full:
            return
        if self._ballast.take_back():
            self._is_full = False
            return
        execute = connection.execute
        free = execute("PRAGMA freelist_count").fetchone()[0] * execute("PRAGMA page_size").fetchone()[0]
        if free < self._ballast.size_bytes:
            raise DiskFullError("the disk is full")
