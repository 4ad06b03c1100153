"""A connection: what it may do, and whose the file is."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from fast_sse.store.rows.connect import connect, error_code


def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    """What SQLite makes beside it takes the same mode (CWE-732)."""
    connection = connect(tmp_path / "log.db", writer=True)
    connection.execute("CREATE TABLE x (y)")
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    connection.close()


def test_only_the_writers_connection_writes(tmp_path: Path) -> None:
    """Two writers would reset each other's write-ahead log."""
    writer = connect(tmp_path / "log.db", writer=True)
    writer.execute("CREATE TABLE x (y)")
    reader = connect(tmp_path / "log.db", writer=False)
    with pytest.raises(sqlite3.OperationalError) as refused:
        reader.execute("INSERT INTO x VALUES (1)")
    assert error_code(refused.value) == sqlite3.SQLITE_READONLY
    reader.close()
    writer.close()


def test_a_commit_is_on_disk(tmp_path: Path) -> None:
    """A 2xx names `fsync`: every commit syncs, and the log is checkpointed only when the store says so."""
    connection = connect(tmp_path / "log.db", writer=True)
    found = [
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "wal_autocheckpoint")
    ]
    assert found == ["wal", 2, 0]
    connection.close()


def test_an_error_of_pythons_module_has_no_code() -> None:
    """Only what SQLite itself said has one."""
    assert error_code(sqlite3.ProgrammingError("closed")) == 0
