"""Lines on a descriptor that another process reads: written by a thread, so that the loop never waits for that reader.

Standard error is often a pipe. Its reader may stop: a write then blocks for ever. It may go away: a write then raises.
A file may be on a full disk. None of that is a reason for the hub to stand still or to end, so lines are left here for
the thread. What cannot be written is dropped and counted, and one line says so once writing works again.

The descriptor stays blocking. O_NONBLOCK would hold for everybody who shares it, the parent's shell included.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

from fast_sse.observe.metrics import Sample

#: Bytes of lines that wait for a reader who is slow; a burst at the start and a traceback fit many times.
PENDING_BYTES_MAX = 4 << 20
#: How long the end of a process waits for its last lines to be taken.
CLOSE_S = 1.0


class Lines:
    """A file for `write` and `flush` that never blocks and never raises.

    Args:
        descriptor: where the lines go; None drops them all (the process was started without one).
        notice: makes the line that says how many were dropped.
        bytes_max: what may wait.
    """

    def __init__(
        self,
        descriptor: int | None,
        notice: Callable[[int], str] = lambda dropped: f"{dropped} lines were dropped\n",
        bytes_max: int = PENDING_BYTES_MAX,
    ) -> None:
        self._descriptor = descriptor
        self.notice = notice
        self._bytes_max = bytes_max
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._closing = False
        #: Lines dropped since the start; and of those, how many no notice has named yet.
        self.dropped = self._unnamed = 0
        self._torn = False
        self._thread: threading.Thread | None = None

    def write(self, text: str) -> int:
        """Leave a line to be written, or drop it when too much waits. Any thread."""
        line = text.encode("utf-8", "replace")
        with self._changed:
            if self._descriptor is None or self._closing or self._bytes + len(line) > self._bytes_max:
                self._drop()
                return len(text)
            self._waiting.append(line)
            self._bytes += len(line)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="fast-sse-lines", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return len(text)

    def flush(self) -> None:
        """Nothing to do: the thread is at it."""

    def close(self, within_s: float = CLOSE_S) -> None:
        """Take no more lines and give the reader this long for those that wait; the rest is dropped."""
        self.drain(within_s)
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def drain(self, within_s: float) -> bool:
        """Wait until everything is written, at most so long; whether it is."""
        deadline_s = time.monotonic() + within_s
        with self._changed:
            return self._changed.wait_for(lambda: not self._bytes, max(0.0, deadline_s - time.monotonic()))

    def samples(self) -> Iterator[Sample]:
        """What was dropped."""
        text = "Log lines dropped, because their reader was slow or gone, or the disk was full."
        yield Sample("log_lines_dropped_total", "counter", text, self.dropped)

    def _drop(self) -> None:
        self.dropped += 1
        self._unnamed += 1

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting:
                    return
                line = self._waiting.popleft()
                unnamed, self._unnamed = self._unnamed, 0
            # Lines that were dropped meanwhile come after this one; those before it are named first.
            named = not unnamed or self._put(self.notice(unnamed).encode("utf-8", "replace"))
            written = self._put(line)
            with self._changed:
                if not named:
                    self._unnamed += unnamed
                if not written:
                    self._drop()
                self._bytes -= len(line)
                self._changed.notify_all()

    def _put(self, line: bytes) -> bool:
        """Write a whole line; False when it cannot be. A line that was torn before is ended first."""
        assert self._descriptor is not None
        rest = b"\n" + line if self._torn else line
        with contextlib.suppress(OSError, ValueError):
            while rest:
                written = os.write(self._descriptor, rest)
                self._torn = not rest[:written].endswith(b"\n")
                rest = rest[written:]
        return not rest
