"""A log of an earlier version, as many messages in it as a test wants, none of which any node ever told about."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
from tests.store.rows.earlier import unpack

from fast_sse.store.record import weight
from fast_sse.store.rows.body import body_of
from fast_sse.store.rows.entries import add_entry
from fast_sse.store.rows.log import SqliteLog

VERSION = 4


def fill(directory: Path, messages: int) -> int:
    """Put a log that version left into a directory, and copies of its messages behind them; the newest position."""
    unpack(VERSION, directory)
    with closing(sqlite3.connect(directory / "log.db", isolation_level=None)) as connection:
        log = SqliteLog(connection)
        (newest,) = connection.execute("SELECT max(seq) FROM log").fetchone()
        places = [place for (place,) in connection.execute("SELECT seq FROM log ORDER BY seq")]
        found = [record for record in map(log.get, places) if record is not None and not record.is_control]
        assert found, "the old log has no messages"
        size, values = 0, list[Any]()
        for number, place in enumerate(range(newest + 1, newest + 1 + messages)):
            record = msgspec.structs.replace(found[number % len(found)], position=place, expires_ms=0)
            add_entry(values, record, body_of(record))
            size += weight(record)
        connection.execute("BEGIN")
        log.insert(values)
        sql = "UPDATE mark SET counted = ?, messages = messages + ?, bytes = bytes + ?"
        connection.execute(sql, (newest + messages, messages, size))
        connection.execute("COMMIT")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        assert version == VERSION
    return int(newest) + messages
