"""What time it is by a store on another machine, between the moments at which it said so.

Ages and lifetimes are the store's (guarantees, "ages are store time"): two nodes whose clocks differ must not disagree
about which message has expired. What the store said is carried on by this machine's monotonic clock, which is never
set, so that a step of the wall clock changes nothing either.
"""

from __future__ import annotations

import time
from collections.abc import Callable


def wall_ms() -> int:
    """The opinion of this machine's own clock, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class StoreClock:
    """Milliseconds since 1970 by the store; until it was heard, by this machine."""

    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._monotonic_s = monotonic_s
        self._ahead_ms: float | None = None

    def heard(self, store_ms: float) -> None:
        """The store just said what time it is: late by the way of the answer, and never early."""
        self._ahead_ms = store_ms - self._monotonic_s() * 1000

    def now_ms(self) -> int:
        """The time by the store."""
        return wall_ms() if self._ahead_ms is None else int(self._ahead_ms + self._monotonic_s() * 1000)
