"""A second file that takes the log's name."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from fast_sse.model.errors import NotStoredError
from fast_sse.store.sqlite.replace import new_file, remove, replace


def test_the_new_file_has_the_name_and_the_mode(tmp_path: Path) -> None:
    """Whoever could read the log can read the new one, and nobody else."""
    made, path = tmp_path / "made.db", tmp_path / "log.db"
    path.write_text("old")
    path.chmod(0o640)
    new_file(made)
    assert made.stat().st_mode & 0o777 == 0o600
    made.write_text("new")
    replace(made, path)
    assert (path.read_text(), path.stat().st_mode & 0o777, made.exists()) == ("new", 0o640, False)


@pytest.mark.parametrize("name", ["log.db", "made.db"])
def test_a_file_that_is_open_is_not_replaced(tmp_path: Path, name: str) -> None:
    """What lies in a write-ahead log would be lost with its name."""
    for one in ("log.db", "made.db"):
        (tmp_path / one).write_text(one)
    (tmp_path / f"{name}-wal").write_text("")
    with pytest.raises(NotStoredError, match="another process reads it"):
        replace(tmp_path / "made.db", tmp_path / "log.db")
    assert (tmp_path / "log.db").read_text() == "log.db"


def test_what_was_left_is_removed_with_its_side_files(tmp_path: Path) -> None:
    """A write-ahead log of another file under this name would be taken for its own."""
    connection = sqlite3.connect(tmp_path / "made.db")
    connection.execute("PRAGMA journal_mode = WAL").fetchone()
    connection.execute("CREATE TABLE one (a)")
    (tmp_path / "copy").mkdir()
    for path in tmp_path.glob("made*"):
        (tmp_path / "copy" / path.name).write_bytes(path.read_bytes())
    connection.close()
    made = tmp_path / "copy" / "made.db"
    assert len(list(made.parent.iterdir())) == 3
    new_file(made)
    assert [path.name for path in made.parent.iterdir()] == ["made.db"]
    assert made.read_bytes() == b""
    remove(made)
    remove(made)
