"""Broken on purpose: SQLite never syncs (`synchronous=OFF`), whatever the hub asks for."""

from __future__ import annotations

import sqlite3
from typing import Any

from fast_sse.cli.main import app_main


class Unsynced(sqlite3.Connection):
    """A connection that undoes every `PRAGMA synchronous`."""

    def execute(self, sql: str, *rest: Any) -> sqlite3.Cursor:
        cursor = super().execute(sql, *rest)
        if "synchronous" in sql.lower():
            super().execute("PRAGMA synchronous=OFF")
        return cursor

    def executescript(self, sql: str) -> sqlite3.Cursor:
        cursor = super().executescript(sql)
        if "synchronous" in sql.lower():
            super().execute("PRAGMA synchronous=OFF")
        return cursor


if __name__ == "__main__":
    connect = sqlite3.connect
    sqlite3.connect = lambda *args, **kw: connect(*args, **{**kw, "factory": Unsynced})
    app_main()
