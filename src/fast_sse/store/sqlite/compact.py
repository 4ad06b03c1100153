"""Making the file of a log as short as what it holds, while nobody has it open.

SQLite keeps the pages of what was deleted and uses them again, so `log.db` stays as long as it ever was. What it holds is
written to a second file beside it, checked, and given its name: whatever ends that on the way leaves the log as it was.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from fast_sse.model.errors import ConfigError, DiskFullError, NotStoredError
from fast_sse.store.rows.connect import connect, error_code
from fast_sse.store.rows.schema import prepare
from fast_sse.store.sqlite.files import SqliteFiles
from fast_sse.store.sqlite.replace import new_file, remove, replace
from fast_sse.store.sqlite.upgrade import upgrade

#: Steps of SQLite between two looks at the clock, and seconds between two words of progress.
_LOOK_STEPS = 100_000
_SAID_S = 1.0

#: Told how many bytes of about how many are written.
Progress = Callable[[int, int], None]


def compact(directory: Path, progress: Progress) -> tuple[int, int]:
    """Bytes of the log before and after.

    Raises:
        ConfigError: there is no log, it cannot be read, or a hub has it (HeldError).
        DiskFullError: there is no room for a second file; the log is as it was.
    """
    path = directory / "log.db"
    if not path.exists():
        raise ConfigError("data_dir", f"{directory} holds no log.db; name the directory of the hub's log")
    files = SqliteFiles(directory)
    files.hold()
    made = path.with_name("log.compact.db")
    try:
        before = path.stat().st_size
        _write_copy(path, made, progress)
        replace(made, path)
        return before, path.stat().st_size
    except sqlite3.Error as error:
        raise _told(error) from error
    except OSError as error:
        raise NotStoredError(f"the log is as it was: {error.strerror}") from error
    finally:
        remove(made)
        files.release()


def _write_copy(path: Path, made: Path, progress: Progress) -> None:
    """All that the log holds in a new file, on the disk and checked; nothing beside the old one that it needs."""
    upgrade(path)
    new_file(made)
    with closing(connect(path, writer=True)) as connection:
        prepare(connection)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        pages, free, size = (
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        said_s = time.monotonic()

        def look() -> None:
            nonlocal said_s
            if time.monotonic() - said_s >= _SAID_S:
                said_s = time.monotonic()
                progress(made.stat().st_size, (pages - free) * size)

        connection.set_progress_handler(look, _LOOK_STEPS)
        connection.execute("VACUUM INTO ?", (str(made),))
        connection.set_progress_handler(None, 0)
    with closing(sqlite3.connect(made)) as copy:
        if copy.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise NotStoredError("the log is as it was: its copy is damaged")


def _told(error: sqlite3.Error) -> Exception:
    code = error_code(error)
    if code == sqlite3.SQLITE_FULL:
        return DiskFullError("the log is as it was: there is no room for a second file beside it")
    if code == sqlite3.SQLITE_CORRUPT:
        return ConfigError("data_dir", "log.db is damaged, and was left as it was; restore a backup")
    return NotStoredError(f"the log is as it was: {error}")
