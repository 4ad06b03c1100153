"""What waits on this node for a hand-over or a decision, in log order, each with the moment at which it is due.

What was there when the node began is kept apart from what it took from the log since: all of it is older, but while it is
loaded page by page it is due later than what came meanwhile. So neither holds the other up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, KeysView
from itertools import islice, takewhile

import msgspec

from fast_sse.model.cursor import Position


class Wait(msgspec.Struct, frozen=True, gc=False):
    """Since when a record waits, by the clock of `Handover.lived_s`, what says that it is still the same record, and how large
    it is (in whole KiB, since small numbers take no memory).
    """

    since_s: float
    fingerprint: str = ""
    kib: int = 0


class Waiting:
    """Records that are not settled, at most `records_max` of them: the newest. `dropped` counts what was let go, by why."""

    def __init__(self, records_max: int = 0) -> None:
        self.records_max = records_max
        self.dropped = {"overflow": 0, "trimmed": 0}
        #: What other parts may add to and remove from, in log order: of the log before this node began, and since.
        self.older: dict[Position, Wait] = {}
        self.newer: dict[Position, Wait] = {}

    def __len__(self) -> int:
        return len(self.older) + len(self.newer)

    def __contains__(self, position: Position) -> bool:
        return position in self.newer or position in self.older

    @property
    def places(self) -> tuple[KeysView[Position], KeysView[Position]]:
        """Where they stand in the log."""
        return self.older.keys(), self.newer.keys()

    def settle(self, position: Position) -> bool:
        """It waits no more; whether it did."""
        return (self.newer.pop(position, None) or self.older.pop(position, None)) is not None

    @property
    def first(self) -> Position | None:
        """The oldest one, None when none waits."""
        return next(iter(self.older), None) or next(iter(self.newer), None)

    @property
    def since_s(self) -> float | None:
        """Since when the one that waits longest does."""
        firsts = [next(iter(part.values())) for part in self._parts if part]
        return min(wait.since_s for wait in firsts) if firsts else None

    def is_due(self, since_s: float) -> bool:
        """Whether anything waits since then or longer."""
        first_s = self.since_s
        return first_s is not None and first_s <= since_s

    def take_due(self, since_s: float, count: int, kib_max: int) -> dict[Position, Wait]:
        """Remove what waits since then or longer, at most so many and so many KiB (or one larger), the oldest first."""
        found: dict[Position, Wait] = {}
        kib = 0
        for part in self._parts:
            some: dict[Position, Wait] = {}
            for place, wait in part.items():
                taken = len(found) + len(some)
                if wait.since_s > since_s or taken == count or (taken and kib + wait.kib > kib_max):
                    break
                some[place] = wait
                kib += wait.kib
            for place in some:
                del part[place]
            found |= some
        return found

    def put_back(self, some: dict[Position, Wait], origin: Position) -> None:
        """What was taken waits again, as before. `origin`: where this node began to follow the log."""
        self.older = {place: wait for place, wait in some.items() if place <= origin} | self.older
        self.newer = {place: wait for place, wait in some.items() if place > origin} | self.newer

    def let_go(self) -> int:
        """Keep only the newest `records_max`; how many were let go, the oldest."""
        excess = max(0, len(self) - self.records_max)
        self.dropped["overflow"] += excess
        rest = excess
        for part in self._parts:
            rest -= _remove(part, islice(part, rest))
        return excess

    def trimmed(self, mark: Position) -> int:
        """What is at or below the mark is gone from the log; how many those were."""
        gone = sum(_remove(part, takewhile(_up_to(mark), part)) for part in self._parts)
        self.dropped["trimmed"] += gone
        return gone

    def clear(self) -> None:
        """Forget them all, uncounted."""
        for part in self._parts:
            part.clear()

    @property
    def _parts(self) -> tuple[dict[Position, Wait], dict[Position, Wait]]:
        return self.older, self.newer


def _up_to(mark: Position) -> Callable[[Position], bool]:
    return lambda position: position <= mark


def _remove(part: dict[Position, Wait], positions: Iterable[Position]) -> int:
    some = list(positions)
    for position in some:
        del part[position]
    return len(some)
