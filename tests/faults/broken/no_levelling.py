"""Broken on purpose: a joiner is one of its live set at once, without what the others already have."""

from __future__ import annotations

from fast_sse.cli.main import app_main
from fast_sse.hub.live_set import LiveSet
from fast_sse.hub.outgoing import LIVE
from fast_sse.hub.subscriber import Subscriber


def join(self: Subscriber, live_set: LiveSet) -> None:
    """`Subscriber._join` without its first half."""
    level = self.ground.fanout.level_of(live_set)
    self.cursor = level
    self.advance(level)
    self.state = LIVE
    self.live_set = live_set
    live_set.add(self)


if __name__ == "__main__":
    Subscriber._join = join  # type: ignore[method-assign]
    app_main()
