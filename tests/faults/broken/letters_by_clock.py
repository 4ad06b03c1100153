"""Broken on purpose: the grace of a message runs from its time in the log, by the wall clock."""

from __future__ import annotations

import time
from typing import Any

from tests.faults.letters.conducted import serve

from fast_sse.hub.handover import Handover
from fast_sse.hub.waiting import Wait

sweep = Handover.sweep


def by_its_time(self: Handover) -> bool:
    """As it is, but for when a message began to wait."""
    fresh = {entry.position: entry.record for entry in self._tail.first_after(self.swept, 1 << 20)}
    found = sweep(self)
    for place, record in fresh.items():
        if place in self.waiting.newer:
            self.waiting.newer[place] = Wait(record.time_ms / 1000, record.fingerprint)
    return found


def ignored(_self: Any, _lived_s: float) -> None:
    """The wall clock goes by itself."""


if __name__ == "__main__":
    Handover.sweep = by_its_time  # type: ignore[method-assign]
    Handover.lived_s = property(lambda _self: time.time(), ignored)  # type: ignore[assignment]
    serve()
