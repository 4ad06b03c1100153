"""A demo in a process of its own, with the secret that the tests sign with."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from pathlib import Path

from tests.support.publisher import Pair, subscribe_target
from tests.support.server import READY, START_S, UNSET, Hub
from tests.support.sign import SECRET, v1

#: The first channel that the page offers.
CART: Pair = ("carid000001", "cart_changed")
#: A document of the demo's origin that runs nothing.
BLANK = "/demo.css"


class Demo(Hub):
    """`fast-sse demo`: it keeps its log, and its port where one is chosen, over restarts."""

    def __init__(self, directory: Path, *, port: int | None = None) -> None:
        # The demo makes its own settings; these would only be overruled.
        unset = {"FAST_SSE_AUTH__SECRET": UNSET, "FAST_SSE_AUTH__KEYS": UNSET, "FAST_SSE_ADMIN_PORT": UNSET}
        super().__init__(directory, settings={**unset, "FAST_SSE_DRAIN_S": "0.2"}, port=port)
        self.data = directory / "data"
        self.data.mkdir(mode=0o700)
        (self.data / "secret").write_text(SECRET)
        self._command = [
            *(sys.executable, "-m", "fast_sse", "demo", "--port", str(self.public[1])),
            *("--admin-port", "0", "--data-dir", str(self.data)),
        ]

    def _wait_for_ready(self, process: subprocess.Popen[str]) -> re.Match[str]:
        """The demo says much at once, its ready line last: lines that Python has read are no news to `select`."""
        assert process.stdout is not None
        lines: list[str] = []
        late = threading.Timer(START_S, process.kill)
        late.start()
        try:
            for line in process.stdout:
                if found := READY.match(line.strip()):
                    return found
                lines.append(line)
        finally:
            late.cancel()
        raise RuntimeError(
            f"the demo was not ready; exit {self.wait()}\n{''.join(lines)}{self.tail_of_log()}"
        )

    @property
    def origin(self) -> str:
        """What a browser calls it."""
        return f"http://{self.public[0]}:{self.public[1]}"


def stream_target(channel: Pair) -> str:
    """Path and query that a browser's EventSource can open, since it sends no headers of ours."""
    return f"{subscribe_target(channel)}?signature={v1(*channel)}"
