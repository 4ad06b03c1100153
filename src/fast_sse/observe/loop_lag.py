"""How late the event loop is: everything that a hub does waits for its turn on this one loop.

One timer asks to be called and looks by how much that came too late. While the loop is held by something long, so are
deliveries, answers and probes; nothing else that is counted shows it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

from fast_sse.observe.metrics import Histogram, Sample

#: Seconds between two looks: whatever holds the loop for longer is always seen, what is shorter as often as it happens.
LOOK_S = 0.25


class LoopLag:
    """The lateness of one loop. `start` it on that loop, `stop` it there."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds, finer than a loop's own time, which uvloop counts in milliseconds."""
        self._clock = clock
        self._lateness = Histogram()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Look from now on."""
        if self._timer is None:
            self._wait(asyncio.get_running_loop())

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(LOOK_S, self._look, loop, self._clock() + LOOK_S)

    def _look(self, loop: asyncio.AbstractEventLoop, due_s: float) -> None:
        self._lateness.observe(max(0.0, self._clock() - due_s))
        self._wait(loop)

    def samples(self) -> Iterator[Sample]:
        """How late it was."""
        text = "By how much a timer of the event loop came too late; looked at four times a second."
        yield self._lateness.sample("loop_lag_seconds", text)
