"""What the generator's processes have in common: each runs the same scenario on its share of the subscribers.

`gather` is the one thing they do together: each gives a value and gets those of all, in order of rank. Whoever waits
there goes on receiving, so that a process without a publisher counts deliveries while it waits for the others.
Rank 0 publishes where there is a schedule to keep, watches the server, and puts the figures together.
"""

from __future__ import annotations

import select
import socket
import time
from typing import Any

import msgspec

from fast_sse.bench.loop import Loop
from fast_sse.bench.target import LoadError, LoadTarget

#: Progress is told this often at most.
TELL_S = 0.1
#: A process that hears nothing from the others for this long gives up.
GATHER_S_MAX = 900.0
READ_BYTES = 1 << 20


class CrewJob(msgspec.Struct, frozen=True):
    """What one process of the generator is told to do: `rank` of `size`, and how long a missing delivery may take."""

    target: LoadTarget
    scenario: str
    options: dict[str, Any]
    rank: int = 0
    size: int = 1
    patience_s: float = 5.0


class Crew:
    """One process among `size`; without a line to the others, the only one."""

    def __init__(self, loop: Loop, job: CrewJob, line: socket.socket | None = None) -> None:
        self.loop, self.target = loop, job.target
        self.rank, self.size, self.patience_s = job.rank, job.size, job.patience_s
        self._line = line
        self._unread = b""
        self._gathered: list[list[Any]] = []
        self._told_s = 0.0
        if line is not None:
            loop.add(line, select.EPOLLIN, self._on_line)

    @property
    def leads(self) -> bool:
        """True for the one process that publishes on a schedule and reports."""
        return self.rank == 0

    def share(self, count: int) -> range:
        """The numbers of `count` things that are this process's, dealt out in turn."""
        return range(self.rank, count, self.size)

    def gather(self, value: Any = None) -> list[Any]:
        """Everybody's value, by rank; values are what JSON can hold.

        Raises:
            LoadError: another process is gone.
        """
        if self._line is None:
            return [msgspec.to_builtins(value)]
        self._send({"gather": value})
        if not self.loop.until(lambda: bool(self._gathered), GATHER_S_MAX):
            raise LoadError("another process of the generator does not answer")
        return self._gathered.pop(0)

    def tell(self, phase: str, done: float, total: float) -> None:
        """Say how far this process is, not too often, and always when it is done."""
        now_s = time.monotonic()
        if self._line is not None and (done >= total or now_s - self._told_s > TELL_S):
            self._told_s = now_s
            self._send({"progress": [phase, done, total]})

    def finish(self, figures: dict[str, Any]) -> None:
        """The last word of a process that did what it was told."""
        self._send({"done": figures})

    def fail(self, problem: str) -> None:
        """The last word of one that could not."""
        self._send({"error": problem})

    def _send(self, said: dict[str, Any]) -> None:
        assert self._line is not None
        self._line.sendall(msgspec.json.encode(said) + b"\n")

    def _on_line(self, _events: int) -> None:
        assert self._line is not None
        data = self._line.recv(READ_BYTES)
        if not data:
            raise LoadError("the process that started the generator is gone")
        *lines, self._unread = (self._unread + data).split(b"\n")
        self._gathered += [msgspec.json.decode(line) for line in lines]
