"""Fast SSE itself, as `fast-sse serve` runs it: its own defaults, a store, a secret and free ports.

The one setting that differs from a plain start is the port, so that two may run on a machine.
"""

from __future__ import annotations

import hashlib
import hmac
import platform
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from benchmarks.load.target import Target
from benchmarks.peers.process import PeerError, scratch, server, tail_of

ROOT = Path(__file__).parents[2]
SECRET = "a-secret-for-benchmarks-only-0123456789"
EVENT_ID, EVENT_TYPE = "carid000001", "cart_changed"
READY_S_MAX = 20.0


def environment(store: str, directory: Path) -> dict[str, str]:
    """Settings of the server under load."""
    return {
        "PYTHONPATH": str(ROOT / "src"),
        "FAST_SSE_HOST": "127.0.0.1",
        "FAST_SSE_PORT": "0",
        "FAST_SSE_ADMIN_PORT": "0",
        "FAST_SSE_STORE": store,
        "FAST_SSE_DATA_DIR": str(directory / "data"),
        "FAST_SSE_AUTH__SECRET": SECRET,
    }


def signature() -> str:
    """v1: HMAC-SHA256 of `event_id:event_type`, written out here so that a wrong one in the hub would show."""
    return hmac.new(SECRET.encode(), f"{EVENT_ID}:{EVENT_TYPE}".encode(), hashlib.sha256).hexdigest()


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


@contextmanager
def running(store: str, core: int) -> Iterator[Target]:
    """A hub with an empty log on one core, all its threads."""
    with scratch("fast-sse-") as directory:
        (directory / "data").mkdir()
        command = [sys.executable, "-m", "fast_sse", "serve"]
        with server(command, core, directory, environment(store, directory)) as process:
            try:
                public = ready_line(process)["public"]
            except PeerError as error:
                raise PeerError(f"{error}\n{tail_of(directory / 'log')}") from error
            host, _, port = public.rpartition(":")
            # Whatever else it prints must not fill the pipe and block it.
            threading.Thread(target=process.stdout.read, daemon=True).start()  # type: ignore[union-attr]
            path = f"/events/{EVENT_ID}/types/{EVENT_TYPE}"
            signed = {"x-signature": signature()}
            yield Target(
                name=f"fast-sse {store}",
                host=host,
                port=int(port),
                pid=process.pid,
                subscribe_path=f"/v1/subscribe{path}",
                publish_path=f"/v1/sse{path}",
                subscribe_headers={"Accept": "text/event-stream", **signed},
                publish_headers={"Content-Type": "application/json", **signed},
                body_prefix='{"data":',
                body_suffix="}",
            )
