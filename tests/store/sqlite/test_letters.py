"""What is particular to the dead letters of SQLite; the rules are proved in tests/contract/letters."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.contract.asserting import put
from tests.contract.backends import FOREVER, draft
from tests.contract.letters.node import Node, begun, every_letter, ids, poison, texts
from tests.store.conftest import Opener
from tests.store.failing import FailingConnection, sqlite_error

from fast_sse.model.channel import Channel
from fast_sse.model.cursor import Cursor
from fast_sse.model.errors import DiskFullError, NotStoredError, UnknownOutcomeError
from fast_sse.store.letters import LetterBounds
from fast_sse.store.sqlite.store import SqliteStore


def failing(store: SqliteStore) -> dict[str, Exception]:
    """Faults by the beginning of a statement, from now on, for the writer's connection."""
    keeper = store._kept()
    connection = FailingConnection(keeper._log.connection)
    keeper._log.connection = connection  # type: ignore[assignment]
    keeper._log._execute = connection.execute
    return connection.faults


async def due(store: SqliteStore, count: int = 2) -> tuple[Node, list[Cursor]]:
    (node,) = await begun(store, "a")
    return node, await put(store, *(draft() for _ in range(count)))


@pytest.mark.parametrize("statement", ["INSERT OR IGNORE INTO letter", "INSERT INTO receipt", "COMMIT"])
async def test_on_a_full_disk_nothing_of_a_turn_happened(open_store: Opener, statement: str) -> None:
    """DiskFullError, wherever in the turn it was met; the same turn is applied once there is room."""
    store = await open_store()
    node, cursors = await due(store)
    turn = node.turn(cursors[1], due=cursors[:1], handed=cursors[1:], decided=cursors[1])
    faults = failing(store)
    faults[statement] = sqlite_error(sqlite3.SQLITE_FULL)
    with pytest.raises(DiskFullError):
        await node.letters.settle(turn)
    faults.clear()
    assert await ids(store) == []
    settled = await node.letters.settle(turn)
    assert [position for position, *_ in settled.dead] == [cursors[0].position]


async def test_on_a_full_disk_letters_can_be_dropped_and_none_is_kept(open_store: Opener) -> None:
    """Deleting makes room; poison waits in its queue."""
    store = await open_store()
    node, cursors = await due(store)
    await node.tell(cursors[1], due=cursors)
    faults = failing(store)
    faults["INSERT"] = sqlite_error(sqlite3.SQLITE_FULL)
    with pytest.raises(DiskFullError):
        await node.letters.keep(poison())
    assert await node.letters.drop([cursors[0].text]) == 1
    assert await node.letters.erase(Channel("a", "t")) == 1
    assert await ids(store) == []


async def test_a_commit_that_fails_may_have_happened(open_store: Opener) -> None:
    """UnknownOutcomeError; the turn comes again, and is applied once."""
    store = await open_store(retry_s=0.0)
    node, cursors = await due(store)
    turn = node.turn(cursors[1], due=cursors[:1])
    failing(store)["COMMIT"] = sqlite_error(sqlite3.SQLITE_IOERR)
    with pytest.raises(UnknownOutcomeError):
        await node.letters.settle(turn)
    settled = await node.letters.settle(turn)
    assert len(settled.dead) == 1
    assert len(await ids(store)) == 1


async def test_what_was_dropped_is_counted_only_when_it_is_committed(open_store: Opener) -> None:
    """A turn that is rolled back dropped nothing."""
    store = await open_store(letters=LetterBounds(max_count=1))
    node, cursors = await due(store)
    turn = node.turn(cursors[1], due=cursors)
    faults = failing(store)
    faults["COMMIT"] = sqlite_error(sqlite3.SQLITE_BUSY)
    with pytest.raises(NotStoredError):
        await node.letters.settle(turn)
    faults.clear()
    settled = await node.letters.settle(turn)
    assert settled.tally.dropped["count"] == 1


async def test_erased_letters_are_on_no_page_of_the_file(open_store: Opener) -> None:
    """What is erased is overwritten, in the WAL, too."""
    store = await open_store()
    (node,) = await begun(store, "a")
    secret = b"a secret of exactly this channel "
    cursors = await put(store, *(draft(data=b'"%b"' % (secret * 100)) for _ in range(3)))
    await node.tell(cursors[-1], due=cursors, decided=cursors[-1])
    await store.erase(Channel("a", "t"))
    files = [store._directory / name for name in ("log.db", "log.db-wal")]
    assert any(secret in file.read_bytes() for file in files)
    assert await node.letters.erase(Channel("a", "t")) == 3
    assert not any(secret in file.read_bytes() for file in files)


async def test_a_damaged_letter_is_known_as_damage(
    open_store: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    """It is not handed out, it is said once, and the store says that it is damaged; the others stay as they are."""
    store = await open_store()
    node, cursors = await due(store)
    await node.tell(cursors[1], due=cursors)
    with sqlite3.connect(store._directory / "log.db") as other:
        other.execute("UPDATE letter SET body = zeroblob(length(body)) WHERE seq = ?", (cursors[0].position,))
    other.close()
    assert not store.damaged
    for _ in range(2):
        assert await node.letters.get(cursors[0].text) is None
    assert store.damaged
    assert caplog.text.count("dead letter") == 1
    assert await node.letters.get(cursors[1].text) is not None
    assert await ids(store) == texts(cursors)


async def test_a_turn_lies_between_two_groups(open_store: Opener) -> None:
    """What was appended before it is in the log for it; what is appended while it waits comes later."""
    store = await open_store()
    (node,) = await begun(store, "a")
    newest = (await store.bounds()).newest
    first = store.append([draft()])
    at = newest.at(newest.position + 1)
    settled = asyncio.ensure_future(node.letters.settle(node.turn(at, due=[at])))
    await asyncio.sleep(0)
    await asyncio.gather(first, store.append([draft()]))
    assert [position for position, *_ in (await settled).dead] == [at.position]


async def test_letters_count_towards_the_checkpoint(open_store: Opener) -> None:
    """What turns write is copied into the database as what publishes write is: the WAL does not grow without end."""
    store = await open_store()
    node, cursors = await due(store, 400)
    wal = store._directory / "log.db-wal"
    largest = 0
    for number in range(40):
        part = cursors[10 * number : 10 * number + 10]
        await node.tell(cursors[-1], due=part, late=texts(part[:5]))
        largest = max(largest, wal.stat().st_size)
    rows = store._kept()._rows_in_wal
    assert 0 < rows < 4000
    assert len(await every_letter(store)) == 200


#: Tells one turn after another, each of which makes ten letters and hands ten over, and kills itself while one is on its way.
CHILD = """
import asyncio, os, signal, sys
from pathlib import Path
from fast_sse.store.sqlite.store import SqliteStore
from tests.contract.asserting import put
from tests.contract.backends import FOREVER, draft
from tests.contract.letters.node import Node

async def main():
    store = SqliteStore(Path(sys.argv[1]), FOREVER)
    await store.open()
    node = Node(store, "a", sys.argv[2])
    await node.begin()
    for turn in range(1000):
        cursors = await put(store, *(draft() for _ in range(20)))
        told = asyncio.ensure_future(
            node.tell(cursors[-1], due=cursors[:10], handed=cursors[10:], decided=cursors[-1])
        )
        await asyncio.sleep(0)
        if turn == int(sys.argv[3]):
            await asyncio.sleep(0.0001 * int(sys.argv[4]))
            os.kill(os.getpid(), signal.SIGKILL)
        await told
        os.write(1, b"%d\\n" % cursors[-1].position)

asyncio.run(main())
"""


@pytest.mark.slow
async def test_a_turn_that_was_answered_survives_kill_9_and_a_torn_one_leaves_nothing(tmp_path: Path) -> None:
    """After each kill: all letters and the decided place of answered turns; of the one on its way all or nothing."""
    answered = 0
    for cycle in range(4):
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", CHILD, str(tmp_path / "log"), str(cycle), str(3 + cycle), str(5 * cycle)],
            capture_output=True,
            check=False,
            timeout=60,
            env={"PYTHONPATH": "src:."},
        )
        assert done.returncode == -9, done.stderr.decode()
        answers = [int(line) for line in done.stdout.split()]
        assert len(answers) == 3 + cycle
        answered += len(answers)
        store = SqliteStore(tmp_path / "log", FOREVER)
        await store.open()
        found: list[Any] = await every_letter(store)
        begun = await Node(store, "b", str(cycle)).begin()
        assert len(found) % 10 == 0
        assert answered <= len(found) // 10 <= answered + 1
        applied = len(found) // 10 > answered
        assert begun.decided == answers[-1] + (20 if applied else 0)
        answered += applied
        await store.close()
