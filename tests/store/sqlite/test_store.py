"""What is particular to the SQLite store; the contract is proved in tests/contract."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.contract.asserting import everything, page, put
from tests.contract.backends import draft
from tests.store.conftest import Opener
from tests.store.failing import sqlite_error

from fast_sse.model.channel import Channel
from fast_sse.model.errors import (
    ConfigError,
    DiskFullError,
    NotStoredError,
    StoreClosedError,
    UnknownOutcomeError,
)
from fast_sse.model.message import Draft
from fast_sse.store.base import Appended, Gap, OvertakenError
from fast_sse.store.sqlite.store import SqliteStore


async def test_a_second_store_on_the_directory_is_refused(open_store: Opener) -> None:
    """ConfigError that names data_dir; the refused one may be opened once the first is closed."""
    first = await open_store()
    second = SqliteStore(first._directory, ballast_bytes=4096)
    with pytest.raises(ConfigError, match="data_dir: another process holds it"):
        await second.open()
    await first.close()
    await second.open()
    await second.close()


async def test_a_closed_store_is_not_opened_again(open_store: Opener) -> None:
    """One object is one life."""
    store = await open_store()
    with pytest.raises(StoreClosedError):
        await store.open()
    await store.close()
    with pytest.raises(StoreClosedError):
        await store.open()


async def test_close_leaves_nothing_behind(open_store: Opener) -> None:
    """No thread, no WAL, no lock: the directory is whole in log.db and its sidecar."""
    before, there = threading.active_count(), set(threading.enumerate())
    store = await open_store()
    await put(store, draft())
    await everything(store)
    await store.close()
    assert sorted(path.name for path in store._directory.iterdir()) == [
        "log.ballast",
        "log.db",
        "log.lock",
        "log.reserve",
    ]
    names = {
        thread.name for thread in set(threading.enumerate()) - there if thread.name.startswith("fast-sse")
    }
    assert not names
    assert threading.active_count() <= before + 1  # asyncio's own executor


async def test_a_clean_close_gives_back_what_was_reserved(open_store: Opener) -> None:
    """A run that ended well leaves no loss behind and no hole in the numbers: the newest stays the newest."""
    store = await open_store()
    (cursor,) = await put(store, draft())
    await store.close()
    store = await open_store()
    assert (await store.bounds()).newest == cursor
    (above,) = await put(store, draft())
    assert above.position - cursor.position <= 2


async def test_a_lost_tail_is_told(open_store: Opener) -> None:
    """`lost_tail`: a cursor into rows that vanished goes on at the end of the loss; the last row left is no gap."""
    store = await open_store()
    cursors = await put(store, *(draft() for _ in range(10)))
    # The sidecar as a kill leaves it, and the tail gone behind our back.
    sidecar = (store._directory / "log.reserve").read_bytes()
    await store.close()
    (store._directory / "log.reserve").write_bytes(sidecar)
    connection = sqlite3.connect(store._directory / "log.db")
    connection.execute("DELETE FROM log WHERE seq > ?", (cursors[5].position,))
    connection.commit()
    connection.close()
    store = await open_store()
    newest = (await store.bounds()).newest
    assert (await page(store, cursors[8])).gap == Gap("lost_tail", newest)
    assert (await page(store, cursors[9])).gap == Gap("lost_tail", newest)
    assert (await page(store, cursors[5])).gap is None
    (above,) = await put(store, draft())
    assert above.position > newest.position
    assert (await page(store, newest)).gap is None


async def test_an_unknown_outcome_may_appear_later(
    open_store: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failed fsync the publisher is told `unknown`; if the row is there after all, followers hear it, in order."""
    store = await open_store()
    keeper = store._kept()
    follower = store.follow((await store.bounds()).newest)
    insert = type(keeper._log).insert

    def stored_but_not_synced(log: Any, values: list[Any]) -> None:
        monkeypatch.undo()
        insert(log, values)
        raise sqlite_error(sqlite3.SQLITE_IOERR_FSYNC)

    monkeypatch.setattr(type(keeper._log), "insert", stored_but_not_synced)
    (outcome,) = await store.append([draft(data=b"1", keys=("k",))])
    assert isinstance(outcome, UnknownOutcomeError)
    (second,) = await put(store, draft(data=b"2"))
    heard: list[bytes] = []
    while len(heard) < 2:
        heard += [record.data for record in await anext(follower)]
    assert heard == [b"1", b"2"]
    (retried,) = await store.append([draft(data=b"1", keys=("k",))])
    assert isinstance(retried, Appended)
    assert retried.duplicate
    assert retried.cursor.position < second.position
    await follower.aclose()  # type: ignore[attr-defined]


async def test_an_error_of_the_group_is_the_same_for_each_entry(
    open_store: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Disk full: every entry of the call says so, nothing is stored, and it heals by itself."""
    store = await open_store()
    with monkeypatch.context() as patch:

        def full(*_: object) -> None:
            raise sqlite_error(sqlite3.SQLITE_FULL)

        patch.setattr(type(store._kept()._log), "insert", full)
        outcomes = await store.append([draft(), draft()])
    assert [type(outcome) for outcome in outcomes] == [DiskFullError] * 2
    assert await everything(store) == []
    await put(store, draft())


async def test_a_probe_has_a_deadline(open_store: Opener) -> None:
    """A disk that hangs is not ready: `ping` says NotStoredError when its time is up, and publishes go on waiting."""
    store = await open_store(ping_s=0.01)
    hang = threading.Event()
    stuck = store._opened().do(hang.wait)
    try:
        with pytest.raises(NotStoredError, match="in time"):
            await store.ping()
    finally:
        hang.set()
    await stuck
    await put(store, draft())


@pytest.mark.parametrize("where", ["payload", "structure", "checksum", "size"])
async def test_a_damaged_record_is_named_and_never_served(open_store: Opener, where: str) -> None:
    """A flipped bit in log.db ends the page before it, is told as `unreadable`, and the rest follows (F13, F16)."""
    store = await open_store()
    cursors = await put(store, *(draft(data=b'{"price":"%d"}' % number) for number in range(5)))
    await store.close()
    connection = sqlite3.connect(store._directory / "log.db")
    (body,) = connection.execute("SELECT body FROM log WHERE seq = ?", (cursors[2].position,)).fetchone()
    changed = {
        "payload": body.replace(b'"2"', b'"3"'),
        "structure": body[:5] + b"\xc1" + body[6:],
        "checksum": b"\x00" + body[1:],
        "size": body[:3],
    }[where]
    connection.execute("UPDATE log SET body = ? WHERE seq = ?", (changed, cursors[2].position))
    connection.commit()
    connection.close()
    store = await open_store()
    start = (await store.bounds()).trimmed
    first = await page(store, start)
    assert [record.position for record in first.records] == [cursor.position for cursor in cursors[:2]]
    assert first.gap is None
    second = await page(store, first.through)
    assert second.gap == Gap("unreadable", cursors[2])
    assert [record.position for record in second.records] == [cursor.position for cursor in cursors[3:]]
    assert await store.get(cursors[2].position) is None
    with pytest.raises(OvertakenError) as caught:
        async for _ in store.follow(start):
            pass
    assert caught.value.gap == Gap("unreadable", cursors[2])


async def test_reserving_does_not_show(open_store: Opener) -> None:
    """Blocks of numbers are reserved as they are needed, between groups, and the log goes on."""
    store = await open_store(reserve_block=7)
    for _ in range(20):
        await put(store, draft(), draft(), draft())
    assert [record.position for record in await everything(store)] == list(range(1, 61))


async def test_erased_bytes_are_gone_from_the_files(tmp_path: Path) -> None:
    """What was erased is in no file of the directory any more, neither in a free page nor in the WAL."""
    store = SqliteStore(tmp_path, ballast_bytes=4096)
    await store.open()
    channel = Channel("a", "t")
    secret = b'"' + b"very secret" * 2000 + b'"'
    await store.append([Draft(channel=channel, data=secret, headers=b"{}") for _ in range(20)])
    assert _files_with(tmp_path, b"very secret")
    assert await store.erase(channel) == 20
    assert not _files_with(tmp_path, b"very secret")
    await store.close()


def _files_with(directory: Path, text: bytes) -> list[str]:
    return [file.name for file in directory.iterdir() if text in file.read_bytes()]


async def test_a_new_log_is_its_owner_s_alone(open_store: Opener, tmp_path: Path) -> None:
    """Nobody else reads the files, also where the directory existed and lets everybody in (CWE-276)."""
    (tmp_path / "log").mkdir(mode=0o755)
    before = os.umask(0)
    try:
        store = await open_store(reserve_block=1)
        await put(store, draft(), draft())
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in store._directory.iterdir()}
    assert {"log.db", "log.db-wal", "log.db-shm", "log.reserve", "log.lock", "log.ballast"} == set(modes)
    assert set(modes.values()) == {0o600}


async def test_an_erasure_that_was_cut_off_is_ended_by_the_next_process(
    open_store: Opener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What was stored before the request goes, what was published since stays, and it is told in one line."""
    store = await open_store()
    target = draft().channel
    await put(store, *(draft() for _ in range(3)), draft("b"))

    def killed(*_: object) -> int:
        raise NotStoredError("killed here")

    with monkeypatch.context() as patch:
        patch.setattr(type(store._kept()), "erase", killed)
        with pytest.raises(NotStoredError):
            await store.erase(target)
    (since,) = await put(store, draft())
    await store.close()
    store = await open_store()
    assert store._erasing is not None
    await store._erasing
    kept = [record.position for record in await everything(store) if record.channel == target]
    assert kept[-1] == since.position
    assert len([one for one in await everything(store) if one.channel == target and not one.is_control]) == 1
    assert "is done now (3 entries)" in caplog.text
    await store.close()
    caplog.clear()
    store = await open_store()
    assert store._erasing is not None
    await store._erasing
    assert caplog.records == []


@pytest.mark.parametrize("how", ["removed", "replaced", "wal removed", "directory removed"])
async def test_files_that_are_gone_take_no_publish(open_store: Opener, how: str) -> None:
    """Nothing is acknowledged that the next process would not find: 503 and a sentence, for publishes and readiness; it ends."""
    store = await open_store()
    await put(store, draft())
    path = store._directory / "log.db"
    if how == "removed":
        path.unlink()
    elif how == "replaced":
        shutil.copy(path, path.with_suffix(".copy"))
        path.with_suffix(".copy").rename(path)
    elif how == "wal removed":
        path.with_name("log.db-wal").unlink()
    else:
        shutil.rmtree(store._directory)
    (outcome,) = await store.append([draft()])
    assert isinstance(outcome, NotStoredError)
    assert "was removed or replaced" in outcome.message
    with pytest.raises(NotStoredError, match="was removed or replaced"):
        await store.ping()
    await store.close()


async def test_files_that_are_back_take_publishes(open_store: Opener) -> None:
    """The very same files under their names again: nothing is lost, and it goes on."""
    store = await open_store()
    await put(store, draft())
    path = store._directory / "log.db"
    path.rename(path.with_suffix(".away"))
    (outcome,) = await store.append([draft()])
    assert isinstance(outcome, NotStoredError)
    path.with_suffix(".away").rename(path)
    await store.ping()
    await put(store, draft())
    await store.close()
    store = await open_store()
    assert len(await everything(store)) == 2


async def test_a_store_whose_thread_has_ended_refuses_and_closes(
    open_store: Opener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Readiness is false, publishes are certainly not stored, reads go on, and closing ends: SIGTERM does."""

    class TornError(BaseException):
        pass

    def torn(*_: object) -> None:
        raise TornError

    store = await open_store()
    (kept,) = await put(store, draft())
    with monkeypatch.context() as patch:
        patch.setattr(type(store._kept()), "commit", torn)
        (unknown,) = await store.append([draft()])
    assert isinstance(unknown, UnknownOutcomeError)
    (refused,) = await store.append([draft()])
    assert isinstance(refused, NotStoredError)
    with pytest.raises(NotStoredError, match="restart the hub"):
        await store.ping()
    assert "has ended" in caplog.text
    assert [record.position for record in await everything(store)] == [kept.position]
    await store.close()
    store = await open_store()
    await put(store, draft())
