"""A server as a child process on one core, in a directory of its own, gone when the measurement is."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

STOP_S_MAX = 5.0


class PeerError(Exception):
    """A server could not be installed or started; the message says what to do."""


def pinned(core: int, command: Sequence[str]) -> list[str]:
    """The command on one core, its children too."""
    return ["taskset", "--cpu-list", str(core), *command]


@contextmanager
def scratch(prefix: str) -> Iterator[Path]:
    """A directory for a server's configuration, log and data."""
    with tempfile.TemporaryDirectory(prefix=prefix) as directory:
        yield Path(directory)


@contextmanager
def server(
    command: Sequence[str], core: int, directory: Path, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Start a server; standard output is piped, standard error goes to `log` in its directory.

    Stopped by SIGTERM to the process that was started here and to no other; by a second one if it takes its time
    over a drain; by SIGKILL if it does not listen.
    """
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(
            pinned(core, command),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=directory,
            env={**os.environ, **(env or {})},
        )
    try:
        yield process
    finally:
        stop(process)
        if process.stdout:
            process.stdout.close()


def stop(process: subprocess.Popen[str]) -> None:
    """End a server that was started here."""
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S_MAX)
            return
    process.wait()


def await_true(what: str, check: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Poll `check`, a function, until it is true; PeerError when the time is over."""
    end_s = time.monotonic() + timeout_s
    while not check():
        if time.monotonic() > end_s:
            raise PeerError(f"{what} did not happen within {timeout_s} s")
        time.sleep(0.02)


def free_port() -> int:
    """A port of loopback that was free just now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def listens(port: int) -> bool:
    """True when something on loopback does."""
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def listening(
    command: Sequence[str],
    core: int,
    directory: Path,
    port: int,
    env: Mapping[str, str] | None = None,
    also: Callable[[int], bool] = lambda _pid: True,
) -> Iterator[subprocess.Popen[str]]:
    """`server`, once it listens on its port and `also` (which gets its pid) is true; PeerError with its log if not."""
    with server(command, core, directory, env) as process:

        def ready() -> bool:
            if process.poll() is not None:
                raise PeerError(f"{command[0]} ended with status {process.returncode}")
            return listens(port) and also(process.pid)

        try:
            await_true(f"{Path(command[0]).name} listening", ready)
        except PeerError as error:
            raise PeerError(f"{error}\n{tail_of(directory / 'log')}") from error
        # Whatever it prints must not fill the pipe and block it.
        threading.Thread(target=process.stdout.read, daemon=True).start()  # type: ignore[union-attr]
        yield process


def program_of(variable: str, what: str) -> str:
    """The path that an environment variable names; PeerError says what to set when there is none."""
    path = os.environ.get(variable, "")
    if not path:
        raise PeerError(f"{what} is not here: set {variable}=/path/to/its/binary to have it measured")
    if not os.access(path, os.X_OK) or not Path(path).is_file():
        raise PeerError(f"{variable}={path} is not a program that can be run")
    return str(Path(path).resolve())


def said_by(command: Sequence[str]) -> str:
    """The first line that a program prints: its version, mostly."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[0] if lines else "unknown"


def tail_of(log: Path, lines: int = 8) -> str:
    """The end of a server's log, for an error's message."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""
