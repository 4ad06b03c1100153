"""The write-ahead log beside a database: small whoever reads, and told when somebody keeps it from that."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.asserting import EVERYTHING, put
from tests.contract.backends import FOREVER, draft

from fast_sse.model.errors import DiskFullError
from fast_sse.model.limits import MIB
from fast_sse.store.rows.connect import connect
from fast_sse.store.rows.wal import WAL_BYTES, Gate, Wal, wal_bytes_max
from fast_sse.store.sqlite.store import SqliteStore

BYTES_MAX = 2 * MIB


class Written:
    """A database with one table, its writer, and its write-ahead log."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connection = connect(path, writer=True)
        self.connection.execute("CREATE TABLE t (x BLOB)")
        self.gate = Gate()
        self.now_s = 0.0
        self.wal = Wal(path, self.gate, BYTES_MAX, lambda: self.now_s)

    def write(self, size: int) -> None:
        self.connection.execute("INSERT INTO t VALUES (zeroblob(?))", (size,))

    @property
    def size(self) -> int:
        return self.wal.path.stat().st_size


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    found = Written(tmp_path / "log.db")
    yield found
    found.connection.close()


@pytest.fixture
def stranger(written: Written) -> Iterator[sqlite3.Connection]:
    """Another process, as far as SQLite can tell: it reads in one transaction, and does not end."""
    found = sqlite3.connect(written.path, isolation_level=None)
    found.execute("BEGIN")
    found.execute("SELECT count(*) FROM t").fetchone()
    yield found
    found.close()


def test_the_bound_is_a_part_of_the_log() -> None:
    """A backup of a large log has time; a small one has 64 MiB."""
    assert wal_bytes_max(None) == wal_bytes_max(20_000_000) == 64 * MIB
    assert wal_bytes_max(8192 * MIB) == 1024 * MIB


def test_a_checkpoint_begins_the_file_anew(written: Written) -> None:
    """What is written next goes to its beginning; one that has grown is cut."""
    written.write(MIB)
    written.wal.checkpoint(written.connection)
    size = written.size
    written.write(MIB // 2)
    assert written.size == size
    written.write(WAL_BYTES)
    written.wal.checkpoint(written.connection)
    assert (written.size, written.wal.held) == (0, False)


def test_readers_wait_for_a_checkpoint_and_it_for_them(written: Written) -> None:
    """While the gate is shut nobody comes in; a checkpoint waits until who is inside is out."""
    inside, leave, entered = threading.Event(), threading.Event(), threading.Event()

    def read() -> None:
        with written.gate.reading():
            inside.set()
            leave.wait()

    def read_later() -> None:
        with written.gate.reading():
            entered.set()

    first = threading.Thread(target=read)
    first.start()
    inside.wait()
    with written.gate.shut(0.0) as empty:
        assert not empty
        second = threading.Thread(target=read_later)
        second.start()
        leave.set()
        first.join()
        assert not entered.is_set()
    assert entered.wait(10)
    second.join()
    with written.gate.shut(0.0) as empty:
        assert empty


def test_a_reader_of_ours_is_no_stranger(written: Written, caplog: pytest.LogCaptureFixture) -> None:
    """A page that takes long puts the checkpoint off, and nobody is blamed."""
    reader = connect(written.path, writer=False)
    with written.gate.reading():
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM t").fetchone()
        written.write(MIB)
        written.wal.checkpoint(written.connection, 0.0)
        assert (written.wal.held, caplog.records) == (False, [])
        reader.execute("ROLLBACK")
    reader.close()


def test_a_stranger_is_told_refused_and_forgotten(
    written: Written, stranger: sqlite3.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """The number at the first checkpoint, one line after half a minute, a full disk at the bound; when it has ended, all of it
    is gone.
    """
    written.write(MIB)
    for now_s, lines in ((0.0, 0), (29.9, 0), (30.0, 1), (90.0, 1)):
        written.now_s = now_s
        written.wal.checkpoint(written.connection)
        assert (written.wal.held, len(caplog.records)) == (True, lines)
    assert "log.db-wal grows" in caplog.text
    written.wal.check(written.connection)
    written.write(MIB)
    with pytest.raises(DiskFullError, match="another process"):
        written.wal.check(written.connection)
    shown = {one.name: one.value for one in written.wal.samples()}
    assert shown == {"log_wal_bytes": written.size, "log_wal_held": True}
    stranger.execute("ROLLBACK")
    written.wal.check(written.connection)
    written.write(1)
    assert written.size < BYTES_MAX
    assert not written.wal.held
    assert "can be emptied again" in caplog.text


def test_who_reads_for_a_moment_is_no_news(
    written: Written, stranger: sqlite3.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """A backup in short reads is met by a checkpoint now and then: each time is a time of its own."""
    for now_s in (0.0, 90.0):
        written.now_s = now_s
        written.write(MIB)
        written.wal.checkpoint(written.connection)
        stranger.execute("ROLLBACK")
        written.wal.checkpoint(written.connection)
        assert (written.wal.held, caplog.records) == (False, [])
        stranger.execute("BEGIN")
        stranger.execute("SELECT count(*) FROM t").fetchone()


def test_at_the_bound_it_is_said_at_once(
    written: Written, stranger: sqlite3.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """However short it has read: from now on publishes are refused."""
    written.write(2 * MIB)
    for _ in range(2):
        with pytest.raises(DiskFullError):
            written.wal.check(written.connection)
    assert len(caplog.records) == 1


def test_nobody_waits_for_a_stranger(written: Written, stranger: sqlite3.Connection) -> None:
    """SQLite's own patience of five seconds is for others who write."""
    written.write(MIB)
    seen: list[str] = []
    written.connection.set_trace_callback(seen.append)
    written.wal.checkpoint(written.connection)
    assert seen.index("PRAGMA busy_timeout = 0") < next(
        number for number, sql in enumerate(seen) if "wal_checkpoint" in sql
    )
    assert written.connection.execute("PRAGMA busy_timeout").fetchone() == (5000,)


@pytest.mark.slow
async def test_replays_without_a_pause_leave_it_small(tmp_path: Path) -> None:
    """Clients that read the log again and again beside publishes: the file stays at what is usual."""
    store = SqliteStore(tmp_path, FOREVER, ballast_bytes=4096)
    await store.open()
    start = (await store.bounds()).newest
    await put(store, *(draft(data=b"x" * 2000) for _ in range(2000)))
    done, sizes = False, []

    async def replay() -> None:
        place = start
        while not done:
            page = await store.read(EVERYTHING, place, 512, 1 << 20)
            place = page.through if page.records else start

    readers = [asyncio.ensure_future(replay()) for _ in range(8)]
    for _ in range(160):
        await put(store, *(draft(data=b"x" * 4000) for _ in range(100)))
        sizes.append((tmp_path / "log.db-wal").stat().st_size)
    done = True
    await asyncio.gather(*readers)
    await store.close()
    assert sum(sizes[n + 1] > sizes[n] for n in range(len(sizes) - 1)) > 5, "it was written to"
    assert max(sizes) < 1.5 * WAL_BYTES


async def test_a_store_that_is_held_refuses_and_heals(tmp_path: Path) -> None:
    """Publishes and readiness are 507 at the bound, and both are well, and the file short, once the stranger has ended."""
    store = SqliteStore(tmp_path, FOREVER, ballast_bytes=4096)
    store._wal._bytes_max = BYTES_MAX
    await store.open()
    await put(store, draft())
    stranger = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
    stranger.execute("BEGIN")
    stranger.execute("SELECT count(*) FROM log").fetchone()
    refused = 0
    for _ in range(40):
        (outcome,) = await store.append([draft(data=b"x" * 200_000)])
        refused += isinstance(outcome, DiskFullError)
    assert refused
    with pytest.raises(DiskFullError):
        await store.ping()
    assert await store.trim() == 0
    assert (tmp_path / "log.db-wal").stat().st_size < 2 * BYTES_MAX
    stranger.execute("ROLLBACK")
    stranger.close()
    await store.trim()
    await store.ping()
    await put(store, draft())
    assert (tmp_path / "log.db-wal").stat().st_size < BYTES_MAX
    await store.close()


def test_who_reads_for_long_is_not_waited_for() -> None:
    """A checkpoint goes on beside it, and takes it for no stranger; only what must be empty asks it to leave, and waits."""
    gate = Gate()
    with gate.reading_long():
        with gate.shut(10.0) as empty:
            assert (empty, gate.is_wanted) == (False, False)
        with gate.shut(0.0, all_out=True) as empty:
            assert (empty, gate.is_wanted) == (False, True)
        assert not gate.is_wanted
    with gate.shut(0.0, all_out=True) as empty:
        assert empty
