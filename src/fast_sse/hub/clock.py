"""`send_time`: the server's local time as the original writes it, `%Y-%m-%d %H:%M:%S.mmm`."""

from __future__ import annotations

import time


class SendTime:
    """Formats wall-clock seconds; the part above the milliseconds is formatted once a second."""

    __slots__ = ("_second", "_text")

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def text(self, now: float) -> str:
        """The local time of `now` (seconds since the epoch)."""
        second, ms = divmod(int(now * 1000), 1000)
        if second != self._second:
            self._second = second
            self._text = time.strftime("%Y-%m-%d %H:%M:%S.", time.localtime(second))
        return f"{self._text}{ms:03d}"
