"""A backup put into an empty directory, as a log of its own.

What was acknowledged after the backup is gone, and clients may have seen it: its ids must never be given a second time for something
else. So the restored log has a new epoch, and whoever comes back with an id of the old one is told a gap `epoch`. Messages, keys and
dead letters are what they were.

Until the last step the directory holds no `log.db`, so that a hub never opens half a log.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from contextlib import closing
from pathlib import Path

from fast_sse.model.cursor import epoch_text
from fast_sse.model.errors import ConfigError, DiskFullError, NotStoredError
from fast_sse.model.limits import MIB
from fast_sse.store.rows.connect import connect
from fast_sse.store.rows.log import SqliteLog
from fast_sse.store.sqlite.failures import is_out_of_space
from fast_sse.store.sqlite.files import SqliteFiles
from fast_sse.store.sqlite.replace import new_file, remove
from fast_sse.store.sqlite.reserve import Reserve, sync_directory
from fast_sse.store.sqlite.verify import Contents, Progress, Pulse, check_is_file, contents_of, verify

_PIECE_BYTES = 4 * MIB
#: What the log is called until it is whole.
_MADE = "log.restore.db"


def restore(backup: Path, directory: Path, progress: Progress) -> Contents:
    """Make the log of a backup in `directory`, which holds none, and say what it holds, under its new epoch.

    Raises:
        ConfigError: it is no backup, or there is a log already; HeldError where a hub has the directory.
        DiskFullError: there is no room for it.
        NotStoredError: it is damaged, or it could not be written.
    """
    check_is_file(backup)
    _check_empty(directory)
    files, made = SqliteFiles(directory), directory / _MADE
    files.hold()
    try:
        _check_empty(directory)
        _copy(backup, made, Pulse(progress, "copying"))
        contents = _renewed(made, verify(made, progress, called=str(backup)))
        Reserve(directory).write(contents.newest.epoch, contents.newest.position + 1)
        _give_to_owner(directory)
        made.rename(directory / "log.db")
        sync_directory(directory)
        return contents
    except (sqlite3.Error, OSError) as error:
        (directory / "log.reserve").unlink(missing_ok=True)
        if is_out_of_space(error):
            raise DiskFullError("nothing was restored: the disk is full") from error
        raise NotStoredError(f"nothing was restored: {error}") from error
    finally:
        remove(made)
        files.release()


def _check_empty(directory: Path) -> None:
    """Raises ConfigError: there is a log, or a part of one. What a restore left that was killed is none."""
    try:
        names = {path.name for path in directory.iterdir() if path.name.startswith("log.")}
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConfigError("data_dir", f"cannot read {directory}: {error.strerror}") from error
    if _MADE in names and "log.db" not in names:
        return
    if there := ", ".join(sorted(names - {"log.lock"})):
        raise ConfigError(
            "data_dir",
            f"{directory} holds a log already ({there}); name another directory, or move these files away",
        )


def _copy(backup: Path, made: Path, pulse: Pulse) -> None:
    """The bytes, on the disk. They are checked where they will be read."""
    whole, free = backup.stat().st_size, os.statvfs(made.parent)
    if free.f_bavail * free.f_frsize < whole:
        raise DiskFullError(f"nothing was restored: there is no room for {whole // MIB + 1} MiB")
    new_file(made)
    with backup.open("rb") as old, made.open("r+b") as new:
        while piece := old.read(_PIECE_BYTES):
            new.write(piece)
            pulse(old.tell(), whole)
        new.flush()
        os.fsync(new.fileno())


def _renewed(made: Path, contents: Contents) -> Contents:
    """The log under an epoch that nobody has seen."""
    with closing(connect(made, writer=True)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        SqliteLog(connection).set_epoch(epoch_text(secrets.randbits(64)))
        connection.execute("COMMIT")
        renewed = contents_of(connection, contents.size_bytes)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return renewed


def _give_to_owner(directory: Path) -> None:
    """What root has made is the directory's owner's, who runs the hub."""
    if os.geteuid() != 0:
        return
    owner = directory.stat()
    for path in directory.glob("log.*"):
        os.chown(path, owner.st_uid, owner.st_gid)
