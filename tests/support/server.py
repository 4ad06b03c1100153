"""A hub in a process of its own: started for real, killed for real.

It waits for the line that says the hub is ready, never for a time to pass. Ports that must survive a restart are
taken from below the kernel's ephemeral range: inside it, a client that retries while the hub is down can be given
the very port it calls, connect to itself, and keep the hub from ever binding it again.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
import os
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tests.support.http1 import Address
from tests.support.sign import KEY, KID, SECRET

ROOT = Path(__file__).parent.parent.parent
READY = re.compile(r"ready public=(\S+):(\d+|/\S+) admin=(\S+):(\d+) store=(\w+)$")
START_S = 30.0
STOP_S = 60.0

#: As a value: the variable is absent.
UNSET = "\0"

#: What tests need by default: both kinds of signature, and quick reconnects.
SETTINGS = {
    "FAST_SSE_AUTH__SECRET": SECRET,
    "FAST_SSE_AUTH__KEYS": json.dumps({KID: KEY}),
    "FAST_SSE_LIMITS__RETRY_MS": "40",
    "FAST_SSE_HOST": "127.0.0.1",
    "FAST_SSE_ADMIN_HOST": "127.0.0.1",
    "FAST_SSE_ADMIN_PORT": "0",
}


def missing(program: str) -> bool:
    """Whether a test may be skipped for want of a program: on a laptop, and never in CI."""
    return shutil.which(program) is None and os.environ.get("CI") != "true"


def has_ipv6() -> bool:
    """Whether this machine has a loopback address of IPv6."""
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


@functools.cache
def _ports() -> Iterator[int]:
    """Those of this worker, in an order by chance and none twice for long, where no other worker picks.

    A port is bound a second after it was picked, by a process that starts, and again after a kill: two workers that
    pick from the same ones take them from each other.
    """
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    mine = list(range(10_000, max(lowest, 10_500)))[worker::workers]
    random.SystemRandom().shuffle(mine)  # a test may have seeded the other one
    return itertools.cycle(mine)


def stable_port() -> int:
    """A port that nothing but a listener can hold, free now."""
    for port in itertools.islice(_ports(), 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port below the ephemeral range")


class Hub:
    """One hub. A context manager, blocking or not; leaving it kills what still runs.

    Args:
        directory: for its data and its log; kept over restarts.
        store: `sqlite` or `memory`.
        settings: environment on top of SETTINGS.
        module: what `python -m` runs; a deliberately broken build is another module.
        prefix: a program that runs it, such as strace.
        port: 0 lets the kernel choose; None picks one that restarts can keep.
        stderr: a descriptor for its standard error; by default that is kept in `log`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        store: str = "sqlite",
        settings: dict[str, str] | None = None,
        module: str = "fast_sse",
        prefix: tuple[str, ...] = (),
        port: int | None = None,
        stderr: int = subprocess.PIPE,
    ) -> None:
        self._stderr = stderr
        self.log = directory / "hub.log"
        self.public: Address = ("127.0.0.1", stable_port() if port is None else port)
        self.admin: Address = ("127.0.0.1", 0)
        self.unix = ""  # the path of its socket, where it listens on one
        self.store = store
        self.starts = 0
        self.pid = 0
        self._command = [*prefix, sys.executable, "-m", module, "serve"]
        self._settings = {
            **SETTINGS,
            "FAST_SSE_STORE": store,
            "FAST_SSE_DATA_DIR": str(directory / "data"),
            **(settings or {}),
        }
        for unset in [name for name, value in self._settings.items() if value == UNSET]:
            del self._settings[unset]
        self._traced = bool(prefix)
        self._process: subprocess.Popen[str] | None = None
        self._logger = threading.Thread()

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        path = os.pathsep.join([str(ROOT), str(ROOT / "src")])
        port = {"FAST_SSE_PORT": str(self.public[1])}
        return {**kept, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **self._settings, **port}

    def start(self) -> None:
        """Start and wait until it says that it is ready."""
        self._process = subprocess.Popen(
            self._command,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            cwd=ROOT,
            env=self._environment(),
            text=True,
        )
        self.pid = (
            self._process.pid
        )  # before it is ready, too: a kill of pid 0 would be one of the whole group
        if self._process.stderr is not None:
            self._logger = threading.Thread(target=self._keep_log, args=(self._process.stderr,), daemon=True)
            self._logger.start()
        ready = self._wait_for_ready(self._process)
        self.unix = ready[2] if ready[1] == "unix" else ""
        self.public = (ready[1], 0 if self.unix else int(ready[2]))
        self.admin = (ready[3], int(ready[4]))
        assert ready[5] == self.store
        if self._traced:
            self.pid = self._traced_child()
        self.starts += 1

    def _keep_log(self, stderr: IO[str]) -> None:
        """Write standard error to a file of ours: what befalls the hub's own files must not silence it."""
        with stderr, self.log.open("a") as log:
            for line in stderr:
                log.write(line)
                log.flush()

    def _wait_for_ready(self, process: subprocess.Popen[str]) -> re.Match[str]:
        assert process.stdout is not None
        lines: list[str] = []
        while select.select([process.stdout], [], [], START_S)[0]:
            line = process.stdout.readline()
            if not line:
                break
            if found := READY.match(line.strip()):
                threading.Thread(target=process.stdout.read, daemon=True).start()
                return found
            lines.append(line)
        process.kill()
        status = self.wait()
        raise RuntimeError(f"the hub was not ready; exit {status}\n{''.join(lines)}{self.tail_of_log()}")

    def _traced_child(self) -> int:
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        return int(children.split()[0])

    @property
    def process(self) -> subprocess.Popen[str]:
        """The running process (or the program that runs it)."""
        assert self._process is not None, "the hub was never started"
        return self._process

    def refuses_to_start(self) -> tuple[int, str]:
        """Start what must not start: exit status and what it said."""
        done = subprocess.run(
            self._command,
            cwd=ROOT,
            env=self._environment(),
            text=True,
            capture_output=True,
            timeout=START_S,
            check=False,
        )
        return done.returncode, done.stderr

    def kill_now(self) -> None:
        """SIGKILL, without waiting for anything."""
        os.kill(self.pid, signal.SIGKILL)

    def terminate_now(self) -> None:
        """SIGTERM, without waiting for anything."""
        os.kill(self.pid, signal.SIGTERM)

    def wait(self) -> int:
        """The exit status; negative when a signal ended it."""
        status = self.process.wait(STOP_S)
        if self._logger.ident is not None:
            self._logger.join()
        if self.process.stdout is not None and not self.process.stdout.closed:
            self.process.stdout.close()
        return status

    def rss_bytes(self) -> int:
        """Resident memory now."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("the hub is gone")

    def alive(self) -> bool:
        """Whether the process still runs."""
        return self.process.poll() is None

    def tail_of_log(self, characters: int = 3000) -> str:
        """The end of what it wrote to standard error."""
        return self.log.read_text(errors="replace")[-characters:] if self.log.exists() else ""

    async def astart(self) -> None:
        """`start` for a test whose clients go on meanwhile."""
        await asyncio.to_thread(self.start)

    async def await_exit(self) -> int:
        """`wait` for a test whose clients go on meanwhile."""
        return await asyncio.to_thread(self.wait)

    def end(self) -> None:
        """Kill what still runs and release everything."""
        if self._process is None:
            return
        if self.alive():
            self.kill_now()
        self.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    async def __aenter__(self) -> Self:
        await self.astart()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.end)
