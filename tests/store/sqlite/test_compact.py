"""The file of a log written anew: shorter, and the same log."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from tests.contract.asserting import everything, page, put, trim_all
from tests.contract.backends import FOREVER, draft

from fast_sse.model.errors import ConfigError, DiskFullError, HeldError, NotStoredError
from fast_sse.store.base import Retention
from fast_sse.store.sqlite import compact as sqlite_compact
from fast_sse.store.sqlite.compact import compact
from fast_sse.store.sqlite.store import SqliteStore

FEW = Retention(max_age_s=None, max_bytes=None, max_messages=10)


def store_in(directory: Path, retention: Retention = FEW) -> SqliteStore:
    return SqliteStore(directory, retention, ballast_bytes=4096)


def silent(_done: int, _whole: int) -> None:
    pass


async def trimmed_log(directory: Path) -> list[bytes]:
    """A log of which little is left; the data of what is."""
    store = store_in(directory, FOREVER)
    await store.open()
    await put(
        store,
        *(draft(data=b'"%s"' % (b"x" * 5000), keys=(f"k{number}",), body=b"b") for number in range(500)),
    )
    await store.close()
    store = store_in(directory)
    await store.open()
    await trim_all(store)
    left = [record.data for record in await everything(store)]
    await store.close()
    return left


async def test_what_is_left_is_the_same_log(tmp_path: Path) -> None:
    """Shorter by what was deleted; records, cursors, keys and the epoch are as they were, and no number is given twice."""
    left = await trimmed_log(tmp_path)
    store = store_in(tmp_path)
    await store.open()
    cursor = (await everything(store))[3].position
    bounds = await store.bounds()
    await store.close()
    said: list[tuple[int, int]] = []
    before, after = compact(tmp_path, lambda done, whole: said.append((done, whole)))
    assert (before > 2_500_000, after < 300_000) == (True, True)
    assert (tmp_path / "log.db").stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "log.compact.db").exists()
    store = store_in(tmp_path)
    await store.open()
    assert [record.data for record in await everything(store)] == left
    assert await store.bounds() == bounds
    assert (await page(store, bounds.newest.at(cursor))).gap is None
    (outcome,) = await store.append([draft(data=left[0], keys=("k490",), body=b"b")])
    assert outcome.duplicate  # type: ignore[union-attr]
    (fresh,) = await put(store, draft())
    assert fresh.position > bounds.newest.position
    await store.close()


async def test_the_file_stays_its_owner_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may do it for the user of the hub, who must be able to open the log afterwards; its mode stays, too."""
    await trimmed_log(tmp_path)
    log = tmp_path / "log.db"
    log.chmod(0o640)
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "fchown", lambda _file, user, group: given.append((user, group)))
    compact(tmp_path, silent)
    assert given == [(log.stat().st_uid, log.stat().st_gid)]
    assert log.stat().st_mode & 0o777 == 0o640


async def test_a_log_that_is_open_is_left_alone(tmp_path: Path) -> None:
    """A hub that runs holds the directory."""
    store = store_in(tmp_path)
    await store.open()
    with pytest.raises(HeldError, match="another process holds it"):
        compact(tmp_path, silent)
    await put(store, draft())
    await store.close()


async def test_a_reader_that_is_no_hub_keeps_it_as_it_is(tmp_path: Path) -> None:
    """Whoever has the file open would go on reading the old one: it is not replaced under them."""
    await trimmed_log(tmp_path)
    other = sqlite3.connect(tmp_path / "log.db")
    other.execute("SELECT count(*) FROM log").fetchone()
    size = (tmp_path / "log.db").stat().st_size
    with pytest.raises(NotStoredError, match="as it was"):
        compact(tmp_path, silent)
    other.close()
    assert (tmp_path / "log.db").stat().st_size == size


def test_no_log_is_no_log(tmp_path: Path) -> None:
    """A directory without one is named, and none is made."""
    with pytest.raises(ConfigError, match=r"holds no log\.db"):
        compact(tmp_path / "nowhere", silent)
    assert not (tmp_path / "nowhere").exists()


async def test_a_disk_that_fills_leaves_the_log_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No half a file, and nothing lost; the directory is let go."""
    left = await trimmed_log(tmp_path)

    def full(_path: Path, made: Path, _progress: object) -> None:
        made.write_bytes(b"half")
        error = sqlite3.OperationalError("full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    monkeypatch.setattr(sqlite_compact, "_write_copy", full)
    with pytest.raises(DiskFullError, match="as it was"):
        compact(tmp_path, silent)
    assert not (tmp_path / "log.compact.db").exists()
    store = store_in(tmp_path)
    await store.open()
    assert [record.data for record in await everything(store)] == left
    await store.close()


async def test_it_says_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes of about how many, at most once a second."""
    await trimmed_log(tmp_path)
    monkeypatch.setattr(sqlite_compact, "_LOOK_STEPS", 10)
    monkeypatch.setattr(sqlite_compact, "_SAID_S", 0.0)
    said: list[tuple[int, int]] = []
    compact(tmp_path, lambda done, whole: said.append((done, whole)))
    assert said
    assert all(whole > 0 for _, whole in said)
