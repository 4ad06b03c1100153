"""A real redis-server in a process of its own: started for real, killed, paused and made a replica for real.

Its port is kept over restarts, its data lie in a directory of the test, and it waits for the line that says it
is ready, never for a time to pass. Nothing of the machine's own configuration is read.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, Self

import pytest
import redis
from tests.support.http1 import Address
from tests.support.server import missing, stable_port

from fast_sse.store.redis.commands import commands

PROGRAM = "redis-server"
READY = "Ready to accept connections"
START_S = 20.0
STOP_S = 20.0

Persistence = Literal["none", "everysec", "always"]

_PERSISTENCE: dict[Persistence, tuple[str, ...]] = {
    "none": ("appendonly no",),
    "everysec": ("appendonly yes", "appendfsync everysec"),
    "always": ("appendonly yes", "appendfsync always"),
}


#: A user who may do what the store does, and nothing else.
HUB, HUB_PASSWORD = "hub", "s3cret-word"


def hub_user(keys: str, *, without: tuple[str, ...] = ()) -> str:
    """A line of redis.conf: that user, with exactly the commands of the store, except for those `without`."""
    names = sorted({command.name for command in commands("p", database=1, wait_replicas=1)} - {*without})
    allowed = " ".join(f"+{name.lower().replace(' ', '|')}" for name in names)
    return f"user {HUB} on >{HUB_PASSWORD} ~{keys} -@all {allowed}"


def need_redis() -> None:
    """Skip the test on a laptop without the program; in CI go on and fail."""
    if missing(PROGRAM):
        pytest.skip(f"{PROGRAM} is not installed: see scripts/setup-test-packages")


class RedisServer:
    """One server. A context manager, blocking or not; leaving it kills what still runs.

    Args:
        directory: for its data and its log; kept over restarts.
        persistence: what survives a kill: nothing, or the append-only file with its fsync policy.
        options: lines of redis.conf on top, such as `maxmemory 10mb` or `user hub on >secret ~* &* +@all`.
        tls: certificate and key, PEM files; the port then speaks nothing but TLS.
        replica_of: begins as a replica of another server.
    """

    def __init__(
        self,
        directory: Path,
        *,
        persistence: Persistence = "none",
        options: tuple[str, ...] = (),
        tls: tuple[Path, Path] | None = None,
        replica_of: Address | None = None,
    ) -> None:
        self.directory = directory
        self.address: Address = ("127.0.0.1", stable_port())
        self.persistence: Persistence = persistence
        self.options = options
        self.tls = tls
        self.replica_of = replica_of
        self.log = directory / "redis.log"
        self._process: subprocess.Popen[str] | None = None
        self._logger = threading.Thread()

    @property
    def url(self) -> str:
        """Without a user: what the default user may do."""
        return f"{'rediss' if self.tls else 'redis'}://{self.address[0]}:{self.address[1]}/0"

    @property
    def hub_url(self) -> str:
        """As the user of `hub_user`."""
        return self.url.replace("//", f"//{HUB}:{HUB_PASSWORD}@")

    def _settings(self) -> str:
        host, port = self.address
        lines = [f"bind {host}", f"dir {self.directory}", "save ''", *_PERSISTENCE[self.persistence]]
        if self.tls:
            lines += ["port 0", f"tls-port {port}", f"tls-cert-file {self.tls[0]}"]
            lines += [f"tls-key-file {self.tls[1]}", "tls-auth-clients no"]
        else:
            lines.append(f"port {port}")
        if self.replica_of:
            lines.append(f"replicaof {self.replica_of[0]} {self.replica_of[1]}")
        return "\n".join(
            [*lines, "repl-diskless-sync-delay 0", "enable-debug-command yes", *self.options, ""]
        )

    def start(self) -> None:
        """Start on the same port and the same data, and wait until it accepts connections."""
        self.directory.mkdir(parents=True, exist_ok=True)
        configuration = self.directory / "redis.conf"
        configuration.write_text(self._settings())
        self._process = subprocess.Popen(
            [PROGRAM, str(configuration)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self._process.stdout is not None
        said, ready = list[str](), threading.Event()
        self._logger = threading.Thread(
            target=self._keep_log, args=(self._process.stdout, said, ready), daemon=True
        )
        self._logger.start()
        if not ready.wait(START_S) or READY not in "".join(said):
            self.kill()
            raise RuntimeError(f"redis-server was not ready\n{''.join(said)}")

    def _keep_log(self, output: IO[str], said: list[str], ready: threading.Event) -> None:
        """Every line goes to the log; those up to the ready line, or to an early end, also to who waits for it."""
        with output, self.log.open("a") as log:
            for line in output:
                log.write(line)
                if not ready.is_set():
                    said.append(line)
                    if READY in line:
                        ready.set()
        ready.set()

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None, "the server was never started"
        return self._process.pid

    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process is not None and self._process.poll() is None

    def _end(self, how: signal.Signals) -> None:
        assert self._process is not None
        if self.alive():
            os.kill(self.pid, signal.SIGCONT)
            os.kill(self.pid, how)
        self._process.wait(STOP_S)
        self._logger.join()

    def stop(self) -> None:
        """SIGTERM: it writes what its persistence asks for and goes."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, also while it is paused."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """SIGSTOP: connections stay, nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT: it goes on where it stood."""
        os.kill(self.pid, signal.SIGCONT)

    def restart(self, *, persistence: Persistence | None = None) -> None:
        """Kill what runs, and start on what is left of its data."""
        self.kill()
        self.persistence = persistence or self.persistence
        self.start()

    def do(self, *words: Any) -> Any:
        """One command as the default user, its raw answer; blocking."""
        host, port = self.address
        with redis.Redis(
            host, port, ssl=self.tls is not None, ssl_cert_reqs="none", socket_timeout=10
        ) as client:
            return client.execute_command(*words)

    def info(self, section: str) -> dict[str, Any]:
        """One section of INFO."""
        found: dict[str, Any] = self.do("INFO", section)
        return found

    def catch_up_with(self, primary: RedisServer) -> None:
        """Wait until this replica has everything that its primary has."""
        deadline_s = time.monotonic() + START_S
        while time.monotonic() < deadline_s:
            mine, theirs = self.info("replication"), primary.info("replication")
            linked = mine.get("master_link_status") == "up"
            if linked and mine["slave_repl_offset"] >= theirs["master_repl_offset"]:
                return
            time.sleep(0.01)
        raise RuntimeError("the replica did not catch up")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self.kill()
