"""Every server that a run can have, by name, behind one small interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, NamedTuple

from benchmarks.peers import aiohttp_server, bare_sqlite, centrifugo, hub, mercure, nchan, sse_starlette
from benchmarks.plan import BY_CHANNELS, BY_RATE, BY_SUBSCRIBERS, FULL
from fast_sse.bench.target import LoadTarget


class Peer(NamedTuple):
    """How to have a server (`install` raises PeerError with what to do), and how to run it on a core.

    Attributes:
        running: `running(core, channels)` yields the target while the server runs.
        note: what a reader of the table must know about it.
        witnessed: one stream is counted a second time by the rules of SSE; False where they do not fit its frames.
        less: options of a scenario that would take it minutes, such as a backlog that it accepts and cannot deliver.
        rounds: it takes part in the first ones only, where no goal is judged by it.
        parts: the only ones that it can play; None for all but those that ask for ids in answers.
        alone: `alone(core, part, options)` gives the figures of something that is no server.
    """

    install: Callable[[], None]
    version: Callable[[], dict[str, str]]
    running: Callable[[int, int], AbstractContextManager[LoadTarget]] | None
    note: str
    witnessed: bool = True
    less: Mapping[str, dict[str, Any]] = {}
    rounds: int = 1 << 30
    parts: frozenset[str] | None = None
    alone: Callable[[int, str, dict[str, Any]], dict[str, Any]] | None = None

    def plays(self, part: str, number: int) -> bool:
        """Whether it takes part in this round of a part."""
        of_hubs = part in OF_HUBS and self.parts is None
        return number <= self.rounds and not of_hubs and (self.parts is None or part in self.parts)


#: Parts that follow a message by the id in its answer: others have none.
OF_HUBS = frozenset({"replay", "original"})
#: Rounds of servers that are there to be looked at, and by which no goal is judged.
ASIDE = 1


def fast_sse(store: str) -> Peer:
    """Fast SSE itself; it is here already."""
    every = frozenset({*FULL, BY_SUBSCRIBERS, BY_CHANNELS, BY_RATE})
    return Peer(lambda: None, hub.version, partial(hub.running, store=store), hub.NOTES[store], parts=every)


PEERS: dict[str, Peer] = {
    "nchan": Peer(nchan.install, nchan.version, nchan.running, nchan.NOTE),
    "fast-sse memory": fast_sse("memory"),
    "fast-sse sqlite": fast_sse("sqlite"),
    "bare sqlite": Peer(
        lambda: None,
        bare_sqlite.version,
        None,
        bare_sqlite.NOTE,
        parts=frozenset(bare_sqlite.LOOPS),
        alone=bare_sqlite.figures,
    ),
    "sse-starlette": Peer(
        sse_starlette.install, sse_starlette.version, sse_starlette.running, sse_starlette.NOTE, rounds=ASIDE
    ),
    "aiohttp": Peer(
        aiohttp_server.install,
        aiohttp_server.version,
        aiohttp_server.running,
        aiohttp_server.NOTE,
        less=aiohttp_server.LESS,
        rounds=ASIDE,
    ),
    "mercure": Peer(mercure.install, mercure.version, mercure.running, mercure.NOTE, rounds=ASIDE),
    "centrifugo": Peer(
        centrifugo.install,
        centrifugo.version,
        centrifugo.running,
        centrifugo.NOTE,
        centrifugo.WITNESSED,
        rounds=ASIDE,
    ),
}
