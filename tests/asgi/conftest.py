"""Programs that a test starts and that say when they are ready."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.http1 import Address
from tests.support.sign import KEY, SECRET

ROOT = Path(__file__).parent.parent.parent
_READY = re.compile(r"unning on https?://(127\.0\.0\.1):(\d+)")

SETTINGS = {
    "FAST_SSE_STORE": "memory",
    "FAST_SSE_AUTH__SECRET": SECRET,
    "FAST_SSE_AUTH__KEYS": f'{{"shop": "{KEY}"}}',
    "FAST_SSE_LIMITS__RETRY_MS": "40",
    "SHOP_KEY": KEY,
    "SHOP_METRICS_KEY": "for-prometheus-only",
}

Serve = Callable[..., "Served"]


class Served:
    """A server program: where it accepts, and everything it said."""

    def __init__(self, command: list[str], settings: dict[str, str]) -> None:
        self.said: list[str] = []
        self.process = subprocess.Popen(
            [str(Path(sys.executable).parent / command[0]), *command[1:]],
            cwd=ROOT,
            env={**os.environ, **SETTINGS, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.address: Address = self._until_ready()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _until_ready(self) -> Address:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            if found := _READY.search(line):
                return found[1], int(found[2])
        self.process.stdout.close()
        self.process.wait(20)
        raise RuntimeError("".join(self.said))

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            self.said.extend(self.process.stdout)

    def stop(self) -> str:
        """SIGTERM, wait for the end, and return all that was said."""
        self.process.terminate()
        self.process.wait(20)
        self._reader.join()
        return "".join(self.said)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """`serve(program, arguments..., setting=...)` starts a server of this environment; all are stopped later."""
    started: list[Served] = []

    def start(*command: str, **settings: str) -> Served:
        started.append(Served(list(command), settings))
        return started[-1]

    yield start
    for served in started:
        if served.process.poll() is None:
            served.stop()
