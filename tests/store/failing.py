"""A connection that fails on demand, as disks do."""

from __future__ import annotations

import sqlite3
from typing import Any


def sqlite_error(code: int, text: str = "made to fail") -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


class FailingConnection:
    """A real connection in front of which chosen statements fail: `faults` maps a statement's beginning to its error."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.real = connection
        self.faults: dict[str, Exception] = {}
        self.after = False  # fail after the statement was carried out, as a lost fsync does

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        for beginning, error in self.faults.items():
            if sql.startswith(beginning):
                if self.after:
                    self.real.execute(sql, *values)
                raise error
        return self.real.execute(sql, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)
