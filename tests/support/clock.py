"""A clock that stands still until a test moves it."""

from __future__ import annotations


class ManualClock:
    """Called for the time in seconds, like `time.monotonic`."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
