"""The hub under a wall clock that a test sets: run as a module, it is the hub, and its clock is off by what a file says.

`time.time` and `time.time_ns` alone are moved: nobody sets the other clocks of a machine.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from pathlib import Path

from fast_sse.cli.main import app_main

#: Names the file that holds seconds, a double.
OFFSET_FILE = "STEPPED_OFFSET_FILE"
_SECONDS = struct.Struct("<d")


class Offset:
    """Seconds that the hub's wall clock is off by, now."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.path = str(path)
        path.write_bytes(_SECONDS.pack(0.0))

    def step(self, seconds: float) -> None:
        """Set the clock."""
        with self._path.open("r+b") as file:
            file.write(_SECONDS.pack(seconds))


def install() -> None:
    """From now on the wall clock of this process is off."""
    with Path(os.environ[OFFSET_FILE]).open("rb") as shared:
        off = mmap.mmap(shared.fileno(), _SECONDS.size, prot=mmap.PROT_READ)
    real_time, real_time_ns = time.time, time.time_ns
    time.time = lambda: real_time() + _SECONDS.unpack(off)[0]
    time.time_ns = lambda: real_time_ns() + int(_SECONDS.unpack(off)[0] * 1e9)


if __name__ == "__main__":
    install()
    app_main()
