"""A file goes through `fast-sse publish --batch` while the hub is killed again and again: each line is there once.

A relay between them gives the order to kill, at the answer to a batch that the log has taken: the hub dies, the
answer is thrown away, and the publisher has to send lines again that are stored already. The hub comes back on the
same port and directory. What the log holds is counted by a subscriber from its beginning.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.cli.tap import Tap
from tests.faults.counts import Record
from tests.support.publisher import publish_once, signed, subscribe_target
from tests.support.server import ROOT, Hub
from tests.support.sign import KEY, KID, SECRET
from tests.support.sse import Client

KILLS = 3
EVERYTHING = ("*", "*")
END = "the end"

BY_KEY = ("--secret-env", "HUB_KEY", "--kid", KID)
BY_SECRET = ("--secret-env", "HUB_SECRET")


class Scale(NamedTuple):
    """One run: lines of the file, lines of a request (1: no batches), the options that decide which."""

    messages: int
    a_request: int
    options: tuple[str, ...]


SCALES = [
    pytest.param(Scale(5_000, 100, BY_KEY), id="batches", marks=pytest.mark.slow),
    pytest.param(Scale(600, 1, BY_SECRET), id="singles", marks=pytest.mark.slow),
    pytest.param(
        Scale(100_000, 500, BY_KEY), id="batches-full", marks=[pytest.mark.chaos, pytest.mark.timeout(1800)]
    ),
]


class Strikes:
    """Kills the hub at its answers to the requests that are due, evenly over the file, and starts it again."""

    def __init__(self, hub: Hub, requests: int) -> None:
        self.kills = 0
        self._hub, self._requests = hub, requests
        self._restarts: list[asyncio.Task[None]] = []

    def passes(self, answers: int) -> bool:
        """Called at each answer; False when it must not reach the publisher."""
        if self.kills == KILLS or answers < (self.kills + 1) * self._requests // (KILLS + 1):
            return True
        self.kills += 1
        self._hub.kill_now()
        self._restarts.append(asyncio.create_task(self._restart()))
        return False

    async def _restart(self) -> None:
        await self._hub.await_exit()
        await self._hub.astart()

    async def all_back(self) -> None:
        """Every start is through."""
        await asyncio.gather(*self._restarts)


def write(file: Path, count: int) -> None:
    """Messages over seven channels, each payload unique."""
    with file.open("w") as lines:
        for n in range(count):
            message = {"event_id": f"car{n % 7}", "event_type": "sold", "data": n}
            lines.write(json.dumps(message) + "\n")


async def publish(file: Path, tap: Tap, options: tuple[str, ...], a_request: int) -> tuple[int, str, str]:
    """Run the command to its end: status, output, error output."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fast_sse", "publish", "--batch", str(file), *options),
        *("--url", f"http://127.0.0.1:{tap.address[1]}", "--batch-lines", str(max(a_request, 100))),
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "HUB_KEY": KEY, "HUB_SECRET": SECRET},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def read_all(hub: Hub, count: int) -> Counter[object]:
    """How often each payload stands in the log, read through a subscription from its beginning to a last message."""
    assert (await publish_once(hub.public, ("end", "end"), END)).status == 200
    client = Client("all", hub.public, subscribe_target(EVERYTHING), signed(EVERYTHING))
    client.last_event_id = "earliest"
    client.start()
    seen = 0

    def at_the_end() -> bool:
        nonlocal seen
        ended = any(event.is_message and event.payload == END for event in client.seen[seen:])
        seen = len(client.seen)
        return ended

    try:
        await client.until(at_the_end, within_s=30 + count / 500)
    finally:
        await client.stop()
    assert client.gaps == []
    return Counter(client.payloads)


@pytest.mark.wire
@pytest.mark.parametrize("scale", SCALES)
async def test_each_line_is_there_once_over_kills(tmp_path: Path, scale: Scale, record: Record) -> None:
    """Kill -9 between commit and answer, three times: every line once in the log, and the command ends with 0."""
    file = tmp_path / "messages.ndjson"
    write(file, scale.messages)
    async with Hub(tmp_path) as hub:
        strikes = Strikes(hub, scale.messages // scale.a_request)
        async with Tap(hub.public, strikes.passes) as tap:
            status, out, err = await publish(file, tap, scale.options, scale.a_request)
        await strikes.all_back()
        assert (status, strikes.kills, hub.starts) == (0, KILLS, KILLS + 1), err
        found = await read_all(hub, scale.messages)
    assert found.pop(END) == 1
    lost = scale.messages - len(found)
    twice = sum(count > 1 for count in found.values())
    record(f"{scale.messages:,} lines, {KILLS} kills", f"{lost} lost, {twice} twice; {out.strip()}")
    assert (lost, twice) == (0, 0)
    assert set(found) == set(range(scale.messages))
    # The fault bit: what was stored before a kill was sent again, and only the keys kept it single.
    duplicates = int(out.partition("duplicates ")[2].partition(",")[0])
    assert duplicates >= KILLS * scale.a_request, out
    assert err.count("trying again") >= KILLS
