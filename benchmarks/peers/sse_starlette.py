"""sse-starlette on uvicorn: what a Python team writes first. One worker, uvloop, httptools, no access log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.peers import environment
from benchmarks.peers.process import PeerError, free_port, listening, scratch
from benchmarks.peers.routes import plain_target
from fast_sse.bench.target import LoadTarget

NAME = "sse-starlette"
NOTE = "Python, unsigned, keeps nothing, one uvicorn worker"


def install() -> None:
    """Have the packages, in an environment of their own."""
    environment.install()


def version() -> dict[str, str]:
    """What the server is made of."""
    return environment.versions("sse-starlette", "starlette", "uvicorn")


@contextmanager
def running(core: int, channels: int = 1) -> Iterator[LoadTarget]:
    """One uvicorn worker on one core."""
    if not environment.made():
        raise PeerError("the Python peers are not installed")
    port = free_port()
    app = ["--app-dir", str(environment.APPS), "starlette_hub:app"]
    options = ["--host", "127.0.0.1", "--port", str(port), "--backlog", "4096", "--no-access-log"]
    fast = ["--loop", "uvloop", "--http", "httptools", "--log-level", "warning"]
    # On a stop it would wait for streams that do not end.
    stop = ["--timeout-graceful-shutdown", "1"]
    command = [str(environment.PYTHON), "-m", "uvicorn", *app, *options, *fast, *stop]
    with scratch("sse-starlette-") as directory, listening(command, core, directory, port) as process:
        yield plain_target(NAME, port, process.pid, channels)
