"""Nodes of Fast SSE over one log, and the servers that hold such logs: each on the cores that it is given."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support.kafka_broker import SCRIPT, Broker
from tests.support.redis_server import Persistence, RedisServer

from benchmarks.peers import hub
from benchmarks.peers.process import PeerError, free_port, said_by, scratch, server, tail_of
from fast_sse.bench.target import LoadTarget

#: Settings that lead a node to a log that nobody has used yet.
FreshLog = Callable[[], dict[str, str]]
_numbers = itertools.count(1)


class Cores(NamedTuple):
    """Who runs where: two nodes, the generator, and the server that holds the log."""

    node: int
    second: int
    generator: int
    log: int

    @classmethod
    def of_this_machine(cls) -> Cores:
        """One for each where there are four; with two, whatever is not the first node shares the second core."""
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            raise PeerError("needs two cores: one for a node, one for everything else")
        more = [cores[min(number, len(cores) - 1)] for number in range(4)]
        return cls(*more)


def versions() -> dict[str, str]:
    """What Redis and Kafka are here."""
    said = re.search(r"v=(\S+)", said_by(["redis-server", "--version"]))
    pinned = re.search(r"^KAFKA=(\S+)", SCRIPT.read_text(), re.MULTILINE)
    return {"redis": said[1] if said else "unknown", "kafka": pinned[1] if pinned else "unknown"}


def pin(pid: int, core: int) -> None:
    """A process that runs, all its threads."""
    subprocess.run(["taskset", "-a", "-p", "-c", str(core), str(pid)], check=True, stdout=subprocess.DEVNULL)


@contextmanager
def sqlite(_core: int) -> Iterator[FreshLog]:
    """Each node has its own log, in its directory."""
    yield dict


@contextmanager
def redis(core: int, persistence: Persistence) -> Iterator[FreshLog]:
    """One Redis; each log is another prefix, and what was there before is gone."""
    with scratch("redis-") as directory, RedisServer(directory, persistence=persistence) as running:
        pin(running.pid, core)

        def fresh() -> dict[str, str]:
            if not running.alive():
                raise PeerError(f"redis-server ended:\n{tail_of(running.log)}")
            running.do("FLUSHALL")
            return {
                "FAST_SSE_REDIS__URL": running.url,
                "FAST_SSE_REDIS__PREFIX": f"bench{next(_numbers)}",
            }

        yield fresh


@contextmanager
def kafka(core: int) -> Iterator[FreshLog]:
    """One broker; each log is another topic."""
    with scratch("kafka-") as directory, Broker(directory) as running:
        pin(running.pid, core)

        def fresh() -> dict[str, str]:
            return {
                "FAST_SSE_KAFKA__BOOTSTRAP_SERVERS": running.bootstrap,
                "FAST_SSE_KAFKA__TOPIC": f"bench-{next(_numbers)}",
            }

        yield fresh


@contextmanager
def node(store: str, core: int, settings: dict[str, str]) -> Iterator[tuple[int, int]]:
    """One `fast-sse serve` that is ready: its public port and its pid."""
    with scratch("fast-sse-") as directory:
        (directory / "data").mkdir()
        environment = hub.environment(store, directory) | settings
        with server([sys.executable, "-m", "fast_sse", "serve"], core, directory, environment) as process:
            try:
                public = hub.ready_line(process)["public"]
            except PeerError as error:
                raise PeerError(f"{error}\n{tail_of(Path(directory) / 'log')}") from error
            # Whatever else it prints must not fill the pipe and block it.
            threading.Thread(target=process.stdout.read, daemon=True).start()  # type: ignore[union-attr]
            yield int(public.rpartition(":")[2]), process.pid


@contextmanager
def running(
    store: str, layout: str, cores: Cores, settings: dict[str, str], channels: int
) -> Iterator[LoadTarget]:
    """`one` node; a `pair` on one core, published to at the first and subscribed to at the second; or two that `share`
    a port, each with a core.
    """
    with ExitStack() as stack:

        def start(name: str, core: int, **more: str) -> tuple[int, int]:
            own = settings | {"FAST_SSE_NODE": name, "FAST_SSE_DRAIN_S": "0"} | more
            return stack.enter_context(node(store, core, own))

        publish_port = 0
        if layout == "share":
            shared = {"FAST_SSE_REUSE_PORT": "true", "FAST_SSE_PORT": str(free_port())}
            port, pid = start("n0", cores.node, **shared)
            start("n1", cores.second, **shared)
        else:
            port, pid = start("n0", cores.node)
            if layout == "pair":
                publish_port = port
                port, pid = start("n1", cores.node)
        yield hub.target(store, port, pid, channels, publish_port)
