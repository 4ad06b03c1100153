"""A piece of the log, compared with its checksums."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.store.rows.test_log import insert, record

from fast_sse.model.channel import Channel
from fast_sse.model.message import erasure
from fast_sse.store.dedup import Known
from fast_sse.store.record import record_of
from fast_sse.store.rows.body import body_of
from fast_sse.store.rows.check import check_keys, check_records, has_our_tables
from fast_sse.store.rows.connect import connect
from fast_sse.store.rows.entries import add_entry, add_keys
from fast_sse.store.rows.log import SqliteLog
from fast_sse.store.rows.schema import prepare


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    connection = connect(tmp_path / "log.db", writer=True)
    prepare(connection)
    log = SqliteLog(connection)
    insert(log, *(record(place, Channel("ab"[place % 2], "t")) for place in range(1, 11)))
    yield log
    connection.close()


def checked(log: SqliteLog, after: int = 0) -> tuple[Any, ...]:
    return tuple(check_records(log.connection, after, 100))


def test_a_sound_log_is_found_sound(log: SqliteLog) -> None:
    """Also control records, wildcards, and ages of their own; piece by piece, to the end."""
    values: list[Any] = []
    one = record(12, Channel("*", "*"))
    add_entry(values, one, body_of(one), paced_ms=50_000)
    log.insert(values)
    insert(log, record_of(erasure(Channel("a", "t")), 13, 5))
    assert checked(log) == (13, [], [], [])
    assert check_records(log.connection, 0, 4).through == 4
    assert checked(log, 13) == (None, [], [], [])


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("body = x'00'", ([5], [], [])),
        ("body = 'text'", ([5], [], [])),
        ("seq = 50", ([50], [], [])),
        ("channel = 1", ([], [5], [])),
        ("channel = 9", ([], [5], [])),
        ("channel = 0", ([], [5], [])),
        ("channel = x'01'", ([], [5], [])),
        ("time_ms = 1006", ([], [], [5])),
        ("time_ms = x'01'", ([], [], [5])),
        ("paced = 0", ([], [], [5])),
        ("paced = 'text'", ([], [], [5])),
    ],
)
def test_each_column_is_compared(log: SqliteLog, sql: str, found: tuple[list[int], ...]) -> None:
    """With what the body says, or with a check of its own; what is of another kind is damage and no error."""
    number = log.connection.execute("SELECT channel FROM log WHERE seq = 5").fetchone()[0]
    if sql == "channel = 1" and number == 1:
        sql = "channel = 2"
    log.connection.execute(f"UPDATE log SET {sql} WHERE seq = 5")
    assert checked(log)[1:] == found


def test_a_row_that_the_index_lacks_is_found(log: SqliteLog) -> None:
    """It is whole, and no reader of its channel would be given it; without the index it is not asked for."""
    log.connection.execute("PRAGMA writable_schema = ON")
    log.connection.execute("CREATE TABLE other (channel INTEGER)")
    log.connection.execute("CREATE INDEX other_channel ON other (channel)")
    (root,) = log.connection.execute(
        "SELECT rootpage FROM sqlite_master WHERE name = 'other_channel'"
    ).fetchone()
    log.connection.execute("UPDATE sqlite_master SET rootpage = ? WHERE name = 'log_channel'", (root,))
    path = log.connection.execute("PRAGMA database_list").fetchone()[2]
    log.connection.close()
    again = sqlite3.connect(path)
    assert check_records(again, 0, 100).strays == list(range(1, 11))
    assert check_records(again, 0, 100, indexed=False).strays == []
    again.close()


def test_keys_are_compared(log: SqliteLog) -> None:
    """Each with its checksum, piece by piece."""
    values: list[Any] = []
    add_keys(values, [(bytes([number]), Known(number, b"s", 9)) for number in range(1, 8)])
    log.insert(values)
    assert tuple(check_keys(log.connection, b"", 5)) == (b"\x05", 0)
    log.connection.execute("UPDATE key SET expires_ms = 10 WHERE seq IN (2, 6)")
    assert tuple(check_keys(log.connection, b"", 5)) == (b"\x05", 1)
    assert tuple(check_keys(log.connection, b"\x05", 5)) == (b"\x07", 1)
    assert tuple(check_keys(log.connection, b"\x07", 5)) == (None, 0)


def test_tables_are_compared_to_the_letter(log: SqliteLog) -> None:
    """A trigger that is gone would write what nobody can find again."""
    assert has_our_tables(log.connection)
    log.connection.execute("DROP TRIGGER entry_insert")
    assert not has_our_tables(log.connection)
