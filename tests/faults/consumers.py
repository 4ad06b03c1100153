"""The consumers of examples/, run as a reader would, killed on command, and judged by the effects that outlive a kill.

An effect is the line that was printed, where the cursor is in a file, and the row, where it is in a database.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from tests.support.http1 import Address
from tests.support.node import node_program
from tests.support.publisher import Pair, subscribe_target
from tests.support.server import ROOT
from tests.support.sign import v1

CHANNEL: Pair = ("carid000001", "cart_changed")
JAVASCRIPT = str(ROOT / "examples" / "consumer.mjs")
PRELOAD = str(ROOT / "tests" / "faults" / "stopped_consumer.mjs")


class Way(NamedTuple):
    """One of the ways to keep a cursor: the example, the same made to stop, and the arguments before the path."""

    name: str
    example: tuple[str, ...]
    stopping: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    exact: bool = False


STOPPING = (sys.executable, "-m", "tests.faults.stopped_consumer")
PYTHON = (sys.executable, str(ROOT / "examples" / "consumer.py"))
FILE = Way("a file, Python", PYTHON, STOPPING, ("file",))
DATABASE = Way("a database, Python", PYTHON, STOPPING, ("database",), exact=True)
NODE = Way("a file, Node", (node_program(), JAVASCRIPT), (node_program(), "--import", PRELOAD, JAVASCRIPT))


class Consumer:
    """One consumer over all its lives. Leaving the context kills what still runs.

    `lives` has for each start the messages that it printed, `done` the different ones of all, `said` every line of
    standard error.
    """

    def __init__(self, way: Way, address: Address, directory: Path) -> None:
        self.way = way
        self.address = address
        self.kept = directory / "kept"
        self.lives: list[list[str]] = []
        self.done: set[str] = set()
        self.said: list[str] = []
        self.signature = v1(*CHANNEL)
        self.on_effect: Callable[[], None] = lambda: None
        self._said_before = 0
        self._changed = asyncio.Event()
        self._readers: list[asyncio.Task[None]] = []
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, stop_at: str = "", nth: int = 0) -> None:
        """Begin a life; with `stop_at` one that stops there by itself (see stopped_consumer.py), never if `nth` is 0."""
        url = f"http://{self.address[0]}:{self.address[1]}{subscribe_target(CHANNEL)}"
        stops = {"STOP_AT": stop_at, "STOP_NTH": str(nth)}
        self._process = process = await asyncio.create_subprocess_exec(
            *(self.way.stopping if stop_at else self.way.example),
            *(url, *self.way.arguments, str(self.kept)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "NO_PROXY": "*", "SIGNATURE": self.signature, **stops},
        )
        self.lives.append([])
        self._said_before = len(self.said)
        assert process.stdout is not None
        assert process.stderr is not None
        self._readers = [
            asyncio.create_task(self._read(process.stdout, self._printed)),
            asyncio.create_task(self._read(process.stderr, self.said.append)),
        ]

    async def _read(self, stream: asyncio.StreamReader, take: Callable[[str], None]) -> None:
        while line := await stream.readline():
            take(line.decode().rstrip("\n"))
            self._changed.set()

    def _printed(self, line: str) -> None:
        _, _, message = line.partition(" ")
        if message:  # else the cursor of a block that is no message
            self.lives[-1].append(json.loads(message))
            self.done.add(message)
            self.on_effect()

    async def until(self, reached: Callable[[], bool], within_s: float = 20.0) -> None:
        """Wait for a state of this consumer; TimeoutError says what it had."""
        try:
            async with asyncio.timeout(within_s):
                while not reached():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            ends = [(len(life), life[-1:]) for life in self.lives[-3:]]
            raise TimeoutError(f"lives {ends}, said {self.said[-3:]}") from None

    async def until_done(self, message: str, within_s: float = 20.0) -> None:
        """Wait until this life has done that message."""
        await self.until(lambda: self.lives[-1][-1:] == [message], within_s)

    async def until_stopped(self, place: str) -> None:
        """Wait until it stopped there by itself."""
        await self.until(lambda: f"stopped {place}" in self.said[self._said_before :])

    def kill_now(self) -> None:
        """SIGKILL, without waiting for anything."""
        assert self._process is not None
        self._process.kill()

    async def end(self) -> int:
        """Wait for the end of this life, and for all that it left in its pipes; the exit status."""
        assert self._process is not None
        status = await self._process.wait()
        await asyncio.gather(*self._readers)
        self._process = None
        return status

    def rows(self) -> list[str]:
        """The results in the database, in order."""
        with closing(sqlite3.connect(self.kept)) as database:
            return [json.loads(row[0]) for row in database.execute("SELECT result FROM results ORDER BY n")]

    def forge(self, cursor: str) -> None:
        """Put another cursor in the place of what it kept."""
        if not self.way.exact:
            self.kept.write_text(cursor)
            return
        with closing(sqlite3.connect(self.kept)) as database, database:
            database.execute("UPDATE cursors SET cursor = ?", (cursor,))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self.kill_now()
            await self.end()


def doubled(lives: list[list[str]], wanted: list[str]) -> int:
    """How many messages were done twice, the one in hand at a kill; AssertionError if one is lost or out of order."""
    at = count = 0
    for number, life in enumerate(lives):
        if at and life[:1] == [wanted[at - 1]]:
            at -= 1
            count += 1
        assert life == wanted[at : at + len(life)], f"life {number} does not go on at message {at}"
        at += len(life)
    assert at == len(wanted), f"{len(wanted) - at} lost at the end"
    return count
