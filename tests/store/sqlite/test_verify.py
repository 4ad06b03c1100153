"""Whether a backup is whole: every kind of damage is found, and nothing else is called damage."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.store.conftest import Opener
from tests.store.sqlite.backups import back_up_beside, fill, silent

from fast_sse.model.errors import ConfigError, NotStoredError
from fast_sse.store.sqlite import verify as sqlite_verify
from fast_sse.store.sqlite.verify import Pulse, verify


@pytest.fixture
async def backup(open_store: Opener, tmp_path: Path) -> Path:
    """A whole one."""
    store = await open_store()
    await fill(store, 200)
    await back_up_beside(store, tmp_path / "backup.db")
    return tmp_path / "backup.db"


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE log SET body = x'00' || substr(body, 2) WHERE seq = 150", "after position 149 to 150"),
        ("UPDATE log SET channel = 2 - (channel = 2) WHERE seq = 150", "the row of position 150"),
        ("UPDATE key SET expires_ms = expires_ms + 1 WHERE seq = 150", "idempotency keys"),
        (
            "UPDATE letter SET body = x'00' || substr(body, 2) WHERE event_id = 'a'",
            "the dead letter of position",
        ),
        ("UPDATE mark SET said = ''", "table mark"),
        ("DROP TRIGGER mark_updated", "its tables"),
    ],
)
def test_what_is_not_what_was_written_is_named(
    backup: Path, sql: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A line for each place, and an error that says how many there are."""
    with closing(sqlite3.connect(backup)) as connection, connection:
        connection.execute(sql)
    with pytest.raises(NotStoredError, match="is damaged in 1 place: do not restore it"):
        verify(backup, silent)
    assert said in caplog.text


@pytest.mark.parametrize("offset", [0.0, 0.5, 1.0])
def test_overwritten_pages_are_damage(backup: Path, offset: float) -> None:
    """Wherever a page of the file is overwritten, at its beginning, in its middle or at its end: it is no whole backup."""
    size = backup.stat().st_size
    with backup.open("r+b") as file:
        file.seek(int((size / 4096 - 1) * offset) * 4096)
        file.write(b"x" * 4096)
    with pytest.raises((NotStoredError, ConfigError), match=r"damaged|not a backup"):
        verify(backup, silent)


def test_a_file_that_was_cut_is_damage(backup: Path) -> None:
    """As a copy is that met a full disk."""
    with backup.open("r+b") as file:
        file.truncate(backup.stat().st_size - 4096)
    with pytest.raises(NotStoredError, match="damaged"):
        verify(backup, silent)


async def test_the_log_of_a_hub_is_no_backup(open_store: Opener) -> None:
    """What lies in log.db-wal belongs to it: alone it would look whole and lack its end."""
    store = await open_store()
    await fill(store, 200)
    with pytest.raises(ConfigError, match=r"not whole without log\.db-wal: take a backup of it"):
        verify(store._directory / "log.db", silent)


@pytest.mark.parametrize("content", [b"", b"hello " * 1000])
def test_what_is_no_database_is_no_backup(tmp_path: Path, content: bytes) -> None:
    """An empty file, and one of something else."""
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ConfigError, match="is not a backup"):
        verify(tmp_path / "file", silent)


def test_a_file_that_may_not_be_read_is_named(backup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is there, and somebody else's."""

    def refuse(_path: Path, _mode: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ConfigError, match=r"FILE: cannot read .*/backup\.db: Permission denied"):
        verify(backup, silent)


def test_a_later_schema_is_for_a_later_version(backup: Path) -> None:
    """It names both schemas."""
    with closing(sqlite3.connect(backup)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigError, match=r"FILE: .* schema 99, and this version of Fast SSE knows"):
        verify(backup, silent)


async def test_a_backup_is_read_where_nothing_may_be_written(
    open_store: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is made beside it, not even for a while, also of a copy that SQLite's own means made: it may lie on a medium that
    is read only.
    """
    store = await open_store()
    await fill(store, 1000)
    await store.close()
    monkeypatch.setattr(sqlite_verify, "SAID_S", 0.0)
    seen: list[set[str]] = []
    names = {path.name for path in store._directory.iterdir()}
    verify(
        store._directory / "log.db",
        lambda *_: seen.append({path.name for path in store._directory.iterdir()}),
    )
    assert len(seen) > 2
    assert all(found == names for found in seen)


def test_progress_is_told_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """In percent, and never more than a hundred, though what is copied may grow."""
    now_s, said = [0.0], []
    monkeypatch.setattr("time.monotonic", lambda: now_s[0])
    pulse = Pulse(lambda *words: said.append(words), "copying")
    for now_s[0], done in ((0.5, 1), (1.0, 2), (1.9, 3), (2.0, 30)):
        pulse(done, 20)
    assert said == [("copying", 10), ("copying", 100)]
