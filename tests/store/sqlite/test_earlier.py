"""Logs of earlier schemas, read past what is damaged."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.store.rows.earlier import unpack
from tests.store.rows.test_log import record
from tests.store.sqlite.test_damage import pages_of

from fast_sse.store.rows.body import body_of
from fast_sse.store.sqlite.earlier import Earlier, Row


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log of schema 3 with so many records that they take pages."""
    unpack(3, tmp_path)
    connection = sqlite3.connect(tmp_path / "log.db")
    for place in range(100, 400):
        connection.execute(
            "INSERT INTO log VALUES (?, 'a', 't', 1, ?, NULL)", (place, body_of(record(place)))
        )
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()
    return tmp_path / "log.db"


@pytest.fixture
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path)
    yield connection
    connection.close()


def walked(log: Earlier) -> list[Row]:
    found: list[Row] = []
    while rows := log.batch(found[-1].position if found else -1):
        found += rows
    return found


def test_every_record_is_read(opened: sqlite3.Connection) -> None:
    """In their order, the newest last."""
    log = Earlier(opened, 3)
    rows = walked(log)
    assert (len(rows), log.count(), rows[-1].position) == (313, 313, log.newest)


@pytest.mark.parametrize("which", [1, 3, -2])
def test_a_page_that_cannot_be_read_is_one_row(path: Path, which: int) -> None:
    """Without a body, at the last place of what is missing; what lies before it and behind it is read."""
    size, pages = pages_of(path, "log")
    with path.open("r+b") as file:
        at = (pages[which] - 1) * size
        file.seek(at + 3)
        held = int.from_bytes(file.read(2))
        file.seek(at)
        file.write(b"\x55" * size)
    connection = sqlite3.connect(path)
    rows = walked(Earlier(connection, 3))
    connection.close()
    (missing,) = [row for row in rows if not row.body]
    assert (missing.event_id, missing.event_type) == ("*", "*")
    assert len(rows) - 1 == 313 - held
    assert [row.position for row in rows] == sorted(row.position for row in rows)


@pytest.mark.parametrize(
    ("sql", "row"),
    [
        ("id = x'ff'", ("", "t", 1)),
        ("type = 7", ("a", "7", 1)),
        ("time_ms = 'x'", ("a", "t", 0)),
    ],
)
def test_a_column_of_another_kind_is_no_error(
    opened: sqlite3.Connection, sql: str, row: tuple[str, str, int]
) -> None:
    """A flipped bit may make anything of it."""
    opened.execute(f"UPDATE log SET {sql} WHERE seq = 200")
    (found,) = [one for one in walked(Earlier(opened, 3)) if one.position == 200]
    assert (found.event_id, found.event_type, found.time_ms) == row


def test_another_state_is_another_identity(opened: sqlite3.Connection, path: Path) -> None:
    """Whatever wrote to the log since, an earlier version too, is noticed."""
    log = Earlier(opened, 3)
    before = log.identity(path)
    assert log.identity(path) == before
    opened.execute("UPDATE probe SET time_ms = time_ms + 1")
    assert log.identity(path) != before


@pytest.mark.parametrize("version", [1, 2, 3])
def test_each_schema_has_its_columns(tmp_path: Path, version: int) -> None:
    """What a schema did not have yet is unknown, and nothing is made up."""
    unpack(version, tmp_path)
    connection = sqlite3.connect(tmp_path / "log.db")
    log = Earlier(connection, version)
    assert log.mark()[2] == (None if version < 3 else 1_800_000_000_030)
    assert (log.probe()[1:], log.erasing()) == (("", 0, log.probe()[3]), [])
    assert (log.probe()[3] > 0) == (version == 3)
    connection.close()
