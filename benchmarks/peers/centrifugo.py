"""Centrifugo 6, when `CENTRIFUGO` names its binary: unidirectional SSE, publishes through its HTTP API.

It sends JSON frames without an id: the first one answers the connection and is no event, so events are counted by
`"pub":{`, and the second count by the rules of SSE, which takes that first frame for an event, does not apply.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from benchmarks.peers.process import free_port, listening, program_of, said_by, scratch
from benchmarks.peers.routes import ACCEPT, JSON, one_channel_only
from fast_sse.bench.target import LoadRoute, LoadTarget

NAME = "centrifugo"
NOTE = "Go, unsigned, in memory, one processor"
WITNESSED = False
CONFIG = Path(__file__).parent / "config" / "centrifugo.json"


def install() -> None:
    """Raise PeerError when there is no binary: it is not installed from here."""
    program_of("CENTRIFUGO", "Centrifugo")


def version() -> dict[str, str]:
    """What the binary says."""
    return {"centrifugo": said_by([program_of("CENTRIFUGO", "Centrifugo"), "version"])}


@contextmanager
def running(core: int, channels: int = 1) -> Iterator[LoadTarget]:
    """One process with one processor (its runtime sees the core it is pinned to)."""
    one_channel_only(NAME, channels)
    program, port = program_of("CENTRIFUGO", "Centrifugo"), free_port()
    with scratch("centrifugo-") as directory:
        shutil.copy(CONFIG, directory / "config.json")
        env = {"CENTRIFUGO_HTTP_SERVER_PORT": str(port), "GOMAXPROCS": "1"}
        command = [program, "--config", "config.json"]
        with listening(command, core, directory, port, env) as process:
            subscribe = "/connection/uni_sse?cf_connect=" + quote('{"subs":{"c0":{}}}')
            yield LoadTarget(
                name=NAME,
                host="127.0.0.1",
                port=port,
                pid=process.pid,
                routes=[LoadRoute(subscribe, "/api/publish", ACCEPT, JSON)],
                body_prefix='{"channel":"c0","data":',
                body_suffix="}",
                needle='"pub":{',
            )
