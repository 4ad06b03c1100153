"""The version of the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.store.rows.earlier import unpack

from fast_sse.model.channel import Channel
from fast_sse.model.errors import ConfigError
from fast_sse.store.pace import Times
from fast_sse.store.rows import schema
from fast_sse.store.rows.check import has_our_tables
from fast_sse.store.rows.connect import connect
from fast_sse.store.rows.letter_tables import LETTER_TABLES
from fast_sse.store.rows.log import SqliteLog
from fast_sse.store.rows.schema import SCHEMA_VERSION, prepare


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
    with pytest.raises(ConfigError, match="run the version that wrote it") as caught:
        prepare(connection)
    assert caught.value.key == "data_dir"
    connection.close()


def test_a_database_of_something_else_is_refused(tmp_path: Path) -> None:
    """We make our tables in an empty file only."""
    connection = connect(tmp_path / "log.db", writer=True)
    connection.execute("CREATE TABLE theirs (one)")
    with pytest.raises(ConfigError, match="another program"):
        prepare(connection)
    connection.close()


def test_an_earlier_file_is_not_guessed_at(tmp_path: Path) -> None:
    """It is written anew by whoever keeps it, or made again: here it is refused by its number."""
    connection = prepared(tmp_path / "log.db")
    connection.execute("PRAGMA user_version = 3")
    with pytest.raises(ConfigError, match="schema 3 of an earlier version"):
        prepare(connection)
    connection.close()


def test_a_file_of_schema_4_becomes_one_of_ours(tmp_path: Path) -> None:
    """Its tables are afterwards those of a new file, to the letter."""
    unpack(4, tmp_path)
    connection = connect(tmp_path / "log.db", writer=True)
    assert not has_our_tables(connection)
    prepare(connection)
    assert has_our_tables(connection)
    assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    assert SqliteLog(connection).unsound() == []
    connection.close()


def test_a_step_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All steps and the number are one transaction."""
    unpack(4, tmp_path)
    monkeypatch.setitem(schema.UPGRADES, 5, LETTER_TABLES + "SELECT nothing;")
    connection = connect(tmp_path / "log.db", writer=True)
    with pytest.raises(sqlite3.OperationalError):
        prepare(connection)
    connection.close()
    connection = connect(tmp_path / "log.db", writer=True)
    assert connection.execute("PRAGMA user_version").fetchone() == (4,)
    assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'letter'").fetchall()
    connection.close()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    connection = prepared(tmp_path / "log.db")
    yield SqliteLog(connection)
    connection.close()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE mark SET said = 'x'",
        "DELETE FROM mark",
        "UPDATE loss SET said = replace(said, '5', '4')",
        "UPDATE probe SET said = ''",
        "DELETE FROM probe",
        "UPDATE erasing SET said = NULL",
        "UPDATE post SET said = replace(said, '0', '7')",
        "DELETE FROM post",
    ],
)
def test_what_is_said_twice_is_compared(log: SqliteLog, change: str) -> None:
    """Each write of such a row says it twice; one that differs is named by its table, and so is a row that is missing."""
    log.set_epoch("e")
    log.add_loss(1, 5)
    log.keep(Times("boot", 1, 2, 3))
    log.add_erasing(Channel("a", "t"), 9)
    assert log.unsound() == []
    log.connection.execute(change.replace("NULL", "'null'"))
    assert log.unsound() == [change.replace("DELETE FROM", "UPDATE").split()[1]]


def test_what_differs_is_not_gone_by(log: SqliteLog) -> None:
    """No channel is erased, and no time believed, for a bit that flipped."""
    log.keep(Times("boot", 1, 2, 3))
    log.add_erasing(Channel("a", "t"), 9)
    assert (log.kept(), log.erasing()) == (Times("boot", 1, 2, 3), [(Channel("a", "t"), 9)])
    log.connection.execute("UPDATE probe SET said = ''")
    log.connection.execute("UPDATE erasing SET said = ''")
    assert (log.kept(), log.erasing()) == (None, [])
