"""Opening a directory: who may, and what was lost since last time."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.backends import draft
from tests.store.failing import sqlite_error

from fast_sse.model.errors import ConfigError, DiskFullError, NotStoredError, UnavailableError
from fast_sse.model.message import Record
from fast_sse.store.judge import Ends
from fast_sse.store.rows.body import body_of
from fast_sse.store.rows.entries import add_entry
from fast_sse.store.rows.log import SqliteLog
from fast_sse.store.sqlite import files as sqlite_files
from fast_sse.store.sqlite.files import SqliteFiles

BLOCK = 1000


class Place:
    """A directory opened again and again, as after kills: nothing is closed cleanly unless said."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.files = SqliteFiles(directory, BLOCK)
        self.log: SqliteLog | None = None

    def open(self) -> Ends:
        self.kill()
        self.files = SqliteFiles(self.directory, BLOCK)
        self.log, ends = self.files.open()
        return ends

    def kill(self) -> None:
        if self.log:
            self.log.connection.close()
            self.files.release()
            self.log = None

    def write(self, *places: int) -> None:
        values: list = []
        for place in places:
            self.files.cover(place)
            one = Record(place, draft().channel, b"1", b"{}", "", b"", 0)
            add_entry(values, one, body_of(one))
        assert self.log
        self.log.insert(values)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    found = Place(tmp_path / "log")
    yield found
    found.kill()


def test_a_new_directory_begins_at_nothing(place: Place) -> None:
    """A new log has no losses, an epoch of 13 characters, and a reserve above its first number."""
    assert place.open() == Ends(0, 0, ())
    assert len(place.files.epoch) == 13
    assert place.files.reserved == BLOCK


def test_a_kill_numbers_from_above_the_reserve(place: Place) -> None:
    """What may have been given is never given again, and is recorded as lost between the rows and the reserve."""
    place.open()
    place.write(1, 2, 3)
    epoch = place.files.epoch
    assert place.open() == Ends(0, BLOCK, ((3, BLOCK),))
    assert place.files.epoch == epoch
    assert place.files.reserved == 2 * BLOCK


def test_losses_lie_end_to_end(place: Place) -> None:
    """Killed again before anything was written, only what is new is recorded: an end of a loss stays a good cursor."""
    place.open()
    place.open()
    place.write(BLOCK + 1)
    assert place.open() == Ends(0, 2 * BLOCK, ((0, BLOCK), (BLOCK + 1, 2 * BLOCK)))
    assert place.open().losses[-1] == (2 * BLOCK, 3 * BLOCK)


def test_a_clean_close_records_nothing(place: Place) -> None:
    """Lowered to what was given, the reserve leaves nothing between the rows and itself."""
    place.open()
    place.write(1, 2)
    place.files.lower(2)
    assert place.open() == Ends(0, 2, ())
    assert place.files.reserved > 2 + 1


def test_the_reserve_is_always_above_the_newest(place: Place) -> None:
    """A number is used only once the sidecar on disk is above it: strictly, or the last one could be lost unseen."""
    place.open()
    for last in (BLOCK - 1, BLOCK, 5 * BLOCK):
        place.files.cover(last)
        sidecar = int((place.directory / "log.reserve").read_text().split()[2])
        assert sidecar == place.files.reserved > last


def test_a_crash_between_the_steps_of_opening_is_harmless(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss is committed before the reserve moves: dying in between, the next opening finds the same ends."""
    place.open()
    place.write(1)
    with monkeypatch.context() as patch:
        patch.setattr(SqliteFiles, "_set_reserve", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            place.open()
    assert place.open() == Ends(0, BLOCK, ((1, BLOCK),))


@pytest.mark.parametrize("damage", ["missing", "behind the rows", "of another log"])
def test_a_sidecar_that_proves_nothing_is_a_new_epoch(place: Place, damage: str) -> None:
    """Then every old cursor must be told, since nobody knows what was given."""
    place.open()
    old = place.files.epoch
    place.write(1, 2, 3)
    if damage == "missing":
        (place.directory / "log.reserve").unlink()
    elif damage == "behind the rows":
        place.files.lower(1)
    else:
        place.files.epoch = "0" * 13
        place.files.lower(100)
    assert place.open() == Ends(0, 3, ())
    assert place.files.epoch != old


def test_a_database_of_its_own_has_its_own_epoch(place: Place) -> None:
    """When the database is gone, its sidecar speaks of nothing: a new log is a new epoch."""
    place.open()
    old = place.files.epoch
    place.kill()
    for path in place.directory.glob("log.db*"):
        path.unlink()
    assert place.open() == Ends(0, 0, ())
    assert place.files.epoch != old


@pytest.mark.parametrize("where", ["the tail", "the first frame"])
def test_a_flipped_bit_in_the_wal_is_told(place: Place, where: str) -> None:
    """SQLite drops the WAL from a bad frame on, without an error; the sidecar shows it (reliability F16).

    What is left is a log without its tail, or, of a file that was never checkpointed, none: then another log begins.
    """
    place.open()
    for position in range(1, 6):
        place.write(position)
    copy = place.directory.parent / "copy"
    shutil.copytree(place.directory, copy, ignore=shutil.ignore_patterns("*.lock", "*-shm"))
    wal = copy / "log.db-wal"
    content = bytearray(wal.read_bytes())
    content[-5000 if where == "the tail" else 60] ^= 1
    wal.write_bytes(content)
    other = Place(copy)
    ends = other.open()
    assert other.log
    last = other.log.connection.execute("SELECT ifnull(max(seq), 0) FROM log").fetchone()[0]
    if where == "the tail":
        assert (0 < last < 5, ends.losses) == (True, ((last, BLOCK),))
        assert other.files.epoch == place.files.epoch
    else:
        assert (last, ends) == (0, Ends(0, 0, ()))
        assert other.files.epoch != place.files.epoch
    other.kill()


def test_a_second_process_is_refused(place: Place) -> None:
    """Two writers would give the same numbers: the second gets a ConfigError that names data_dir."""
    place.open()
    code = (
        "import sys; from pathlib import Path; from fast_sse.store.sqlite.files import SqliteFiles\n"
        "try: SqliteFiles(Path(sys.argv[1])).open()\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(place.directory)],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert done.stdout.startswith("HeldError data_dir: another process holds it")


def test_a_released_directory_may_be_opened(place: Place) -> None:
    """The lock is gone with whoever held it."""
    place.open()
    place.kill()
    assert place.open().trimmed == 0


def test_a_path_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """A directory that cannot be made is a wrong setting, not an outage. The line names it, and what to set."""
    (tmp_path / "file").write_text("")
    for directory in (tmp_path / "file", tmp_path / "file" / "log"):
        with pytest.raises(ConfigError) as caught:
            SqliteFiles(directory).open()
        assert (
            str(caught.value) == f"data_dir: {directory} is a file, or below one; set data_dir to a directory"
        )


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    """Rubbish in place of log.db is not overwritten."""
    (tmp_path / "log.db").write_bytes(b"rubbish" * 1000)
    with pytest.raises(ConfigError, match="not a database"):
        SqliteFiles(tmp_path).open()
    assert (tmp_path / "log.db").read_bytes() == b"rubbish" * 1000


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (sqlite3.SQLITE_FULL, DiskFullError),
        (sqlite3.SQLITE_IOERR_FSYNC, NotStoredError),
        (sqlite3.SQLITE_READONLY_DIRECTORY, ConfigError),
    ],
)
def test_errors_of_opening_are_sorted(
    place: Place, monkeypatch: pytest.MonkeyPatch, code: int, error: type[Exception]
) -> None:
    """What waiting may mend is unavailable, what it will not is a wrong setting; either way the lock is let go."""
    with monkeypatch.context() as patch:
        patch.setattr(sqlite_files, "prepare", lambda _: (_ for _ in ()).throw(sqlite_error(code)))
        with pytest.raises(error) as caught:
            place.open()
        assert isinstance(caught.value, ConfigError | UnavailableError)
    place.open()
