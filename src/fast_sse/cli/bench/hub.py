"""A hub of its own for `fast-sse bench` without --url: fresh, in a directory that goes with it, in its own process."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

import fast_sse
from fast_sse.cli.credentials import Signer
from fast_sse.environment import PREFIX
from fast_sse.model.errors import UnavailableError
from fast_sse.model.signature import Keyring

KID = "bench"
READY_S_MAX = 30.0
STOP_S_MAX = 5.0
LOG_LINES = 5


class OwnHub(msgspec.Struct, frozen=True):
    """A hub that runs."""

    url: str
    pid: int
    signer: Signer


@contextmanager
def own_hub(store: str) -> Iterator[OwnHub]:
    """Start one with its defaults, but for ports, secrets and the load route; ended when left.

    Raises:
        UnavailableError: it does not start; the end of its log says why.
    """
    secret, key = secrets.token_hex(32), secrets.token_hex(32)
    with tempfile.TemporaryDirectory(prefix="fast-sse-bench-") as name:
        directory = Path(name)
        with (directory / "log").open("w") as log:
            process = subprocess.Popen(  # noqa: S603  this interpreter and words of ours
                [sys.executable, "-m", "fast_sse", "serve", "--store", store],
                env=_environment(directory, secret, key),
                cwd=directory,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                process_group=0,  # Ctrl-C ends the bench, which ends the hub
            )
        before = signal.signal(signal.SIGTERM, _end)
        try:
            signer = Signer(
                Keyring(secret=secret.encode(), keys={KID: key.encode()}, signing_kid=KID),
            )
            yield OwnHub(f"http://{_public(process, directory / 'log')}", process.pid, signer)
        finally:
            _stop(process)
            signal.signal(signal.SIGTERM, before)


def _end(number: int, _frame: object) -> None:
    """End as from the keyboard: what was started here must not outlive a SIGTERM."""
    sys.exit(128 + number)


def _environment(directory: Path, secret: str, key: str) -> dict[str, str]:
    """Nothing of the caller's settings: they are of another hub."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    settings = {
        "HOST": "127.0.0.1",
        "PORT": "0",
        "ADMIN_PORT": "0",
        "DATA_DIR": str(directory / "data"),
        "LOG_LEVEL": "warning",
        "LOAD_ROUTE": "true",
        "AUTH__SECRET": secret,
        "AUTH__KEYS": json.dumps({KID: key}),
        "AUTH__SIGNING_KID": KID,
    }
    (directory / "data").mkdir()
    tree = str(Path(fast_sse.__file__).parents[1])
    path = os.pathsep.join(filter(None, [tree, kept.get("PYTHONPATH", "")]))
    return kept | {"PYTHONPATH": path} | {f"{PREFIX}{name}": value for name, value in settings.items()}


def _public(process: subprocess.Popen[str], log: Path) -> str:
    """HOST:PORT of the ready line."""
    assert process.stdout
    watchdog = threading.Timer(READY_S_MAX, process.kill)
    watchdog.start()
    try:
        for line in process.stdout:
            if line.startswith("ready "):
                return dict(word.split("=", 1) for word in line.split()[1:])["public"]
    finally:
        watchdog.cancel()
        watchdog.join()
    said = " / ".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])
    raise UnavailableError(f"the bench's own hub did not start: {said}")


def _stop(process: subprocess.Popen[str]) -> None:
    """A second SIGTERM ends a drain at once: no client is left."""
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
        process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S_MAX if number == signal.SIGKILL else 1.0)
            break
    else:
        process.wait()
    if process.stdout:
        process.stdout.close()
