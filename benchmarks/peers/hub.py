"""Fast SSE itself, as `fast-sse serve` runs it: its own defaults, a store, a secret and free ports.

The one setting that differs from a plain start is the port, so that two may run on a machine.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import platform
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from benchmarks.peers.process import PeerError, scratch, server, tail_of
from benchmarks.peers.routes import ACCEPT, JSON
from fast_sse.bench.target import HUB_NEEDLE, LoadRoute, LoadTarget

NOTES = {"memory": "signed, in memory", "sqlite": "signed, fsynced before it answers"}

ROOT = Path(__file__).parents[2]
SECRET = "a-secret-for-benchmarks-only-0123456789"
#: Batches are signed in format v2, which only a key can.
KID, KEY = "bench", "a-key-for-benchmarks-only-0123456789abc"
EVENT_TYPE = "cart_changed"
READY_S_MAX = 20.0


def environment(store: str, directory: Path, tree: Path = ROOT) -> dict[str, str]:
    """Settings of the server under load. `tree`: the checkout whose code runs."""
    return {
        "PYTHONPATH": str(tree / "src"),
        "FAST_SSE_HOST": "127.0.0.1",
        "FAST_SSE_PORT": "0",
        "FAST_SSE_ADMIN_PORT": "0",
        "FAST_SSE_STORE": store,
        "FAST_SSE_DATA_DIR": str(directory / "data"),
        "FAST_SSE_AUTH__SECRET": SECRET,
        "FAST_SSE_AUTH__KEYS": json.dumps({KID: KEY}),
    }


def signature(channel: tuple[str, str]) -> str:
    """v1: HMAC-SHA256 of `event_id:event_type`, written out here so that a wrong one in the hub would show."""
    return hmac.new(SECRET.encode(), ":".join(channel).encode(), hashlib.sha256).hexdigest()


def route(number: int) -> LoadRoute:
    """One channel of the hub, signed."""
    channel = (f"carid{number:06d}", EVENT_TYPE)
    path = f"/events/{channel[0]}/types/{channel[1]}"
    signed = {"x-signature": signature(channel)}
    return LoadRoute(
        f"/v1/subscribe{path}", f"/v1/sse{path}", ACCEPT | signed, JSON | signed, channel=channel
    )


def version() -> dict[str, str]:
    """Interpreter and the libraries on the hot road."""
    return {"python": platform.python_version()} | {
        name: metadata.version(name) for name in ("uvloop", "httptools", "msgspec")
    }


def ready_line(process: subprocess.Popen[str]) -> dict[str, str]:
    """`public=`, `admin=` and `store=` of the ready line; PeerError if it does not come in time."""
    assert process.stdout
    watchdog = threading.Timer(READY_S_MAX, process.kill)
    watchdog.start()
    try:
        for line in process.stdout:
            if line.startswith("ready "):
                return dict(word.split("=", 1) for word in line.split()[1:])
    finally:
        watchdog.cancel()
    raise PeerError(f"the hub ended or was not ready within {READY_S_MAX} s")


def target(
    store: str, port: int, pid: int, channels: int, publish_port: int = 0, *, host: str = "127.0.0.1"
) -> LoadTarget:
    """What to send to a hub that runs."""
    return LoadTarget(
        name=f"fast-sse {store}",
        host=host,
        port=port,
        publish_port=publish_port,
        pid=pid,
        routes=[route(number) for number in range(channels)],
        body_prefix='{"data":',
        body_suffix="}",
        needle=HUB_NEEDLE,
        batch_path="/v1/sse/batch",
        kid=KID,
        key=KEY.encode(),
    )


@contextmanager
def running(core: int, channels: int = 1, *, store: str, tree: Path = ROOT) -> Iterator[LoadTarget]:
    """A hub with an empty log on one core, all its threads."""
    with scratch("fast-sse-") as directory:
        (directory / "data").mkdir()
        command = [sys.executable, "-m", "fast_sse", "serve"]
        with server(command, core, directory, environment(store, directory, tree)) as process:
            try:
                public = ready_line(process)["public"]
            except PeerError as error:
                raise PeerError(f"{error}\n{tail_of(directory / 'log')}") from error
            host, _, port = public.rpartition(":")
            # Whatever else it prints must not fill the pipe and block it.
            threading.Thread(target=process.stdout.read, daemon=True).start()  # type: ignore[union-attr]
            yield target(store, int(port), process.pid, channels, host=host)
