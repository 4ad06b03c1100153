"""Streams that come keep the loop only for a while at a time, however many come at once.

A stream that joins is written what it lacks, and its own pages are encoded and compressed for it: up to some milliseconds
of work. A thousand clients that reconnect together would stop everything else for seconds. So the first of them go on at
once. When they have used up their share of a turn of the loop, the others wait in line for the next turns.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

#: Of one turn, what streams that come may use before the next one has to wait. Each may take one page longer.
SHARE_S = 0.005
#: So many of those who wait are woken for one turn.
_WOKEN_MAX = 16


class Pace:
    """The line of one node."""

    __slots__ = ("_again", "_clock", "_loop", "_until_s", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float]) -> None:
        self._loop = loop
        self._clock = clock
        #: When the share of this turn is used up; None before anybody has asked.
        self._until_s: float | None = None
        self._waiting: deque[asyncio.Future[None]] = deque()
        #: Those who were woken and found the turn used up.
        self._again: list[asyncio.Future[None]] = []

    @property
    def used_up(self) -> bool:
        """Whether the share of this turn is used up. It starts with the first question."""
        now_s = self._clock()
        if self._until_s is None:
            self._begin(now_s)
            return False
        return now_s >= self._until_s

    @property
    def busy(self) -> bool:
        """Whether whoever comes now has to stand in line."""
        return self.used_up or bool(self._waiting or self._again)

    async def turn(self) -> None:
        """Wait for a turn that is not used up, behind those who wait already."""
        if not self.busy:
            return
        await self._stand(self._waiting)
        while self.used_up:
            await self._stand(self._again)

    async def _stand(self, line: deque[asyncio.Future[None]] | list[asyncio.Future[None]]) -> None:
        mine = self._loop.create_future()
        line.append(mine)
        await mine

    def _begin(self, now_s: float) -> None:
        self._until_s = now_s + SHARE_S
        self._loop.call_soon(self._next)

    def _next(self) -> None:
        """A new turn of the loop: wake the first of the line."""
        self._until_s = None
        self._waiting.extendleft(reversed(self._again))
        self._again.clear()
        woken = 0
        while self._waiting and woken < _WOKEN_MAX:
            mine = self._waiting.popleft()
            if not mine.done():  # its stream may have ended
                mine.set_result(None)
                woken += 1
        if woken:
            self._begin(self._clock())
