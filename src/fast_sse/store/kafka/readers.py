"""Threads that read the view, each page in one snapshot, and a way to take the file from under them.

A view that is made anew is another file under the same name. SQLite keeps its side files by name, too, so nobody
may hold the old file open meanwhile: `suspend` waits until every connection is closed.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from fast_sse.model.errors import UnavailableError
from fast_sse.store.rows.connect import connect, error_code
from fast_sse.store.rows.log import SqliteLog
from fast_sse.store.rows.wal import Gate

_T = TypeVar("_T")
_THREADS = 2
#: Of SQLite's errors those that waiting does not mend. 0: Python found no sense in a value.
_DAMAGE = frozenset({0, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class DamagedError(UnavailableError):
    """The view holds what was never written to it."""


class ViewReaders:
    """Read-only connections to one file, suspended at first. `on_damage` is called on any thread."""

    def __init__(self, path: Path, on_damage: Callable[[], None]) -> None:
        self._path = path
        self._on_damage = on_damage
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="fast-sse-view-reader")
        self._change = threading.Condition()
        self._idle: list[SqliteLog] = []
        self._busy = 0
        self._suspended = True
        #: Shut while the view's write-ahead log is begun anew.
        self.gate = Gate()

    async def run(self, work: Callable[[SqliteLog], _T]) -> _T:
        """Run `work` in one snapshot on a thread. Raises UnavailableError when the view cannot be read now."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._run, work)

    async def aside(self, work: Callable[[], _T]) -> _T:
        """Run something else that blocks on one of the threads."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def suspend(self) -> None:
        """Let nobody read, and wait until nobody does. Blocking; idempotent."""
        with self._change:
            self._suspended = True
            self._change.wait_for(lambda: not self._busy)
            for log in self._idle:
                log.connection.close()
            self._idle.clear()

    def resume(self) -> None:
        """Let everybody read what is there now. Idempotent."""
        with self._change:
            self._suspended = False

    def close(self) -> None:
        """Finish what is being read and close. Blocking."""
        self._pool.shutdown()
        self.suspend()

    def _run(self, work: Callable[[SqliteLog], _T]) -> _T:
        try:
            with self.gate.reading(), self._borrowed() as log:
                return work(log)
        except sqlite3.Error as error:
            raise UnavailableError("the view of the log cannot be read now") from error

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Tell of damage while the file is still held: told later, it would be said of the file that takes its place."""
        try:
            yield
        except DamagedError:
            self._on_damage()
            raise
        except sqlite3.Error as error:
            if error_code(error) in _DAMAGE:
                self._on_damage()
            raise

    @contextmanager
    def _borrowed(self) -> Iterator[SqliteLog]:
        with self._change:
            if self._suspended:
                raise UnavailableError("the view of the log is being made")
            self._busy += 1
            log = self._idle.pop() if self._idle else None
        try:
            with self._watched():
                log = log or SqliteLog(connect(self._path, writer=False))
                log.connection.execute("BEGIN")
                yield log
        finally:
            with self._change:
                if log is not None:
                    with suppress(sqlite3.Error):
                        log.connection.execute("ROLLBACK")
                    self._idle.append(log)
                self._busy -= 1
                self._change.notify_all()
