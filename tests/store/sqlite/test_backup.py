"""A backup of a log: all of it, as it was at one moment, whoever writes meanwhile."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.contract.asserting import everything, put, trim_all
from tests.contract.backends import draft
from tests.store.conftest import Opener
from tests.store.failing import sqlite_error
from tests.store.rows.earlier import unpack
from tests.store.sqlite.backups import back_up_beside, fill, rows, silent

from fast_sse.model.channel import Channel
from fast_sse.model.errors import ConfigError, DiskFullError, FastSseError, NotStoredError
from fast_sse.store.base import Retention
from fast_sse.store.sqlite import backup
from fast_sse.store.sqlite.backup import back_up
from fast_sse.store.sqlite.verify import verify


async def nothing() -> None:
    pass


def made(directory: Path) -> list[str]:
    """What a backup left behind, whole or not."""
    return sorted(path.name for path in directory.glob("backup*"))


async def test_a_backup_is_the_log(open_store: Opener, tmp_path: Path) -> None:
    """Every row of every table, in one file that is its owner's alone and says what it holds."""
    store, to = await open_store(), tmp_path / "backup.db"
    cursors = await fill(store)
    contents = await back_up_beside(store, to)
    assert rows(to) == rows(store._directory / "log.db")
    assert contents == verify(to, silent)
    assert (contents.newest, contents.messages, contents.keys) == (cursors[-1], 1000, 1000)
    assert (contents.letters, contents.size_bytes) == (2, to.stat().st_size)
    assert to.stat().st_mode & 0o777 == 0o600
    assert made(tmp_path) == ["backup.db"]


async def test_what_comes_and_goes_meanwhile_is_in_it_and_gone_from_it(
    open_store: Opener, tmp_path: Path
) -> None:
    """Published, trimmed and erased between two reads: the backup is the log of one moment after that."""
    few = Retention(max_age_s=None, max_bytes=None, max_messages=900)
    store, to = await open_store(few), tmp_path / "backup.db"
    await fill(store)
    late = []

    async def publish() -> None:
        late.extend(await put(store, *(draft("c", data=b'"late"', keys=(f"l{n}",)) for n in range(100))))

    async def trim() -> None:
        assert await trim_all(store) >= 200

    async def erase() -> None:
        assert await store.erase(Channel("b", "t"))

    contents = await back_up_beside(store, to, publish, trim, erase)
    assert contents.newest.position >= late[-1].position
    assert rows(to) == rows(store._directory / "log.db")
    assert verify(to, silent) == contents


async def test_the_rest_is_of_one_moment(
    open_store: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is published while the rest is copied is not in it: no record, no channel, no key."""
    store, to = await open_store(), tmp_path / "backup.db"
    await fill(store)
    before, loop = rows(store._directory / "log.db"), asyncio.get_running_loop()
    forget = backup.Copy._forget_what_went

    def between(copy: backup.Copy) -> None:
        asyncio.run_coroutine_threadsafe(put(store, draft("late", keys=("late",))), loop).result()
        forget(copy)

    monkeypatch.setattr(backup.Copy, "_forget_what_went", between)
    await back_up_beside(store, to)
    assert rows(to) == before != rows(store._directory / "log.db")


async def test_what_was_erased_meanwhile_is_overwritten(open_store: Opener, tmp_path: Path) -> None:
    """The bytes of a message that was copied and then erased are nowhere in the file."""
    store, to = await open_store(), tmp_path / "backup.db"
    await put(store, draft("secret", data=b'"the-word-is-swordfish"'))
    await fill(store)

    async def erase() -> None:
        assert await store.erase(Channel("secret", "t")) == 1

    await back_up_beside(store, to, erase)
    assert b"swordfish" not in to.read_bytes()


async def test_between_two_reads_the_hub_may_begin_its_wal_anew(open_store: Opener, tmp_path: Path) -> None:
    """No read of the records lasts over a rest, so the writer finds the file without a reader."""
    store = await open_store()
    await fill(store)
    emptied: list[int] = []

    async def empty() -> None:
        await put(store, draft())
        await store._do(store._kept().empty_wal)
        emptied.append((store._directory / "log.db-wal").stat().st_size)

    await back_up_beside(store, tmp_path / "backup.db", empty, empty, empty)
    assert (emptied, store._wal.held) == ([0, 0, 0], False)


async def test_it_rests_as_long_as_it_reads(
    open_store: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reads that take long get shorter, those that take no time longer, and each is followed by a rest."""
    store = await open_store()
    await fill(store, 3000)
    monkeypatch.setattr(backup, "_ROWS_MAX", 256)
    took = iter([0.0, 0.0, 0.0, 0.5, 0.0])
    clock = [0.0]
    counts, rests = [], []
    copy_records = backup.Copy._copy_records

    def timed(self: backup.Copy, how: str, *values: int) -> int:
        clock[0] += (passed := next(took, 0.0))
        count = copy_records(self, how, *values)
        if values:
            counts.append(count)
            rests.append(passed)
        return count

    monkeypatch.setattr(backup.Copy, "_copy_records", timed)
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    slept: list[float] = []
    back_up(store._directory, tmp_path / "backup.db", silent, sleep=slept.append)
    assert counts[:6] == [64, 128, 256, 256, 128, 256]
    assert slept == rests


async def test_a_stopped_hub_s_directory_stays_as_it_is(open_store: Opener, tmp_path: Path) -> None:
    """The backup is the log that was closed; nothing is changed or left beside it."""
    store = await open_store()
    await fill(store)
    await store.close()
    before = {path.name: path.read_bytes() for path in store._directory.iterdir()}
    back_up(store._directory, tmp_path / "backup.db", silent)
    assert {path.name: path.read_bytes() for path in store._directory.iterdir()} == before
    assert rows(tmp_path / "backup.db") == rows(store._directory / "log.db")


async def test_a_log_that_became_another_one_is_not_mixed(open_store: Opener, tmp_path: Path) -> None:
    """A new epoch between two reads: no backup, and a sentence that says why."""
    store = await open_store()
    await fill(store)

    async def begin_anew() -> None:
        with closing(sqlite3.connect(store._directory / "log.db")) as connection, connection:
            connection.execute("UPDATE mark SET epoch = 'another'")

    with pytest.raises(NotStoredError, match="another one meanwhile"):
        await back_up_beside(store, tmp_path / "backup.db", begin_anew)
    assert not made(tmp_path)


async def test_half_a_backup_is_none(open_store: Opener, tmp_path: Path) -> None:
    """What was written before the end has no version, so nothing takes it for a backup under whichever name."""
    store, half = await open_store(), tmp_path / "half.db"
    await fill(store)

    async def look() -> None:
        half.write_bytes((tmp_path / "backup.db.part").read_bytes())

    await back_up_beside(store, tmp_path / "backup.db", nothing, look)
    with pytest.raises(ConfigError, match="cut off"):
        verify(half, silent)


@pytest.mark.parametrize("taken", ["backup.db", "backup.db.part"])
async def test_nothing_is_overwritten(
    open_store: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: str
) -> None:
    """Neither a file of that name nor one that another backup is being written to; it is said before anything is copied."""
    store = await open_store()
    monkeypatch.setattr(backup, "Copy", lambda *_: pytest.fail("it was copied"))
    (tmp_path / taken).write_bytes(b"precious")
    with pytest.raises(ConfigError, match=r"FILE: .* is there"):
        back_up(store._directory, tmp_path / "backup.db", silent)
    assert (made(tmp_path), (tmp_path / taken).read_bytes()) == ([taken], b"precious")


async def test_a_name_that_was_taken_meanwhile_stays(open_store: Opener, tmp_path: Path) -> None:
    """Whoever made a file of that name while the backup was written keeps it."""
    store, to = await open_store(), tmp_path / "backup.db"
    await fill(store)

    async def take() -> None:
        to.write_bytes(b"precious")

    with pytest.raises(ConfigError, match="there already"):
        await back_up_beside(store, to, take)
    assert (made(tmp_path), to.read_bytes()) == ([to.name], b"precious")


async def test_a_file_system_without_links_takes_it(
    open_store: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FAT and some networks have none: the file is renamed."""

    def refuse(_old: Path, _new: Path) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    store = await open_store()
    contents = await back_up_beside(store, tmp_path / "backup.db")
    assert verify(tmp_path / "backup.db", silent) == contents


async def test_an_empty_log_has_a_backup(open_store: Opener, tmp_path: Path) -> None:
    """Nothing was published yet."""
    store = await open_store()
    contents = await back_up_beside(store, tmp_path / "backup.db")
    assert (contents.messages, contents.newest) == (0, (await store.bounds()).newest)


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (sqlite_error(sqlite3.SQLITE_FULL), DiskFullError, "no room"),
        (OSError(28, "No space left on device"), DiskFullError, "no room"),
        (sqlite_error(sqlite3.SQLITE_CORRUPT), NotStoredError, "log.db is damaged"),
        (sqlite_error(sqlite3.SQLITE_CANTOPEN), ConfigError, "hub's user"),
        (sqlite_error(sqlite3.SQLITE_IOERR, "disk I/O error"), NotStoredError, "disk I/O error"),
        (OSError(5, "Input/output error"), NotStoredError, "Input/output error"),
    ],
)
async def test_what_goes_wrong_is_a_sentence_and_no_file(
    open_store: Opener,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    kind: type[FastSseError],
    said: str,
) -> None:
    """Each failure on the way leaves nothing behind."""
    store = await open_store()

    def fail(_self: backup.Copy) -> None:
        raise error

    monkeypatch.setattr(backup.Copy, "finish", fail)
    with pytest.raises(kind, match=said):
        back_up(store._directory, tmp_path / "backup.db", silent)
    assert not made(tmp_path)


async def test_too_little_room_is_said_before_anything_is_copied(
    open_store: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With how much it takes."""
    store = await open_store()
    monkeypatch.setattr(backup.Copy, "run", lambda _self: pytest.fail("it was copied"))
    full = os.statvfs(tmp_path)
    monkeypatch.setattr(os, "statvfs", lambda _path: os.statvfs_result((*full[:4], 1, *full[5:])))
    with pytest.raises(DiskFullError, match=r"takes up to \d+ MiB"):
        back_up(store._directory, tmp_path / "backup.db", silent)
    assert not made(tmp_path)


def test_a_directory_without_a_log_has_none(tmp_path: Path) -> None:
    """Nothing is made."""
    with pytest.raises(ConfigError, match=r"holds no log\.db"):
        back_up(tmp_path / "nowhere", tmp_path / "backup.db", silent)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("CREATE TABLE t (x)", "another program"),
        ("PRAGMA user_version = 99", "schema 99"),
        (None, "not a database"),
    ],
)
def test_what_is_no_log_of_ours_is_refused(tmp_path: Path, sql: str | None, said: str) -> None:
    """A database of something else, a log of a later version, and no database at all."""
    if sql is None:
        (tmp_path / "log.db").write_bytes(b"hello " * 1000)
    else:
        with closing(sqlite3.connect(tmp_path / "log.db")) as connection:
            connection.executescript(f"CREATE TABLE mark (epoch); INSERT INTO mark VALUES ('x'); {sql}")
    with pytest.raises(ConfigError, match=said):
        back_up(tmp_path, tmp_path / "backup.db", silent)
    assert not made(tmp_path)


@pytest.mark.parametrize("version", [1, 3, 4])
def test_a_log_of_an_earlier_version_is_backed_up_as_it_is(tmp_path: Path, version: int) -> None:
    """So that the way back stays open: before an upgrade the new command makes a file that the old version takes."""
    unpack(version, tmp_path / "data")
    contents = back_up(tmp_path / "data", tmp_path / "backup.db", silent)
    assert contents.schema == version
    assert rows(tmp_path / "backup.db") == rows(tmp_path / "data" / "log.db")
    assert verify(tmp_path / "backup.db", silent) == contents


async def test_it_says_how_far_it_is(
    open_store: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In percent of what the log takes, ascending."""
    store = await open_store()
    await fill(store, 3000)
    monkeypatch.setattr("fast_sse.store.sqlite.verify.SAID_S", 0.0)
    said: list[tuple[str, int]] = []
    back_up(store._directory, tmp_path / "backup.db", lambda *words: said.append(words), sleep=lambda _: None)
    assert said == sorted(said)
    assert {what for what, _ in said} == {"copying"}
    assert all(0 <= percent <= 100 for _, percent in said)


def test_a_directory_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no directory without a log."""

    def refuse(_path: Path, **_: object) -> os.stat_result:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(ConfigError, match=r"data_dir: cannot read .*: Permission denied"):
        back_up(tmp_path, tmp_path / "backup.db", silent)


async def test_a_name_in_no_directory_is_a_wrong_argument(open_store: Opener, tmp_path: Path) -> None:
    """It says which, and why."""
    store = await open_store()
    await everything(store)
    with pytest.raises(ConfigError, match=r"FILE: .*No such file or directory"):
        back_up(store._directory, tmp_path / "nowhere" / "backup.db", silent)
