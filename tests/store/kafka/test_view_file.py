"""The file of a view: kept where it is of use, made anew where it is not, and held by one process."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from fast_sse.model.errors import ConfigError, HeldError
from fast_sse.store.kafka.view_file import ViewFile

EPOCH, OTHER = "0" * 13, "1" * 13


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the view lies."""
    return tmp_path / "data" / "view-a.db"


@pytest.fixture
def file(path: Path) -> Iterator[ViewFile]:
    """One that is closed after the test."""
    one = ViewFile(path)
    yield one
    one.close()


def fill(file: ViewFile, *statements: str) -> None:
    """All of them in one transaction."""
    with file.transaction() as execute:
        for statement in statements:
            execute(statement)


def test_a_view_of_the_topic_is_kept(path: Path, file: ViewFile) -> None:
    """The first time there is none; the second time it is that of the first."""
    assert not file.open(EPOCH)
    file.close()
    again = ViewFile(path)
    assert again.open(EPOCH)
    again.close()


@pytest.mark.parametrize("content", [b"", b"no database at all", b"SQLite format 3\0" + bytes(4080)])
def test_what_is_no_view_is_made_anew(
    path: Path, file: ViewFile, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing in it is precious: the topic is read again, and a line says why."""
    path.parent.mkdir()
    path.write_bytes(content)
    assert not file.open(EPOCH)
    assert file.log.epoch() == EPOCH
    assert "is made again (" in caplog.text


def test_a_view_of_another_topic_is_made_anew(
    path: Path, file: ViewFile, caplog: pytest.LogCaptureFixture
) -> None:
    """A topic that was deleted and made again has another epoch: its offsets mean other entries."""
    file.open(OTHER)
    file.close()
    again = ViewFile(path)
    assert not again.open(EPOCH)
    assert "it is of another topic" in caplog.text
    again.close()


def test_a_view_is_held_by_one_process(path: Path, file: ViewFile) -> None:
    """Two with one name and one directory would write each other's view; the setting to change is named."""
    file.open(EPOCH)
    second = ViewFile(path)
    with pytest.raises(HeldError, match="node"):
        second.open(EPOCH)
    file.close()
    assert second.open(EPOCH)
    second.close()


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """It is the setting `data_dir`, and it is found before anything is read."""
    (tmp_path / "data").write_text("a file where the directory should be")
    with pytest.raises(ConfigError, match="data_dir"):
        ViewFile(tmp_path / "data" / "view-a.db").open(EPOCH)


def test_a_transaction_is_all_or_nothing(file: ViewFile) -> None:
    """What fails in its middle leaves no trace."""
    file.open(EPOCH)
    twice = "INSERT INTO print VALUES (1, 'a'), (1, 'b')"
    with pytest.raises(sqlite3.IntegrityError):
        fill(file, "INSERT INTO print VALUES (2, 'a')", twice)
    assert file.log.connection.execute("SELECT count(*) FROM print").fetchone() == (0,)
    fill(file, "INSERT INTO print VALUES (2, 'a')")
    assert file.log.connection.execute("SELECT count(*) FROM print").fetchone() == (1,)
