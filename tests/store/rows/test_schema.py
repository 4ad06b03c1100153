"""The version of the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.store.rows.earlier import unpack_schema_1

from fast_sse.model.errors import ConfigError
from fast_sse.store.rows.connect import connect
from fast_sse.store.rows.schema import SCHEMA_VERSION, UPGRADES, prepare


def prepared(path: Path) -> sqlite3.Connection:
    connection = connect(path, writer=True)
    prepare(connection)
    return connection


def test_preparing_twice_changes_nothing(tmp_path: Path) -> None:
    """A file of this version is taken as it is."""
    prepared(tmp_path / "log.db").close()
    prepared(tmp_path / "log.db").close()


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    """An older program never guesses at a newer file: ConfigError that names data_dir, and the file untouched."""
    connection = prepared(tmp_path / "log.db")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(ConfigError, match="do not downgrade") as caught:
        prepare(connection)
    assert caught.value.key == "data_dir"
    connection.close()


def test_a_database_of_something_else_is_refused(tmp_path: Path) -> None:
    """We make our tables in an empty file only."""
    connection = connect(tmp_path / "log.db", writer=True)
    connection.execute("CREATE TABLE theirs (one)")
    with pytest.raises(ConfigError, match="something else"):
        prepare(connection)
    connection.close()


def columns(connection: sqlite3.Connection) -> list[str]:
    return [row[1] for row in connection.execute("PRAGMA table_info(mark)")]


@pytest.fixture
def schema_1(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A file that the last version of schema 1 left."""
    unpack_schema_1(tmp_path)
    connection = connect(tmp_path / "log.db", writer=True)
    yield connection
    connection.close()


def test_every_older_version_has_its_step() -> None:
    """From any version there is a way to this one."""
    assert sorted(UPGRADES) == list(range(1, SCHEMA_VERSION))


def test_an_upgraded_file_is_one_that_was_made_new(schema_1: sqlite3.Connection, tmp_path: Path) -> None:
    """The same tables with the same columns in the same order, and its version says so."""
    prepare(schema_1)
    new = prepared(tmp_path / "new.db")
    sql = "SELECT name FROM sqlite_master ORDER BY name"
    assert schema_1.execute(sql).fetchall() == new.execute(sql).fetchall()
    assert columns(schema_1) == columns(new)
    assert schema_1.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    assert schema_1.execute("SELECT trimmed, trimmed_ms FROM mark").fetchone() == (5, None)
    new.close()


def test_an_upgrade_that_fails_leaves_the_file_as_it_was(
    schema_1: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """All steps are one transaction: who opens it next finds the old version and begins again."""
    monkeypatch.setitem(UPGRADES, 1, UPGRADES[1] + " INSERT INTO nowhere VALUES (1);")
    with pytest.raises(sqlite3.OperationalError):
        prepare(schema_1)
    schema_1.close()
    again = connect(tmp_path / "log.db", writer=True)
    assert again.execute("PRAGMA user_version").fetchone() == (1,)
    assert "trimmed_ms" not in columns(again)
    monkeypatch.undo()
    prepare(again)
    assert "trimmed_ms" in columns(again)
    again.close()
