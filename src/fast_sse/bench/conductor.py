"""Starts the generator's processes, passes round what they gather, and ends them.

Each is a process of its own (`python -m fast_sse.bench`), because a generator must share neither an interpreter nor
a core with anything else. One socket pair leads to each: the job goes in first, then lines of JSON both ways.
"""

from __future__ import annotations

import os
import selectors
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

import fast_sse
from fast_sse.bench.crew import READ_BYTES, CrewJob
from fast_sse.bench.target import LoadError

#: No scenario is silent for so long, and a process that is has stopped.
SILENCE_S_MAX = 300.0
END_S_MAX = 5.0

#: Gets a phase, and how much of how much of it is done, over all processes.
OnProgress = Callable[[str, float, float], None]


class Worker:
    """One process of the generator and the line to it."""

    def __init__(self, job: CrewJob, prefix: Sequence[str]) -> None:
        self.line, theirs = socket.socketpair()
        tree = str(Path(fast_sse.__file__).parents[1])
        path = os.pathsep.join(filter(None, [tree, os.environ.get("PYTHONPATH", "")]))
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603  this interpreter, and a prefix of the caller's
                [*prefix, sys.executable, "-m", "fast_sse.bench"],
                stdin=theirs.fileno(),
                env={**os.environ, "PYTHONPATH": path},
                process_group=0,  # Ctrl-C is for the one who started it, and ends it from there
            )
        self.unread = b""
        self.write(msgspec.json.encode(job) + b"\n")

    def write(self, line: bytes) -> None:
        """Send it something. Whether it is still there, reading will show."""
        with suppress(ConnectionError):
            self.line.sendall(line)

    def read(self) -> list[dict[str, Any]]:
        """What it said. Raises LoadError when it is gone."""
        try:
            data = self.line.recv(READ_BYTES)
        except ConnectionError:
            data = b""
        if not data:
            raise LoadError(f"a process of the generator ended with status {self.process.wait(END_S_MAX)}")
        *lines, self.unread = (self.unread + data).split(b"\n")
        return [msgspec.json.decode(line) for line in lines]

    def end(self) -> None:
        """It is over when this returns."""
        self.line.close()
        try:
            self.process.wait(END_S_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Round:
    """What the processes of one job have said so far."""

    def __init__(self, workers: Sequence[Worker], on_progress: OnProgress | None) -> None:
        self.figures: list[dict[str, Any] | None] = [None] * len(workers)
        self._workers = workers
        self._on_progress = on_progress
        self._given: dict[int, Any] = {}
        self._progress: dict[str, dict[int, tuple[float, float]]] = {}

    def hear(self, rank: int, said: dict[str, Any]) -> None:
        """One line of one process. Raises LoadError when it failed."""
        if "error" in said:
            raise LoadError(said["error"])
        if "done" in said:
            self.figures[rank] = said["done"]
        elif "gather" in said:
            self._given[rank] = said["gather"]
            if len(self._given) == len(self._workers):
                every = msgspec.json.encode([self._given[other] for other in sorted(self._given)]) + b"\n"
                self._given = {}
                for worker in self._workers:
                    worker.write(every)
        elif self._on_progress is not None:
            phase, done, total = said["progress"]
            of = self._progress.setdefault(phase, {})
            of[rank] = (done, total)
            self._on_progress(
                phase, sum(pair[0] for pair in of.values()), sum(pair[1] for pair in of.values())
            )


def conduct(
    job: CrewJob, processes: int = 1, on_progress: OnProgress | None = None, prefix: Sequence[str] = ()
) -> dict[str, Any]:
    """Run a scenario in that many processes and return its figures. `prefix`: a program that runs them (taskset).

    Raises:
        LoadError: the load could not be made; every process is ended.
    """
    workers: list[Worker] = []
    finished = False
    try:
        for rank in range(processes):  # one by one: those that run are ended when the next cannot start
            worker = Worker(msgspec.structs.replace(job, rank=rank, size=processes), prefix)
            workers.append(worker)
        figures = _listen(workers, on_progress)
        finished = True
        return figures
    finally:
        for worker in workers:
            if not finished:
                worker.process.kill()
            worker.end()


def _listen(workers: list[Worker], on_progress: OnProgress | None) -> dict[str, Any]:
    round_ = Round(workers, on_progress)
    with selectors.DefaultSelector() as selector:
        for rank, worker in enumerate(workers):
            selector.register(worker.line, selectors.EVENT_READ, rank)
        while None in round_.figures:
            ready = selector.select(SILENCE_S_MAX)
            if not ready:
                raise LoadError(f"the generator said nothing for {SILENCE_S_MAX:.0f} s")
            for key, _ in ready:
                for said in workers[key.data].read():
                    round_.hear(key.data, said)
                if round_.figures[key.data] is not None:
                    selector.unregister(workers[key.data].line)
    leading = round_.figures[0]
    assert leading is not None
    return leading
