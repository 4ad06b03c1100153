"""The directory of the log: looked at without leaving a trace."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.store.rows.earlier import unpack

from fast_sse.cli.doctor import check_store
from fast_sse.cli.doctor.check_store import (
    directory,
    existing,
    filesystem,
    filesystem_kind,
    fsync,
    hub_pid,
    log,
    space,
)
from fast_sse.config import load
from fast_sse.model.limits import MIB
from fast_sse.store.rows.schema import SCHEMA_VERSION
from fast_sse.store.sqlite.files import SqliteFiles

SECRET = "0123456789abcdef0123456789abcdef"
FREE = 1 << 40


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Path]:
    """A log that this process has open."""
    files = SqliteFiles(tmp_path / "data")
    opened, _ = files.open()
    yield tmp_path / "data"
    opened.connection.close()
    files.release()


@pytest.fixture
def closed(held: Path) -> Path:
    """A log that a hub of earlier left behind, its WAL included; here its copy, so that nobody holds it."""
    copy = held.parent / "copy"
    copy.mkdir()
    for file in held.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    return copy


def listing(path: Path) -> dict[str, tuple[int, int]]:
    """Name, size and time of every file."""
    return {file.name: (file.stat().st_size, file.stat().st_mtime_ns) for file in path.iterdir()}


def levels(path: Path) -> list[str]:
    """What is said of a log that nobody holds."""
    return [finding.level for finding in log(path, None)]


def test_a_directory_that_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There and writable, or possible to make; else red with what to do."""
    assert directory(tmp_path).level == "green"
    assert directory(tmp_path / "a" / "b").found.endswith("is made at the first start")
    assert not (tmp_path / "a").exists()
    assert existing(tmp_path / "a" / "b") == tmp_path
    (tmp_path / "file").write_text("")
    assert directory(tmp_path / "file").level == "red"
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode == os.F_OK and real(path, mode))
    assert directory(tmp_path).level == "red"
    assert "chown" in directory(tmp_path / "a").advice


@pytest.mark.parametrize(
    ("free", "used", "bound", "level"),
    [
        (FREE, 0, 1024, "green"),
        (500, 600, 1024, "green"),
        (500, 500, 1024, "yellow"),
        (10, 2000, 1024, "red"),
        (FREE, 0, 0, "yellow"),
    ],
)
def test_retention_must_fit_on_the_disk(free: int, used: int, bound: int, level: str) -> None:
    """Yellow when the disk is full before the bound is reached, or there is none; red when it is full now."""
    config = load(None, {"auth": {"secret": SECRET}, "retention": {"max_bytes": bound * MIB}})
    assert space(config, free * MIB, used * MIB).level == level


@pytest.mark.parametrize(
    ("kind", "level"),
    [
        ("ext4", "green"),
        ("", "green"),
        ("nfs4", "yellow"),
        ("cifs", "yellow"),
        ("tmpfs", "yellow"),
        ("overlay", "yellow"),
    ],
)
def test_file_systems_that_do_not_keep_promises_are_named(kind: str, level: str) -> None:
    """A network's locks, memory, a container's layer."""
    assert filesystem(kind).level == level


def test_the_nearest_mount_counts(tmp_path: Path) -> None:
    """Of all mount points above a path the longest, and of two on one point the later one."""
    mounts = (
        "1 1 0:1 / / rw - ext4 /dev/sda rw\n"
        f"2 1 0:2 / {tmp_path} rw shared:1 - nfs4 host:/x rw\n"
        f"3 1 0:3 / {tmp_path}/with\\040space rw - xfs /dev/sdb rw\n"
        "4 1 0:4 / / rw - overlay overlay rw\n"
    )
    assert filesystem_kind(tmp_path / "data", mounts) == "nfs4"
    assert filesystem_kind(tmp_path / "with space", mounts) == "xfs"
    assert filesystem_kind(Path("/elsewhere"), mounts) == "overlay"
    assert filesystem_kind(Path("/elsewhere"), "") == ""


def test_whoever_holds_the_log_is_found(held: Path, tmp_path: Path) -> None:
    """The process id of the hub that has it open, from the kernel's table and without trying the lock."""
    locks = Path("/proc/locks").read_text()
    assert hub_pid(held, locks) == os.getpid()
    assert hub_pid(tmp_path, locks) is None
    inode = (held / "log.lock").stat().st_ino
    waiting = f"1: -> FLOCK  ADVISORY  WRITE 77 fe:00:{inode} 0 EOF\n"
    assert hub_pid(held, waiting) is None
    (finding,) = log(held, 77)
    assert "running hub (pid 77)" in finding.found


def test_a_log_that_can_be_opened_is_left_as_it_was(closed: Path, tmp_path: Path) -> None:
    """Green, and no file is made, changed or removed, also not beside a WAL that a kill left."""
    assert (closed / "log.db-wal").exists()
    before = listing(closed)
    assert levels(closed) == ["green"]
    assert listing(closed) == before
    assert levels(tmp_path / "absent") == ["green"]


def test_a_log_that_cannot_be_used_is_said(closed: Path) -> None:
    """Missing reserve: yellow. A newer schema, or no database at all: red."""
    (closed / "log.reserve").unlink()
    assert levels(closed) == ["yellow"]
    for file in closed.iterdir():
        file.unlink()
    with sqlite3.connect(closed / "log.db") as newer:
        newer.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    newer.close()
    assert levels(closed) == ["red"]
    (closed / "log.db").write_bytes(b"not a database, but long enough to look like one " * 100)
    assert levels(closed) == ["red"]


def test_a_log_that_is_to_be_written_anew_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Yellow, with the room that it needs: an earlier version refuses it afterwards. Red when there is not as much."""
    unpack(3, tmp_path)
    (finding,) = [one for one in log(tmp_path, None) if one.level == "yellow"]
    assert (
        f"schema 3: the first start writes it again in schema {SCHEMA_VERSION}, in up to 1 MiB"
        in finding.found
    )
    monkeypatch.setattr(check_store, "free_bytes", lambda _: 1000)
    assert "red" in levels(tmp_path)


def test_fsync_is_measured_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slow is yellow, faster than any disk too; a disk that takes nothing is red. No file stays."""
    assert "median of 20" in fsync(tmp_path).found
    assert list(tmp_path.iterdir()) == []
    for median_ms, level in ((50.0, "yellow"), (1.0, "green"), (0.001, "yellow")):
        monkeypatch.setattr(check_store, "_timed_ms", lambda _write, _file, result=median_ms: result)
        assert fsync(tmp_path).level == level

    def full(**_options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    assert fsync(tmp_path).level == "red"
