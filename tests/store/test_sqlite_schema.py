"""The version of the file."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from fast_sse.model.errors import ConfigError
from fast_sse.store.sqlite_files import connect
from fast_sse.store.sqlite_schema import SCHEMA_VERSION, prepare


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
