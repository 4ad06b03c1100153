"""Which keys count when there are too many: of all that the topic names, the `keys_max` that end last.

That is a rule over the topic alone, and it must be: the nodes read in pages of other sizes and clear away at other
times, and where one knew a key and another did not, one log would be two. A key counts while fewer than `keys_max`
others end later (among equals the digest decides), whether or not those below it have been cleared away already. So
the view may hold more, forgets from below when it has time, and here is said where the bound lies after each entry.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush

#: When a key ends and its digest: keys are cut in this order.
Rank = tuple[int, bytes]


class Bound:
    """Moves along with the keys that some entries set."""

    def __init__(self, lowest: Iterable[Rank], excess: int) -> None:
        """`lowest`: as many of the stored keys, from below, as may be cut here. `excess`: stored keys above the bound."""
        self._lowest = list(lowest)
        heapify(self._lowest)
        self._excess = excess
        self._replaced: set[Rank] = set()
        #: The last key that was cut: it and what ends before it do not count.
        self.floor: Rank | None = None
        self._cut()

    def add(self, rank: Rank, instead_of: Rank | None) -> None:
        """One more key, or one given anew after its end or its cut."""
        if instead_of is None:
            self._excess += 1
        elif self.cuts(instead_of):
            self._excess += 1  # it had been counted as cut
        else:
            self._replaced.add(instead_of)
        heappush(self._lowest, rank)
        self._cut()

    def cuts(self, rank: Rank) -> bool:
        """Whether this key does not count any more."""
        return self.floor is not None and rank <= self.floor

    def _cut(self) -> None:
        while self._excess > 0:
            lowest = heappop(self._lowest)
            if lowest in self._replaced:
                self._replaced.remove(lowest)
            else:
                self.floor = max(self.floor or lowest, lowest)  # what ends before it is cut as it comes
                self._excess -= 1
