"""Every server that a run can have, by name, behind one small interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, NamedTuple

from benchmarks.peers import aiohttp_server, centrifugo, hub, mercure, nchan, sse_starlette
from fast_sse.bench.target import Target


class Peer(NamedTuple):
    """How to have a server (`install` raises PeerError with what to do), and how to run it on a core.

    Attributes:
        running: `running(core, channels)` yields the target while the server runs.
        note: what a reader of the table must know about it.
        witnessed: one stream is counted a second time by the rules of SSE; False where they do not fit its frames.
        less: options of a scenario that would take it minutes, such as a backlog that it accepts and cannot deliver.
    """

    install: Callable[[], None]
    version: Callable[[], dict[str, str]]
    running: Callable[[int, int], AbstractContextManager[Target]]
    note: str
    witnessed: bool = True
    less: Mapping[str, dict[str, Any]] = {}


def fast_sse(store: str) -> Peer:
    """Fast SSE itself; it is here already."""
    return Peer(lambda: None, hub.version, partial(hub.running, store=store), hub.NOTES[store])


PEERS: dict[str, Peer] = {
    "nchan": Peer(nchan.install, nchan.version, nchan.running, nchan.NOTE),
    "fast-sse memory": fast_sse("memory"),
    "fast-sse sqlite": fast_sse("sqlite"),
    "sse-starlette": Peer(
        sse_starlette.install, sse_starlette.version, sse_starlette.running, sse_starlette.NOTE
    ),
    "aiohttp": Peer(
        aiohttp_server.install,
        aiohttp_server.version,
        aiohttp_server.running,
        aiohttp_server.NOTE,
        less=aiohttp_server.LESS,
    ),
    "mercure": Peer(mercure.install, mercure.version, mercure.running, mercure.NOTE),
    "centrifugo": Peer(
        centrifugo.install, centrifugo.version, centrifugo.running, centrifugo.NOTE, centrifugo.WITNESSED
    ),
}
