"""A backup restored: the same messages, keys and letters, in a log that is another one."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.contract.asserting import everything, page, put
from tests.contract.backends import FOREVER, draft
from tests.contract.letters.node import every_letter
from tests.store.conftest import Opener
from tests.store.failing import sqlite_error
from tests.store.rows.earlier import unpack
from tests.store.sqlite.backups import back_up_beside, fill, silent

from fast_sse.model.errors import ConfigError, DiskFullError, FastSseError, HeldError, NotStoredError
from fast_sse.store.base import Appended
from fast_sse.store.sqlite import restore as sqlite_restore
from fast_sse.store.sqlite.backup import back_up
from fast_sse.store.sqlite.files import SqliteFiles
from fast_sse.store.sqlite.restore import restore
from fast_sse.store.sqlite.store import SqliteStore


@pytest.fixture
async def original(open_store: Opener) -> SqliteStore:
    """A log with something of everything."""
    store = await open_store()
    await fill(store, 200)
    return store


@pytest.fixture
async def backup(original: SqliteStore, tmp_path: Path) -> Path:
    """A backup of it."""
    await back_up_beside(original, tmp_path / "backup.db")
    return tmp_path / "backup.db"


def opened(directory: Path) -> SqliteStore:
    return SqliteStore(directory, FOREVER, ballast_bytes=4096)


async def test_a_restored_log_holds_what_was_backed_up(
    original: SqliteStore, backup: Path, tmp_path: Path
) -> None:
    """Messages at their positions, keys that answer with them, dead letters."""
    contents = restore(backup, tmp_path / "new", silent)
    store = opened(tmp_path / "new")
    await store.open()
    assert await everything(store) == await everything(original)
    assert [letter.id for letter in await every_letter(store)] == [
        letter.id for letter in await every_letter(original)
    ]
    assert contents.newest == (await store.bounds()).newest
    (outcome,) = await store.append([draft("a", data=b'"150"', keys=("k150",))])
    assert isinstance(outcome, Appended)
    assert (outcome.duplicate, outcome.cursor.position) == (True, 151)
    await store.close()


def test_a_backup_stays_as_it_is(backup: Path, tmp_path: Path) -> None:
    """It can be restored again."""
    before = backup.read_bytes()
    restore(backup, tmp_path / "new", silent)
    assert backup.read_bytes() == before


async def test_a_restored_log_is_another_log(original: SqliteStore, backup: Path, tmp_path: Path) -> None:
    """A cursor of the old one is told a gap `epoch`, over a restart, too; no two restores are the same log."""
    old = (await original.bounds()).newest
    epochs = {restore(backup, tmp_path / name, silent).newest.epoch for name in ("new", "other")}
    assert len(epochs | {old.epoch}) == 3
    for _ in range(2):
        store = opened(tmp_path / "new")
        await store.open()
        assert (await store.bounds()).newest.epoch in epochs
        gap = (await page(store, old)).gap
        assert gap is not None
        assert gap.reason == "epoch"
        (cursor,) = await put(store, draft())
        assert cursor.position > old.position
        await store.close()


def test_what_it_makes_is_its_owner_s_alone(backup: Path, tmp_path: Path) -> None:
    """Whatever the mode of the backup: nobody else reads the log."""
    backup.chmod(0o644)
    restore(backup, tmp_path / "new", silent)
    assert {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "new").iterdir()} == {
        "log.db": 0o600,
        "log.lock": 0o600,
        "log.reserve": 0o600,
    }


def test_what_root_makes_is_the_hub_s(backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root restores for the user of the hub, who owns the directory and must be able to open all of it."""
    directory = tmp_path / "new"
    directory.mkdir()
    owner = directory.stat()
    given: dict[str, tuple[int, int]] = {}
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "chown", lambda path, user, group: given.update({path.name: (user, group)}))
    restore(backup, directory, silent)
    assert given == dict.fromkeys(("log.restore.db", "log.lock", "log.reserve"), (owner.st_uid, owner.st_gid))


@pytest.mark.parametrize("name", ["log.db", "log.db-wal", "log.reserve"])
def test_a_directory_that_holds_a_log_is_left_alone(backup: Path, tmp_path: Path, name: str) -> None:
    """Also where only a part of one is there: log.reserve would make the restored log go on as the old one."""
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / name).write_bytes(b"precious")
    with pytest.raises(ConfigError, match=rf"data_dir: .* holds a log already .*\({name}\)"):
        restore(backup, tmp_path / "new", silent)
    assert [path.read_bytes() for path in (tmp_path / "new").iterdir()] == [b"precious"]


def test_a_directory_that_may_not_be_read_is_named(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's."""

    def refuse(_path: Path) -> list[Path]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(ConfigError, match=r"data_dir: cannot read .*: Permission denied"):
        restore(backup, tmp_path / "new", silent)


def test_a_hub_that_starts_has_the_directory(backup: Path, tmp_path: Path) -> None:
    """It holds the lock before it has a log."""
    files = SqliteFiles(tmp_path / "new")
    files.hold()
    with pytest.raises(HeldError, match="another process holds it"):
        restore(backup, tmp_path / "new", silent)
    files.release()
    restore(backup, tmp_path / "new", silent)


def test_a_damaged_backup_is_not_restored(backup: Path, tmp_path: Path) -> None:
    """The error names the file that was given, and the directory holds no log."""
    with closing(sqlite3.connect(backup)) as connection, connection:
        connection.execute("UPDATE log SET body = x'00' || substr(body, 2) WHERE seq = 150")
    with pytest.raises(NotStoredError, match=r"/backup\.db is damaged in 1 place"):
        restore(backup, tmp_path / "new", silent)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["log.lock"]


@pytest.mark.parametrize(
    "where", [(sqlite_restore, "_renewed"), (sqlite_restore, "_give_to_owner")], ids=lambda where: where[1]
)
@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (sqlite_error(sqlite3.SQLITE_FULL), DiskFullError, "the disk is full"),
        (OSError(28, "No space left on device"), DiskFullError, "the disk is full"),
        (OSError(5, "Input/output error"), NotStoredError, "Input/output error"),
    ],
)
def test_what_goes_wrong_leaves_no_log(
    backup: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    kind: type[FastSseError],
    said: str,
    where: tuple[object, str],
) -> None:
    """One sentence, and the same command can be given again."""

    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as broken:
        broken.setattr(*where, fail)
        with pytest.raises(kind, match=f"nothing was restored: .*{said}"):
            restore(backup, tmp_path / "new", silent)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["log.lock"]
    restore(backup, tmp_path / "new", silent)


def test_too_little_room_is_said_at_once(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is copied."""
    full = os.statvfs(tmp_path)
    monkeypatch.setattr(os, "statvfs", lambda _path: os.statvfs_result((*full[:4], 1, *full[5:])))
    with pytest.raises(DiskFullError, match=r"no room for \d+ MiB"):
        restore(backup, tmp_path / "new", silent)


def test_what_a_kill_left_is_no_log(backup: Path, tmp_path: Path) -> None:
    """Half a copy under its other name is written anew, and the sidecar of that with it."""
    (tmp_path / "new").mkdir()
    for name in ("log.restore.db", "log.reserve", "log.lock"):
        (tmp_path / "new" / name).write_bytes(b"half")
    restore(backup, tmp_path / "new", silent)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["log.db", "log.lock", "log.reserve"]


@pytest.mark.parametrize("version", [1, 3, 4])
async def test_a_backup_of_an_earlier_version_is_restored(tmp_path: Path, version: int) -> None:
    """The first start then writes it anew, and it is another log, too."""
    unpack(version, tmp_path / "data")
    contents = back_up(tmp_path / "data", tmp_path / "backup.db", silent)
    restored = restore(tmp_path / "backup.db", tmp_path / "new", silent)
    assert (restored.messages, restored.schema) == (contents.messages, version)
    store = opened(tmp_path / "new")
    await store.open()
    assert len(await everything(store)) == contents.messages
    assert (await store.bounds()).newest.epoch == restored.newest.epoch != contents.newest.epoch
    await store.close()


def test_the_log_of_a_running_hub_is_not_copied(original: SqliteStore, tmp_path: Path) -> None:
    """What lies in its log.db-wal would be missing."""
    with pytest.raises(ConfigError, match="take a backup of it"):
        restore(original._directory / "log.db", tmp_path / "new", silent)
    assert not (tmp_path / "new").exists()
