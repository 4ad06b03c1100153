"""The places that this node has read, as far back as a lost tail may begin.

After a failover to a replica that lagged, the log is a shorter history with other entries behind it. Only a node that
remembers what it read can say how far the two are the same. What is lost is a tail, so two questions with samples of the
places find the end of the common part.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

#: More than one log carries in two seconds, which is what `appendfsync everysec` may lose.
LENGTH_MAX = 65_536
#: Places of one question.
_SAMPLE = 256

#: Asked with ascending places: how many of them, from the first on, are still in the log.
Stands = Callable[[list[str]], Awaitable[int]]


class Trail:
    """Places `<ms>-<n>-<fp>`, ascending; the oldest are forgotten."""

    def __init__(self, length_max: int = LENGTH_MAX) -> None:
        self._places: deque[str] = deque(maxlen=length_max)

    def add(self, places: list[str]) -> None:
        """Remember places that were read, behind all earlier ones."""
        self._places.extend(places)

    def go_back_to(self, place: str) -> None:
        """Forget what was read after a place. If the place is not remembered, only the place itself stays."""
        while self._places and self._places[-1] != place:
            self._places.pop()
        if not self._places:
            self._places.append(place)

    async def last_common(self, stands: Stands) -> str | None:
        """The last place that is still in the log, None when not even the first is."""
        places = list(self._places)
        step = max(1, -(-len(places) // _SAMPLE))
        coarse = places[::step]
        found = await stands(coarse)
        if found <= 0:
            return None
        first = (found - 1) * step
        fine = places[first : first + step]
        return fine[max(1, await stands(fine)) - 1]
