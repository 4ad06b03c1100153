"""aiohttp's own server with uvloop: one process, no access log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.peers import environment
from benchmarks.peers.process import PeerError, free_port, listening, scratch
from benchmarks.peers.routes import plain_target
from fast_sse.bench.target import LoadTarget

NAME = "aiohttp"
NOTE = "Python, unsigned, keeps nothing, one process"
#: Its publish answers before anything is written, so queues fill up for minutes.
LESS = {"burst": {"messages": 300}}


def install() -> None:
    """Have the packages, in an environment of their own."""
    environment.install()


def version() -> dict[str, str]:
    """What the server is made of."""
    return environment.versions("aiohttp")


@contextmanager
def running(core: int, channels: int = 1) -> Iterator[LoadTarget]:
    """The application on one core."""
    if not environment.made():
        raise PeerError("the Python peers are not installed")
    port = free_port()
    command = [str(environment.PYTHON), str(environment.APPS / "aiohttp_hub.py"), str(port)]
    with scratch("aiohttp-") as directory, listening(command, core, directory, port) as process:
        yield plain_target(NAME, port, process.pid, channels)
