"""What the writer does, and what it says when the disk fails (guarantees G1 and G2)."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.contract.backends import FOREVER, draft
from tests.store.failing import FailingConnection, sqlite_error

from fast_sse.model.channel import Channel
from fast_sse.model.errors import DiskFullError, NotStoredError, UnavailableError, UnknownOutcomeError
from fast_sse.model.message import Draft
from fast_sse.store.base import Retention, Windows
from fast_sse.store.pace import Instant, Times
from fast_sse.store.rows.connect import connect
from fast_sse.store.rows.log import SqliteLog
from fast_sse.store.sqlite import keeper as sqlite_keeper
from fast_sse.store.sqlite.ballast import Ballast
from fast_sse.store.sqlite.files import SqliteFiles
from fast_sse.store.sqlite.group import job
from fast_sse.store.sqlite.keeper import Keeper

BALLAST = 1 << 20


class Kept:
    """A keeper over a connection that can be made to fail, and the numbers given so far."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
        self.directory = directory
        self.files = SqliteFiles(directory)
        log, ends = self.files.open()
        self.connections = [FailingConnection(log.connection)]
        self.mended: list[int] = []
        self.given = ends.newest
        monkeypatch.setattr(sqlite_keeper, "connect", self.connect)
        self.keeper = Keeper(
            self.files,
            SqliteLog(self.connections[0]),  # type: ignore[arg-type]
            ballast=Ballast(directory, BALLAST),
            windows=Windows(),
            on_mended=self.mended.append,
            **{"retry_s": 0.0, **options},
        )

    def connect(self, path: Path, *, writer: bool) -> FailingConnection:
        self.connections.append(FailingConnection(connect(path, writer=writer)))
        return self.connections[-1]

    @property
    def faults(self) -> dict[str, Exception]:
        return self.connections[-1].faults

    def commit(self, *drafts: Draft) -> dict[int, Any]:
        loop = asyncio.new_event_loop()
        made = job(
            loop.create_future(),
            drafts or [draft()],
            self.given,
            Instant(0, 0, 0),
            0,
            1000,
            self.keeper.numbers,
        )
        loop.close()
        self.given += len(made.records)
        return self.keeper.commit([made])

    def rows(self) -> list[int]:
        other = sqlite3.connect(self.directory / "log.db")
        found = [seq for (seq,) in other.execute("SELECT seq FROM log ORDER BY seq")]
        other.close()
        return found

    def ballast(self) -> bool:
        return (self.directory / "log.ballast").exists()


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    found = Kept(tmp_path / "log", monkeypatch)
    yield found
    found.connections[-1].faults.clear()
    found.keeper.close(found.given)


def test_a_group_is_on_disk_when_it_is_answered(kept: Kept) -> None:
    """What `commit` returned for, another connection sees."""
    kept.commit(draft(), draft())
    assert kept.rows() == [1, 2]


def test_a_group_beyond_one_statement_is_one_transaction(kept: Kept) -> None:
    """However large, a group is there whole or not at all."""
    kept.faults["COMMIT"] = sqlite_error(sqlite3.SQLITE_FULL)
    with pytest.raises(DiskFullError):
        kept.commit(*(draft() for _ in range(1500)))
    assert kept.rows() == []
    kept.faults.clear()
    kept.commit(*(draft() for _ in range(1500)))
    assert len(kept.rows()) == 1500


def test_a_full_disk_lets_the_ballast_go_and_heals(kept: Kept) -> None:
    """Nothing is stored, the room is freed for trimming, and the next publish after space returned is stored."""
    kept.commit()
    pages = kept.connections[0].execute("PRAGMA page_count").fetchone()[0]
    kept.connections[0].execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(DiskFullError):
        kept.commit(*(draft(data=b"x" * 10_000) for _ in range(10)))
    assert not kept.ballast()
    assert kept.rows() == [1]
    kept.connections[0].execute("PRAGMA max_page_count = 1000000")
    kept.commit()
    assert kept.ballast()
    assert kept.rows() == [1, 12]


def test_while_the_disk_is_full_publishes_do_not_eat_the_room_for_trimming(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the ballast can be taken back nothing is appended, but retention works, and what it frees counts."""
    kept.commit(*(draft(data=b"x" * 10_000) for _ in range(200)))
    kept.faults["INSERT"] = sqlite_error(sqlite3.SQLITE_FULL)
    with pytest.raises(DiskFullError):
        kept.commit()
    kept.faults.clear()
    monkeypatch.setattr(Ballast, "take", lambda _: False)
    with pytest.raises(DiskFullError):
        kept.commit()
    with pytest.raises(DiskFullError):
        kept.keeper.keep(Times("", 0, 0, 0))
    assert kept.keeper.trim(Retention(max_age_s=None, max_bytes=None, max_messages=1), 0).gone == 199
    kept.commit()
    assert len(kept.rows()) == 2


def test_a_full_sidecar_is_a_full_disk(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """No number is used that the sidecar on disk does not cover."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(kept.files, "_set_reserve", full)
    kept.given = kept.files.reserved
    with pytest.raises(DiskFullError):
        kept.commit()
    assert kept.rows() == []


@pytest.mark.parametrize("stored", [False, True])
def test_a_failed_fsync_is_an_unknown_outcome(kept: Kept, stored: bool) -> None:
    """The group may be stored or not; nobody is told either, and the same connection is never asked again."""
    kept.commit()
    kept.connections[0].after = stored
    kept.faults["INSERT"] = sqlite_error(sqlite3.SQLITE_IOERR_FSYNC)
    with pytest.raises(UnknownOutcomeError):
        kept.commit()
    kept.commit()
    assert len(kept.connections) == 2
    assert kept.mended == [2 if stored else 1]
    assert kept.rows() == ([1, 2, 3] if stored else [1, 3])
    with pytest.raises(sqlite3.ProgrammingError):
        kept.connections[0].real.execute("SELECT 1")


def test_an_error_before_commit_is_not_stored(kept: Kept) -> None:
    """Only COMMIT can leave a doubt; what fails before is certainly not stored."""
    kept.faults["BEGIN"] = sqlite_error(sqlite3.SQLITE_IOERR_READ)
    with pytest.raises(NotStoredError):
        kept.commit(*(draft() for _ in range(1500)))
    kept.commit()
    assert len(kept.rows()) == 1


def test_an_error_that_passes_keeps_the_connection(kept: Kept) -> None:
    """Busy or out of memory is no reason to doubt the file."""
    kept.faults["INSERT"] = sqlite_error(sqlite3.SQLITE_NOMEM)
    with pytest.raises(NotStoredError):
        kept.commit()
    kept.faults.clear()
    kept.commit()
    assert len(kept.connections) == 1


def test_a_defect_of_ours_costs_one_group(kept: Kept) -> None:
    """Whatever a group brings, it fails alone and the next one is stored."""
    kept.faults["INSERT"] = ValueError("never expected")
    with pytest.raises(NotStoredError):
        kept.commit()
    kept.faults.clear()
    kept.commit()
    assert len(kept.rows()) == 1


def test_a_defect_in_the_middle_of_a_commit_is_an_unknown_outcome(kept: Kept) -> None:
    """What may have run before the exception came is not called certainly not stored, and the file is looked at."""
    kept.connections[0].after = True
    kept.faults["INSERT"] = MemoryError()
    with pytest.raises(UnknownOutcomeError):
        kept.commit()
    kept.commit()
    assert kept.mended == [1]
    assert kept.rows() == [1, 2]


def test_mending_waits_between_attempts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken log is not checked anew for every publish: until the pause is over each is certainly not stored."""
    kept = Kept(tmp_path / "log", monkeypatch, retry_s=3600.0)
    kept.faults["INSERT"] = sqlite_error(sqlite3.SQLITE_IOERR_WRITE)
    for error in (UnknownOutcomeError, NotStoredError, NotStoredError):
        with pytest.raises(error):
            kept.commit()
    assert len(kept.connections) == 1
    kept.keeper.close(kept.given)


def test_a_log_that_lost_what_was_acknowledged_acknowledges_nothing(kept: Kept) -> None:
    """If the newest row is gone after a failure, nothing more is stored until the next opening has recorded the loss."""
    kept.commit()
    kept.commit()
    kept.faults["INSERT"] = sqlite_error(sqlite3.SQLITE_IOERR_FSYNC)
    with pytest.raises(UnknownOutcomeError):
        kept.commit()
    kept.connections[0].real.execute("DELETE FROM log WHERE seq = 2")
    for _ in range(2):
        with pytest.raises(NotStoredError):
            kept.commit()
    assert kept.mended == []


def test_the_wal_is_checkpointed_as_it_grows(kept: Kept) -> None:
    """The writer alone checkpoints, so the WAL is started over and stays bounded."""
    sizes = []
    for _ in range(16):
        kept.commit(*(draft(data=b"x" * 1000) for _ in range(1000)))
        kept.keeper.tidy_up()
        sizes.append((kept.directory / "log.db-wal").stat().st_size)
    assert max(sizes) < 2 * sizes[3], (
        "four commits are the first checkpoint, four times as many write no more"
    )


def test_a_failed_trim_changes_nothing(kept: Kept) -> None:
    """The trim mark moves in the transaction that deletes, or not at all."""
    kept.commit(*(draft(keys=(f"k{number}",)) for number in range(10)))
    kept.faults["COMMIT"] = sqlite_error(sqlite3.SQLITE_FULL)
    none = Retention(max_age_s=None, max_bytes=None, max_messages=0)
    with pytest.raises(DiskFullError):
        kept.keeper.trim(none, 10**6)
    kept.faults.clear()
    assert len(kept.rows()) == 10
    assert kept.keeper.trim(none, 10**6) == (20, 10)
    assert kept.keeper.trim(FOREVER, 10**6) == (0, 0)


def test_a_full_disk_with_a_ballast_that_stays_is_a_full_disk(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An immutable ballast (`chattr +i`) ended the thread: it is a refusal, and the next publish after space returned is stored."""

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "unlink", refused)
    kept.faults["INSERT"] = sqlite_error(sqlite3.SQLITE_FULL)
    with pytest.raises(DiskFullError):
        kept.commit()
    kept.faults.clear()
    kept.commit()
    assert len(kept.rows()) == 1


def test_overwriting_ends_with_the_erasure(kept: Kept) -> None:
    """Also with one that failed: trimming does not pay for it."""
    kept.commit()
    kept.faults["COMMIT"] = sqlite_error(sqlite3.SQLITE_FULL)
    with pytest.raises(DiskFullError):
        kept.keeper.erase(draft().channel, 10)
    kept.faults.clear()
    assert kept.connections[0].execute("PRAGMA secure_delete").fetchone() == (0,)
    assert kept.keeper.erase(draft().channel, 10) == 1
    assert kept.connections[0].execute("PRAGMA secure_delete").fetchone() == (0,)


def test_a_damaged_key_answers_for_nothing(kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    """It would name another message: it is forgotten, what carries it is stored, and the damage is known."""
    kept.commit(draft(keys=("k",)))
    kept.connections[0].real.execute("UPDATE key SET seq = 7")
    assert kept.commit(draft(keys=("k",))) == {}
    assert kept.rows() == [1, 2]
    assert "idempotency keys are not what was written" in caplog.text
    (special,) = kept.commit(draft(keys=("k",))).values()
    assert special.position == 2


def test_a_row_of_another_kind_ends_retention_and_nothing_else(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    """What makes no sense cannot be weighed: that is damage, and publishes go on."""
    kept.commit(draft(), draft())
    kept.connections[0].real.execute("UPDATE log SET time_ms = 'x' WHERE seq = 1")
    none = Retention(max_age_s=None, max_bytes=None, max_messages=0)
    with pytest.raises(UnavailableError, match="cannot be deleted"):
        kept.keeper.trim(none, 0)
    kept.commit()
    assert kept.rows() == [1, 2, 3]
    assert "log.db is damaged" in caplog.text


def test_channels_are_learned_and_forgotten(kept: Kept) -> None:
    """The numbers that rows are made with are those of the disk: learned after a commit, gone with a trim, an erasure, a failure."""
    kept.commit(draft("a"), draft("b"))
    assert kept.keeper.numbers.known == {}
    kept.keeper.tidy_up()
    assert kept.keeper.numbers.known == {Channel("a", "t"): 1, Channel("b", "t"): 2}
    kept.commit(draft("a"))
    kept.keeper.trim(Retention(max_age_s=None, max_bytes=None, max_messages=1), 0)
    assert kept.keeper.numbers.known == {Channel("a", "t"): 1}
    assert kept.keeper.erase(Channel("a", "t"), 10) == 1
    assert kept.keeper.erase(Channel("a", "t"), 10) == 0
    assert (kept.keeper.numbers.known, kept.keeper.numbers.version) == ({}, 2)
    kept.commit(draft("c"))
    kept.keeper.tidy_up()
    kept.faults["INSERT"] = sqlite_error(sqlite3.SQLITE_IOERR_FSYNC)
    with pytest.raises(UnknownOutcomeError):
        kept.commit()
    kept.commit()
    assert kept.keeper.numbers.version == 3
