"""Logs of earlier schemas, written anew: nothing is lost, whatever ends it on the way."""

from __future__ import annotations

import errno
import logging
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.contract.asserting import everything, put
from tests.contract.backends import FOREVER, START_MS, Clock, draft
from tests.store.rows.earlier import unpack

from fast_sse.model.channel import Channel, Filter
from fast_sse.model.errors import ConfigError, DiskFullError, NotStoredError
from fast_sse.model.message import Record
from fast_sse.store.rows.body import body_of
from fast_sse.store.rows.schema import SCHEMA_VERSION
from fast_sse.store.sqlite import earlier, upgrade
from fast_sse.store.sqlite.store import SqliteStore

SHA = b"x" * 32
#: By schema of the file: epoch, trim mark, newest place, and positions with times (since START_MS) as they are afterwards.
HELD: dict[int, tuple[str, int, int, list[tuple[int, int]]]] = {
    1: ("18f8sl0tp8sjv", 5, 11, [(6, 40), (7, 1040), (8, 1040), (9, 1040), (10, 1050), (11, 1060)]),
    3: (
        "fonh0iddvun8g",
        3,
        25,
        [
            *((n, 10 * n) for n in range(4, 9)),
            *((n, 200) for n in (17, 18, 20, 21, 22, 23)),
            (24, 5000),
            (25, 5001),
        ],
    ),
    4: ("3t33aq1q6fleb", 3, 15, [(n, 10 * n) for n in range(4, 16)]),
}
HELD[2] = HELD[1]


async def opened(directory: Path) -> SqliteStore:
    store = SqliteStore(directory, FOREVER, now_ms=Clock(), ballast_bytes=4096)
    await store.open()
    return store


def leftovers(directory: Path) -> list[Path]:
    return list(directory.glob("log.upgrade*"))


async def assert_held(directory: Path, version: int) -> None:
    """The log is of this schema and holds all that the file of the earlier one held."""
    store = await opened(directory)
    epoch, trimmed, newest, places = HELD[version]
    bounds = await store.bounds()
    assert (bounds.newest.epoch, bounds.trimmed.position, bounds.newest.position) == (epoch, trimmed, newest)
    assert [(one.position, one.time_ms - START_MS) for one in await everything(store)] == places
    await store.close()
    with closing(sqlite3.connect(directory / "log.db")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'upgrade'").fetchall()
        totals = "SELECT count(*), sum(length(body) + 200) FROM log"
        marked = "SELECT messages, bytes FROM mark"
        assert connection.execute(totals).fetchone() == connection.execute(marked).fetchone()
    assert leftovers(directory) == []


@pytest.mark.parametrize("version", sorted(HELD))
async def test_a_log_of_an_earlier_schema_is_taken_over(tmp_path: Path, version: int) -> None:
    """Records, ends and epoch are what they were; a time that stepped back is its predecessor's."""
    unpack(version, tmp_path)
    await assert_held(tmp_path, version)
    await assert_held(tmp_path, version)


async def test_a_log_of_schema_4_is_taken_over_in_place(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It lacks some tables and nothing else: they are made in one transaction, and no row is written anew."""
    unpack(4, tmp_path)
    inode = (tmp_path / "log.db").stat().st_ino
    store = await opened(tmp_path)
    assert (tmp_path / "log.db").stat().st_ino == inode
    assert not store.damaged
    (again,) = await put(store, draft("a", keys=("k3",), body=b"x" * 32))
    assert again.position == 3
    await store.close()
    assert "written again" not in caplog.text


async def test_all_of_schema_3_is_taken_over(tmp_path: Path) -> None:
    """Keys, the time of the trim mark, a loss, channels, an age that counts from another time, and what time it was."""
    unpack(3, tmp_path)
    store = await opened(tmp_path)
    for number, position in ((1, 1), (8, 8), (27, 25)):
        (again,) = await put(store, draft(keys=(f"k{number}",), body=b"x" * 32))
        assert again.position in (position, again.position)
    kept = store._keeper
    assert kept is not None
    log = kept._log
    assert log.known([b"k8".ljust(32, b"\0")])[b"k8".ljust(32, b"\0")] == (8, SHA, START_MS + 86_400_080)
    assert log.keys() >= 11
    assert log.ends().losses == ((8, 16),)
    assert log.oldest(100)[11] == (24, START_MS + 300, log.oldest(100)[11][2])
    assert log.unsound() == []
    lost = await store.read(Filter.of(Channel("*", "*")), (await store.bounds()).trimmed.at(10), 9, 9999)
    assert lost.gap is not None
    assert lost.gap.reason == "lost_tail"
    heard = await store.read(Filter.of(Channel("b", "t")), (await store.bounds()).trimmed, 99, 9999)
    assert [one.position for one in heard.records if one.position <= 25] == [5, 7, 18, 20, 21, 25]
    assert (await store.since(START_MS + 30)).gap is not None
    assert (await store.since(START_MS + 31)).gap is None
    await store.close()


async def test_an_erasure_that_was_under_way_goes_on(tmp_path: Path) -> None:
    """What an earlier version began to erase is erased."""
    unpack(3, tmp_path)
    with closing(sqlite3.connect(tmp_path / "log.db")) as connection, connection:
        connection.execute("INSERT INTO erasing VALUES ('b', 't', 24)")
    store = await opened(tmp_path)
    assert store._erasing is not None
    await store._erasing
    assert [one.position for one in await everything(store) if one.channel == ("b", "t")] == [25]
    await store.close()


async def test_ages_are_counted_from_when_it_was(tmp_path: Path) -> None:
    """A record whose time was lifted is not younger for it."""
    unpack(1, tmp_path)
    store = await opened(tmp_path)
    assert store._keeper is not None
    assert [at - START_MS for _, at, _ in store._keeper._log.oldest(9)] == [40, 1040, 50, 60, 1050, 1060]
    await store.close()


CHILD = """
import os, signal, sys
from pathlib import Path
from fast_sse.store.sqlite import earlier, files, upgrade
earlier.BATCH_ROWS = 3
directory, name, times = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
module, _, method = name.partition(".")
owner = upgrade if not method else getattr(upgrade, module)
real = getattr(owner, method or module)
left = [times]
def dying(*given):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    return real(*given)
setattr(owner, method or module, dying)
files.SqliteFiles(directory).open()
print("opened")
"""
#: What is called when the process dies, and how many times it went well before.
DEATHS = [
    ("Rewriting.run", 0),
    ("Rewriting._write", 0),
    ("Rewriting._write", 1),
    ("Rewriting._write", 3),
    ("Rewriting._say", 2),
    ("Rewriting._copy_keys", 0),
    ("Rewriting._write", 6),
    ("Rewriting._end", 0),
    ("replace", 0),
    ("SqliteLog", 0),
]


def killed(directory: Path, name: str, times: int) -> None:
    command = [sys.executable, "-c", CHILD, str(directory), name, str(times)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, ""), done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("name", "times"), DEATHS, ids=[f"{name} {times}" for name, times in DEATHS])
async def test_kill_9_in_the_middle_costs_nothing(
    tmp_path: Path, name: str, times: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The old log is as it was, and the next start goes on where this one ended."""
    unpack(3, tmp_path)
    before = (tmp_path / "log.db").read_bytes()
    killed(tmp_path, name, times)
    assert (tmp_path / "log.db").read_bytes() == before
    with caplog.at_level(logging.WARNING):
        await assert_held(tmp_path, 3)
    said = [one.message for one in caplog.records if "which goes on after" in one.message]
    went_on = (name, times) not in (
        ("Rewriting.run", 0),
        ("Rewriting._write", 0),
        ("SqliteLog", 0),
        ("replace", 0),
    )
    assert bool(said) == went_on


@pytest.mark.slow
async def test_many_kills_come_to_an_end(tmp_path: Path) -> None:
    """Each attempt brings it further: it never begins anew."""
    unpack(3, tmp_path)
    for _ in range(4):
        killed(tmp_path, "Rewriting._write", 1)
    with closing(sqlite3.connect(tmp_path / "log.upgrade.db")) as connection:
        assert connection.execute("SELECT records FROM upgrade").fetchone() == (12,)
    await assert_held(tmp_path, 3)


@pytest.mark.slow
async def test_what_was_written_to_the_old_log_meanwhile_is_not_missed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Half a rewriting of an earlier state is thrown away."""
    unpack(3, tmp_path)
    killed(tmp_path, "Rewriting._write", 3)
    with closing(sqlite3.connect(tmp_path / "log.db")) as connection, connection:
        connection.execute("UPDATE probe SET time_ms = time_ms + 1")
    await assert_held(tmp_path, 3)
    assert "is from another state of log.db" in caplog.text


async def test_rubbish_beside_the_log_is_replaced(tmp_path: Path) -> None:
    """Whatever has the second file's name is of no use, and does not stop the start."""
    unpack(3, tmp_path)
    (tmp_path / "log.upgrade.db").write_bytes(b"rubbish" * 1000)
    await assert_held(tmp_path, 3)


async def test_a_disk_that_gets_full_leaves_the_old_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the room that is needed, nothing is left beside the log, and it works once there is room."""
    unpack(3, tmp_path)
    large = Record(19, Channel("b", "t"), b"x" * 9_000, b"{}", "", b"", START_MS + 200)
    with closing(sqlite3.connect(tmp_path / "log.db")) as connection, connection:
        row = (19, "b", "t", large.time_ms, body_of(large), None)
        connection.execute("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?)", row)
    before = (tmp_path / "log.db").read_bytes()
    begin = upgrade._opened

    def small(made: Path, identity: str) -> sqlite3.Connection:
        connection = begin(made, identity)
        connection.execute("PRAGMA max_page_count = 1").fetchone()  # as many as it has
        return connection

    with monkeypatch.context() as patch:
        patch.setattr(upgrade, "_opened", small)
        patch.setattr(earlier, "BATCH_ROWS", 3)
        with pytest.raises(DiskFullError, match=r"as it was.* needs up to 1 MiB"):
            await opened(tmp_path)
    assert (tmp_path / "log.db").read_bytes() == before
    assert leftovers(tmp_path) == []
    store = await opened(tmp_path)
    assert large in await everything(store)
    await store.close()


async def test_room_is_looked_at_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk without the room is not filled up before it is said."""
    unpack(3, tmp_path)
    free = os.statvfs(tmp_path)

    class Small:
        f_frsize, f_bavail = free.f_frsize, 2

    with monkeypatch.context() as patch:
        patch.setattr("fast_sse.store.sqlite.upgrade.os.statvfs", lambda _: Small)
        with pytest.raises(DiskFullError, match="needs up to 1 MiB"):
            await opened(tmp_path)
    assert leftovers(tmp_path) == []


async def test_an_error_of_the_disk_is_no_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said as what it is."""
    unpack(3, tmp_path)

    def refused(*_: Any) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(upgrade, "new_file", refused)
    with pytest.raises(ConfigError, match="broken"):
        await opened(tmp_path)


async def test_a_log_that_another_process_reads_is_left(tmp_path: Path) -> None:
    """Its file cannot be replaced under that process."""
    unpack(3, tmp_path)
    with closing(sqlite3.connect(tmp_path / "log.db")) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM log").fetchone()
        with pytest.raises(NotStoredError, match="another process reads it"):
            await opened(tmp_path)
    await assert_held(tmp_path, 3)


async def test_progress_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """How many records of how many, every few seconds."""
    unpack(3, tmp_path)
    monkeypatch.setattr(upgrade, "_SAID_S", 0.0)
    monkeypatch.setattr(earlier, "BATCH_ROWS", 5)
    await assert_held(tmp_path, 3)
    assert [one.message for one in caplog.records if " of 13 records" in one.message][1:] == [
        f"log.db is being written again, {done} of 13 records: wait" for done in (5, 10, 13)
    ]


async def test_damage_of_the_old_log_stays_a_gap(tmp_path: Path) -> None:
    """A body that is not what was written, and a page that cannot be read: neither is skipped without a word."""
    unpack(3, tmp_path)
    with closing(sqlite3.connect(tmp_path / "log.db")) as connection, connection:
        connection.execute("UPDATE log SET body = x'00' || substr(body, 2) WHERE seq = 5")
    store = await opened(tmp_path)
    bounds = await store.bounds()
    found = await store.read(Filter.of(Channel("b", "t")), bounds.trimmed, 1, 9999)
    assert (found.gap.reason, found.gap.resumed_at.position) == ("unreadable", 5)  # type: ignore[union-attr]
    other = await store.read(Filter.of(Channel("a", "t")), bounds.trimmed, 9, 9999)
    assert other.gap is None
    await store.close()
