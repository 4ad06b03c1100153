"""examples/consumer.py, made to stop for good at one place of its work: there, and nowhere else, it is then killed.

The example has no hooks, so what it calls is replaced around it. STOP_AT names the place, STOP_NTH how often it is
reached; it says `stopped` on standard error and waits for its end. Arguments are the example's.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from examples import consumer


class Stop:
    """Stops the process when its place is reached for the nth time."""

    def __init__(self, place: str, nth: int) -> None:
        self.place = place
        self.left = nth

    def __call__(self, place: str) -> None:
        """The process is at `place`."""
        if place != self.place:
            return
        self.left -= 1
        if self.left == 0:
            os.write(2, f"stopped {place}\n".encode())
            while True:
                signal.pause()


def in_steps(stop: Stop) -> None:
    """The way with a file, with places to stop before, between and after its steps."""
    fsync, replace = os.fsync, os.replace

    def fsync_stopping(fd: int) -> None:
        if stat.S_ISREG(os.fstat(fd).st_mode):
            if (stop.place, stop.left) == ("half written", 1):
                os.ftruncate(fd, os.fstat(fd).st_size // 2)
            stop("half written")
        fsync(fd)

    def replace_stopping(source: str, target: str) -> None:
        stop("before the rename")
        replace(source, target)
        stop("after the rename")

    vars(os).update(fsync=fsync_stopping, replace=replace_stopping)


def in_place(stop: Stop) -> None:
    """Broken on purpose: the cursor's file is truncated and then written, and sent as it is found."""

    def truncate_and_write(source: str, target: str) -> None:
        cursor = Path(source).read_text()
        with Path(target).open("w") as file:
            stop("truncated")
            file.write(cursor)

    def as_found(self: consumer.InFile) -> str:
        return self.path.read_text() if self.path.exists() else "earliest"

    vars(os).update(replace=truncate_and_write)
    consumer.InFile.cursor = as_found  # type: ignore[method-assign]


def in_a_transaction(stop: Stop, *, broken: bool = False) -> None:
    """The way with a database, with places to stop; `broken`: result and cursor are committed one after the other."""
    connect = sqlite3.connect

    class Connection(sqlite3.Connection):
        worked = False

        def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
            if self.worked and sql.startswith("INSERT OR REPLACE"):
                if broken:
                    self.commit()
                stop("row committed" if broken else "between the rows")
            self.worked = sql.startswith("INSERT INTO results")
            return super().execute(sql, *parameters)

        def __exit__(
            self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
        ) -> Literal[False]:
            stop("before the commit")
            done = super().__exit__(kind, error, trace)
            stop("after the commit")
            return done

    def connect_stopping(path: str) -> sqlite3.Connection:
        return connect(path, factory=Connection)

    vars(sqlite3).update(connect=connect_stopping)


def broken_transaction(stop: Stop) -> None:
    """Broken on purpose: the result is committed before its cursor."""
    in_a_transaction(stop, broken=True)


PLACES: dict[str, Callable[[Stop], None]] = {
    **dict.fromkeys(("half written", "before the rename", "after the rename"), in_steps),
    **dict.fromkeys(("between the rows", "before the commit", "after the commit"), in_a_transaction),
    "truncated": in_place,
    "row committed": broken_transaction,
}

if __name__ == "__main__":
    at = os.environ["STOP_AT"]
    PLACES[at](Stop(at, int(os.environ["STOP_NTH"])))
    consumer.main(*sys.argv[1:])
