"""One timer wheel for all streams: heartbeats, and deadlines of peers that stand still.

Each stream sits in a random slot (that is the jitter) and is visited once a revolution. The wheel is also the
registry of open streams.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from fast_sse.model.limits import Limits

#: Streams of one slot are visited in one go: with many slots, 100,000 streams are some hundreds at a time.
SLOTS_MAX = 256
#: Seconds a turn takes at least: uvloop's timers count in milliseconds, and a delay that rounds to 0 never rests.
TURN_S_MIN = 0.005


class Visited(Protocol):
    """What sits on the wheel. `slot` is the wheel's to write, -1 before and after."""

    slot: int

    def visit(self, now_s: float) -> None:
        """The wheel has come round to it."""

    def give_up(self, error: Exception) -> None:
        """A defect of ours in `visit` ends it."""


V = TypeVar("V", bound=Visited)


class Wheel(Generic[V]):
    """All open streams of this node, by slot.

    Attributes:
        period_s: of a revolution.
        emptied: set while nothing sits on the wheel.
    """

    def __init__(self, limits: Limits, loop: asyncio.AbstractEventLoop, rng: random.Random) -> None:
        # A stream is visited often enough to be cut near its deadline, too.
        self.period_s = min(limits.heartbeat_s, limits.stall_s / 2)
        slots = max(1, min(SLOTS_MAX, int(self.period_s / TURN_S_MIN)))
        self._turn_s = self.period_s / slots
        self._loop = loop
        self._rng = rng
        self._slots: list[set[V]] = [set() for _ in range(slots)]
        self._count = 0
        self._hand = 0
        self._timer: asyncio.TimerHandle | None = None
        self.emptied = asyncio.Event()
        self.emptied.set()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[V]:
        for slot in self._slots:
            yield from list(slot)

    def add(self, visited: V) -> None:
        """Take in a new stream."""
        visited.slot = int(self._rng.random() * len(self._slots))
        self._slots[visited.slot].add(visited)
        if not self._count:
            self.emptied.clear()
        self._count += 1

    def remove(self, visited: V) -> None:
        """Let a stream go whose transport is gone."""
        if visited.slot >= 0:
            self._slots[visited.slot].discard(visited)
            visited.slot = -1
            self._count -= 1
            if not self._count:
                self.emptied.set()

    def start(self) -> None:
        """Begin to turn."""
        self._timer = self._loop.call_later(self._turn_s, self.turn)

    def stop(self) -> None:
        """Turn no more."""
        if self._timer is not None:
            self._timer.cancel()

    def turn(self) -> None:
        """Visit one slot and go on to the next."""
        self.start()
        slot = self._slots[self._hand]
        self._hand = (self._hand + 1) % len(self._slots)
        now_s = self._loop.time()
        for visited in list(slot):
            try:
                visited.visit(now_s)
            except Exception as error:  # noqa: BLE001  the next in its slot would go without heartbeats and deadlines
                visited.give_up(error)
