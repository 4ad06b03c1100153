"""`send_time`: the server's local time as the original writes it, `%Y-%m-%d %H:%M:%S.mmm`."""

from __future__ import annotations

import time


class SendTime:
    """Formats wall-clock seconds: once a millisecond, and the part above the milliseconds once a second."""

    __slots__ = ("_full", "_ms", "_second", "_text")

    def __init__(self) -> None:
        self._second = -1
        self._text = ""
        self._ms = -1
        self._full = ""

    def text(self, now: float) -> str:
        """The local time of `now` (seconds since the epoch)."""
        at_ms = int(now * 1000)
        if at_ms == self._ms:
            return self._full
        self._ms = at_ms
        second, ms = divmod(at_ms, 1000)
        if second != self._second:
            self._second = second
            self._text = time.strftime("%Y-%m-%d %H:%M:%S.", time.localtime(second))
        self._full = f"{self._text}{ms:03d}"
        return self._full
