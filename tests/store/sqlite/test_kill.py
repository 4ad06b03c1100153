"""A process that really dies: what it acknowledged is there, and no number is ever given twice.

kill -9 leaves the page cache, so it cannot show that the fsync came first: that is proved by strace in
tests/faults. What it shows is that nothing is acknowledged before SQLite has it, and that reopening repairs.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from tests.contract.asserting import everything, page
from tests.contract.backends import FOREVER

from fast_sse.store.sqlite.store import SqliteStore

CYCLES = 5

#: Appends from many publishers, reports each answer, and kills itself in the middle of a commit: with some
#: publishes answered and others in flight, by construction.
CHILD = """
import asyncio, os, signal, sys
from pathlib import Path
from fast_sse.store.sqlite.store import SqliteStore
from tests.contract.backends import FOREVER, draft

async def main():
    store = SqliteStore(Path(sys.argv[1]), FOREVER, reserve_block=100)
    await store.open()
    answered = 0
    async def publish(name):
        nonlocal answered
        for number in range(1000):
            text = b"%d-%d" % (name, number)
            waiting = store.append([draft(data=text, keys=(f"{sys.argv[2]}-{name}-{number}",))])
            if answered >= int(sys.argv[3]):
                os.kill(os.getpid(), signal.SIGKILL)
            (outcome,) = await waiting
            answered += 1
            os.write(1, b"%d %s\\n" % (outcome.cursor.position, text))
    await asyncio.gather(*(publish(name) for name in range(8)))

asyncio.run(main())
"""


@pytest.mark.slow
async def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    """After each kill every acknowledged entry is there, its cursor continues, and new numbers are above all others."""
    acknowledged: dict[int, bytes] = {}
    epochs: set[str] = set()
    for cycle in range(CYCLES):
        above = max(acknowledged, default=0)
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", CHILD, str(tmp_path / "log"), str(cycle), str(40 + 30 * cycle)],
            capture_output=True,
            check=False,
            timeout=60,
            env={"PYTHONPATH": "src:."},
        )
        assert done.returncode == -9, done.stderr.decode()
        answers = [line.split(b" ") for line in done.stdout.splitlines()]
        assert answers, "the kill landed before anything was acknowledged"
        for number, text in answers:
            assert int(number) > above, "a position was given twice"
            acknowledged[int(number)] = text
        store = SqliteStore(tmp_path / "log", FOREVER, reserve_block=100)
        await store.open()
        found = {record.position: record.data for record in await everything(store)}
        newest = (await store.bounds()).newest
        epochs.add(newest.epoch)
        assert acknowledged.items() <= found.items()
        assert (await page(store, newest.at(max(acknowledged)))).gap is None
        assert newest.position >= max(found)
        await store.close()
    assert len(epochs) == 1
    assert len(acknowledged) >= 40 * CYCLES
