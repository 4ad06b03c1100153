"""The doctor's look at the SQLite store: its directory, disk and log. It never writes to the log, locks or opens it for writing.

A lock is looked up in /proc/locks instead of being tried: a hub that starts at that moment must not find it taken.
The log is opened as immutable, since any other way of opening a WAL database may write beside it.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from fast_sse.cli.doctor.findings import Finding
from fast_sse.config import Config
from fast_sse.model.limits import KIB, MIB
from fast_sse.store.rows.schema import IN_PLACE_FROM, SCHEMA_VERSION

#: Less free space than this and the hub will soon answer 507.
FREE_BYTES_MIN = 64 * MIB
FSYNCS = 20
FSYNC_BYTES = 4 * KIB
SLOW_MS = 20.0
#: No disk that keeps what it acknowledged is faster.
FAST_MS = 0.01

_NETWORK = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "ceph",
    "glusterfs",
    "fuse.sshfs",
    "fuse.glusterfs",
    "afs",
}
_FLEETING = {"tmpfs", "ramfs"}


def directory(path: Path) -> Finding:
    """Whether the log can be kept there."""
    if path.is_dir():
        if os.access(path, os.W_OK | os.X_OK):
            return Finding("data_dir", "green", f"{path} can be written")
        return Finding("data_dir", "red", f"{path} cannot be written", "chown it to the user of the hub")
    if path.exists():
        return Finding("data_dir", "red", f"{path} is not a directory", "set data_dir to a directory")
    parent = existing(path)
    if os.access(parent, os.W_OK | os.X_OK):
        return Finding("data_dir", "green", f"{path} is made at the first start")
    return Finding(
        "data_dir",
        "red",
        f"{path} cannot be made in {parent}",
        "make it, and chown it to the user of the hub",
    )


def existing(path: Path) -> Path:
    """The path, or its nearest parent that is there."""
    return next(place for place in (path, *path.absolute().parents) if os.access(place, os.F_OK))


def space(config: Config, free_bytes: int, log_bytes: int) -> Finding:
    """Whether the log fits as long as it is to be kept. `log_bytes` is what it takes already."""
    bound = config.kept.max_bytes
    found = f"{free_bytes // MIB} MiB free, the log has {log_bytes // MIB} MiB"
    if free_bytes < FREE_BYTES_MIN:
        return Finding("disk space", "red", found, "make room, or publishes are answered 507 soon")
    if bound is None:
        return Finding(
            "disk space", "yellow", f"{found}, retention.max_bytes is off", "set retention.max_bytes"
        )
    if bound > free_bytes + log_bytes:
        advice = (
            f"the disk is full before retention.max_bytes ({bound // MIB} MiB) is: lower it, or make room"
        )
        return Finding("disk space", "yellow", found, advice)
    return Finding("disk space", "green", f"{found}, at most {bound // MIB} MiB are kept")


def filesystem(kind: str) -> Finding:
    """Whether a lock and an fsync mean there what SQLite needs them to mean."""
    if kind in _NETWORK:
        advice = "put data_dir on a local disk: SQLite's WAL and its locks do not work over a network"
        return Finding("filesystem", "yellow", kind, advice)
    if kind in _FLEETING:
        return Finding(
            "filesystem", "yellow", kind, "it is memory: the log is gone with the machine; use a disk"
        )
    if kind == "overlay":
        advice = "in a container this is gone with it: put data_dir on a volume"
        return Finding("filesystem", "yellow", kind, advice)
    return Finding("filesystem", "green", kind or "unknown")


def filesystem_kind(path: Path, mounts: str) -> str:
    """The type of the file system that holds `path`, from the text of /proc/self/mountinfo; empty when unknown."""
    place, best, kind = path.resolve(), -1, ""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        point = Path(before.split()[4].replace("\\040", " "))
        if place.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), after.split()[0]
    return kind


def log(path: Path, hub_pid: int | None) -> Iterator[Finding]:
    """Whether a hub could open the log, or has it open."""
    file = path / "log.db"
    if hub_pid is not None:
        yield Finding("log", "green", f"open in the running hub (pid {hub_pid}); a second one cannot use it")
        return
    if not file.exists():
        yield Finding("log", "green", "none yet, the first start makes it")
        return
    try:
        with closing(
            sqlite3.connect(f"file:{quote(str(file.resolve()))}?immutable=1", uri=True)
        ) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error as error:
        yield Finding(
            "log", "red", f"{file}: {error}", "restore a copy, or set data_dir to another directory"
        )
        return
    if version > SCHEMA_VERSION:
        advice = f"run the version that wrote it: this one knows schema {SCHEMA_VERSION}"
        yield Finding("log", "red", f"{file} has schema {version}", advice)
        return
    if 0 < version < IN_PLACE_FROM:
        yield _earlier(file, version)
    if not (path / "log.reserve").exists():
        advice = "every client that resumes will be told of a gap; put log.reserve back if the log was not restored"
        yield Finding("log", "yellow", "log.reserve is missing: the next start begins a new epoch", advice)
        return
    yield Finding("log", "green", f"{file} can be opened, no hub runs on it")


def _earlier(file: Path, version: int) -> Finding:
    """Whether there is room to write the log of an earlier version anew."""
    needed = file.stat().st_size
    found = f"schema {version}: the first start writes it again in schema {SCHEMA_VERSION}, in up to {needed // MIB + 1} MiB beside it"
    if free_bytes(file.parent) < needed:
        return Finding("log", "red", found, "make room, or compact it with the version that wrote it")
    return Finding("log", "yellow", found, "keep a backup: an earlier version refuses it from then on")


def hub_pid(path: Path, locks: str) -> int | None:
    """The process that holds the log's lock, from the text of /proc/locks; None when nobody does."""
    try:
        inode = (path / "log.lock").stat().st_ino
    except OSError:
        return None
    for fields in map(str.split, locks.splitlines()):
        if "FLOCK" in fields and "->" not in fields and fields[5].rpartition(":")[2] == str(inode):
            return int(fields[4])
    return None


def sqlite_version() -> Finding:
    """The library, which is Python's own or the system's."""
    return Finding("SQLite", "green", sqlite3.sqlite_version)


def fsync(path: Path) -> Finding:
    """How long a publish waits for the disk: the median of some writes to a file without a name, gone at once."""
    try:
        with tempfile.TemporaryFile(dir=path, buffering=0) as file:
            times_ms = [_timed_ms(file.write, file.fileno()) for _ in range(FSYNCS)]
    except OSError as error:
        return Finding(
            "fsync", "red", f"{path}: {error.strerror}", "make room, or chown it to the user of the hub"
        )
    median = statistics.median(times_ms)
    found = f"{median:.2f} ms (median of {FSYNCS}, longest {max(times_ms):.1f} ms)"
    if median > SLOW_MS:
        return Finding(
            "fsync", "yellow", found, "every publish waits for one; use a faster disk for data_dir"
        )
    if median < FAST_MS:
        advice = "no disk is that fast: what was acknowledged may be lost in a power cut"
        return Finding("fsync", "yellow", found, advice)
    return Finding("fsync", "green", found)


def _timed_ms(write: Callable[[bytes], object], descriptor: int) -> float:
    began_s = time.perf_counter()
    write(bytes(FSYNC_BYTES))
    os.fsync(descriptor)
    return (time.perf_counter() - began_s) * 1000


def bytes_of(path: Path) -> int:
    """What the log takes now, its WAL included."""
    return sum(file.stat().st_size for file in path.glob("log.*") if file.is_file())


def free_bytes(path: Path) -> int:
    """Room for the user who asks."""
    return shutil.disk_usage(existing(path)).free
