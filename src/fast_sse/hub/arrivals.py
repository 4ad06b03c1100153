"""How long a message takes from its publish to the first sockets: the one number that says how live the hub is.

It is counted once for each record, in the flush that writes it first, and never for a delivery. A publish that this node
answered is measured from its arrival at the hub. Of other records, which another node stored or whose answer came after
them, this node knows only the time that the store gave them, in its milliseconds and by its clock: they are counted apart.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from fast_sse.hub.tail import Entry
from fast_sse.model.cursor import Position
from fast_sse.observe.metrics import Histogram, Sample, distribution

#: Arrivals that are remembered while no flush has taken them, up to twice: most of them have no subscriber here.
UNTAKEN_MAX = 8192


class Arrivals:
    """When publishes arrived that no flush of this node has written yet."""

    def __init__(self, now_ms: Callable[[], int], clock: Callable[[], float] = time.monotonic) -> None:
        """`now_ms`: the store's time. `clock`: seconds, finer than the loop's own time, which uvloop counts in milliseconds."""
        self.clock = clock
        self._now_ms = now_ms
        self._since = {"arrival": Histogram(), "stored": Histogram()}
        #: By position. Of two generations the older one is dropped whole.
        self._young: dict[Position, float] = {}
        self._old: dict[Position, float] = {}

    def note(self, position: Position, arrived_s: float) -> None:
        """The store has this record; its publish had arrived then (`clock`)."""
        if len(self._young) >= UNTAKEN_MAX:
            self._old, self._young = self._young, {}
        self._young[position] = arrived_s

    def flushed(self, entries: Sequence[Entry], sockets: int) -> None:
        """A live set wrote these to so many sockets, and counted that on them; those written before are not counted again."""
        first = [entry for entry in entries if entry.written == sockets]
        if not first:
            return
        now_s, young, old = self.clock(), self._young, self._old
        for entry in first:
            arrived_s = young.pop(entry.position, None) or old.pop(entry.position, None)
            if arrived_s is not None:
                self._since["arrival"].observe(now_s - arrived_s)
            else:
                waited_ms = self._now_ms() - entry.record.time_ms
                self._since["stored"].observe(max(0, waited_ms) / 1000)

    def samples(self) -> Iterator[Sample]:
        """How long it took."""
        text = "From a publish to the flush that first wrote it to sockets of this node."
        yield from distribution("publish_flushed_seconds", text, "since", self._since)
