"""A backup under load, restored and served; and one that is killed (guarantees G1, G6)."""

from __future__ import annotations

import asyncio
import json
import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.faults.counts import Record, each_scale
from tests.support.kernel import eventually
from tests.support.publisher import Message, Pair, Publisher, signed, subscribe_target
from tests.support.server import ROOT, Hub
from tests.support.sse import Client

from fast_sse.model.errors import FastSseError
from fast_sse.store.sqlite.verify import verify

pytestmark = pytest.mark.wire

CHANNEL: Pair = ("car0", "sold")
PUBLISHERS = 4
#: Messages before the backup begins; bytes of each; kills of a backup.
MESSAGES = {"ci": 400, "chaos": 60_000}
PAD_BYTES = 500
KILLS = 20


class Load:
    """Publishers that go on until they are told to stop, each with one message at a time."""

    def __init__(self, hub: Hub) -> None:
        self._publishers = [Publisher(f"p{n}", hub.public, pad_bytes=PAD_BYTES) for n in range(PUBLISHERS)]
        self._stopped = False
        self._tasks = [asyncio.ensure_future(self._run(publisher)) for publisher in self._publishers]

    async def _run(self, publisher: Publisher) -> None:
        while not self._stopped:
            await publisher.publish_surely(CHANNEL)

    @property
    def stored(self) -> list[Message]:
        """Everything that was acknowledged."""
        return [one for publisher in self._publishers for one in publisher.history if one.outcome == "ok"]

    async def more(self, count: int, within_s: float = 20.0) -> None:
        """Wait until so many more are acknowledged."""
        wanted = len(self.stored) + count
        await eventually(lambda: len(self.stored) >= wanted, within_s, f"{wanted} messages")

    async def stop(self) -> None:
        """Nothing is on its way any more."""
        self._stopped = True
        await asyncio.gather(*self._tasks)
        for publisher in self._publishers:
            publisher.close()


def position(message_id: str) -> int:
    return int(message_id.rpartition(".")[2])


async def begin(*arguments: str) -> asyncio.subprocess.Process:
    """A command in a process of its own."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "fast_sse",
        *arguments,
        env={"PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


async def run(*arguments: str) -> str:
    """What a command prints."""
    process = await begin(*arguments)
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return output.decode()


@each_scale
async def test_what_was_acknowledged_before_the_position_is_served_again(
    tmp_path: Path, scale: str, record: Record
) -> None:
    """The backup holds exactly what was acknowledged up to the printed id, and that is behind all that was acknowledged before
    it began. A client of the old log is told a gap `epoch` and given all of it, in its order.
    """
    data, file, place = tmp_path / "data", tmp_path / "backup.db", tmp_path / "restored"
    async with Hub(tmp_path) as hub:
        load = Load(hub)
        await load.more(MESSAGES[scale], 600.0)
        before = load.stored
        printed = await run("backup", "--data-dir", str(data), str(file))
        await load.more(20)
        await load.stop()
    found = re.search(r"([\d,]+) messages up to (s1\.\w+\.(\d+)),", printed)
    assert found, printed
    through = int(found[3])
    held = sorted(
        (one for one in load.stored if position(one.message_id) <= through),
        key=lambda one: position(one.message_id),
    )
    assert through >= max(position(one.message_id) for one in before)
    assert len(held) == int(found[1].replace(",", ""))
    assert len(held) < len(load.stored), "nothing was acknowledged after it"

    await run("backup", "--check", str(file))
    await run("restore", "--data-dir", str(place / "data"), str(file))
    async with Hub(place) as hub:
        client = Client("c", hub.public, subscribe_target(CHANNEL), signed(CHANNEL))
        client.last_event_id = before[-1].message_id
        await client.start().count(len(held) + 1, 120.0)
        await client.stop()
    assert [json.loads(gap.data)["reason"] for gap in client.gaps] == ["epoch"]
    assert [payload["p"] for payload in client.payloads] == [one.payload for one in held]
    record(f"{len(load.stored)} messages", f"{len(held)} up to the printed id, 0 missing")


#: Runs a backup that kills itself where it is told to.
KILLED = """
import os, signal, sys
from pathlib import Path
from fast_sse.store.sqlite import backup

def kill(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

data, to, where = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
if where == "between two reads":
    backup.back_up(data, to, lambda *_: None, sleep=kill)
elif where == "in the snapshot":
    backup.Copy._forget_what_went = kill
elif where == "before its version":
    backup.Copy.finish = kill
elif where == "before its name":
    backup._give_name = kill
elif where == "with both names":
    backup.sync_directory = Path.unlink = kill
backup.back_up(data, to, lambda *_: None, sleep=lambda _: None)
"""


@pytest.mark.slow
async def test_a_backup_that_is_killed_is_no_backup(tmp_path: Path) -> None:
    """Wherever it is killed: there is no file of that name, or a whole one."""
    async with Hub(tmp_path) as hub:
        load = Load(hub)
        await load.more(200)
        for where, is_there in {
            "between two reads": False,
            "in the snapshot": False,
            "before its version": False,
            "before its name": False,
            "with both names": True,
        }.items():
            file = tmp_path / f"{where}.db"
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", KILLED, str(tmp_path / "data"), str(file), where),
                env={"PYTHONPATH": str(ROOT / "src")},
            )
            assert await process.wait() == -signal.SIGKILL, where
            assert file.exists() == is_there, where
            if is_there:
                verify(file, lambda *_: None)
        await load.stop()


@pytest.mark.chaos
@pytest.mark.timeout(1800)
async def test_backups_killed_at_any_time_leave_whole_ones_or_none(tmp_path: Path, record: Record) -> None:
    """Kills at random under load; the hub goes on, and the backup after the last kill is whole."""
    data, whole = tmp_path / "data", 0
    async with Hub(tmp_path) as hub:
        load = Load(hub)
        await load.more(MESSAGES["chaos"], 600.0)
        for number in range(KILLS):
            file = tmp_path / f"{number}.db"
            part = file.with_name(f"{file.name}.part")
            process = await begin("backup", "--data-dir", str(data), str(file))
            await eventually(part.exists, 20.0, "the backup begins")
            await asyncio.sleep(random.uniform(0, 1.5))  # chance is what is tried here
            if process.returncode is None:
                process.kill()
            await process.communicate()
            try:
                verify(file, lambda *_: None)
            except FastSseError:
                assert not file.exists()
            else:
                whole += 1
            part.unlink(missing_ok=True)
        await run("backup", "--data-dir", str(data), str(tmp_path / "last.db"))
        await load.stop()
    verify(tmp_path / "last.db", lambda *_: None)
    record(f"{KILLS} kills", f"{whole} were done before, {KILLS - whole} left no file, 0 half ones")
