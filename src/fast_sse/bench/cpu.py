"""What a run costs, read from /proc: CPU time and memory of the server, CPU time of the generator itself."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from fast_sse.bench.loop import Loop

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Memory:
    """Resident memory of one process in bytes; `shared` is the part in shared memory (nginx's zones)."""

    rss_bytes: int
    shared_bytes: int


def cpu_s(pid: int) -> float:
    """User and system time of a process, all its threads, the ended ones too. Resolution: one tick, 10 ms."""
    # The command's name, in parentheses, may hold anything, even a parenthesis: count from the last one.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def user_system_s(pid: int) -> tuple[float, float]:
    """`cpu_s` in its two parts: a server's own code, and the kernel working for it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) / TICKS_PER_S, int(fields[12]) / TICKS_PER_S


def memory(pid: int) -> Memory:
    """Resident memory now. Buffers of sockets are the kernel's and in no process's figure."""
    values = {}
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in ("VmRSS", "RssShmem"):
            values[name] = int(value.split()[0]) * 1024
    return Memory(values["VmRSS"], values["RssShmem"])


def waited_s(pid: int) -> float:
    """How long the threads of a process were ready to run and had no core: other work on the machine."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[1]) for task in tasks) / 1e9


class Window:
    """A span of time with the CPU that server and generator spent in it.

    The generator spins, so all of its core is its own unless others take it; what it needed is what it did not
    spend on empty polls.
    """

    def __init__(self, pid: int, loop: Loop) -> None:
        """`pid` 0: the server is elsewhere, and only the generator is watched."""
        self._pid = pid
        self._loop = loop
        if pid:
            self._server = user_system_s(pid)
            self._waited_s = waited_s(pid)
        self._own_s = time.process_time()
        self._own_idle_s = loop.idle_cpu_s
        self.start_s = time.monotonic()

    def generator(self) -> dict[str, float]:
        """The share of its core that this process needed, and the share that others took from it."""
        wall_s = time.monotonic() - self.start_s
        own_s = time.process_time() - self._own_s
        idle_s = self._loop.idle_cpu_s - self._own_idle_s
        return {
            "generator_share": (own_s - idle_s) / wall_s,
            "generator_waited_share": max(0.0, 1 - own_s / wall_s) if self._loop.spins else 0.0,
        }

    def server(self) -> dict[str, float]:
        """Seconds since the window opened and the server's work in them; without a pid only the seconds."""
        wall_s = time.monotonic() - self.start_s
        if not self._pid:
            return {"wall_s": wall_s}
        user_s, system_s = (
            now - then for now, then in zip(user_system_s(self._pid), self._server, strict=True)
        )
        return {
            "wall_s": wall_s,
            "server_cpu_s": user_s + system_s,
            "server_user_s": user_s,
            "server_system_s": system_s,
            "server_share": (user_s + system_s) / wall_s,
            "server_waited_share": (waited_s(self._pid) - self._waited_s) / wall_s,
            "server_rss_bytes": memory(self._pid).rss_bytes,
        }
