"""Broken on purpose: what waits for a flush is sent newest first."""

from __future__ import annotations

from fast_sse.cli.main import app_main
from fast_sse.hub.live_set import LiveSet
from fast_sse.hub.tail import Entry

queue = LiveSet.queue


def queue_in_front(self: LiveSet, entry: Entry) -> int:
    """`LiveSet.queue` at the wrong end."""
    size = queue(self, entry)
    self.pending.insert(0, self.pending.pop())
    return size


if __name__ == "__main__":
    LiveSet.queue = queue_in_front  # type: ignore[method-assign]
    app_main()
