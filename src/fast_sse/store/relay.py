"""From the commits of this process to its followers: a bounded window of recent groups, and the store behind it.

A follower that keeps up is handed each committed group as it is, by one wake-up. One that lags behind the
window is served from the store, page by page, until it is inside again. Nothing polls, and a slow follower
costs the others nothing. The window moves only after a commit returned (Mercure once advanced inside the
transaction, and delivered what was then rolled back).

A store whose log lives elsewhere may learn that what its followers heard is not in the log any more: it restarts
the window, and every follower asks the store again whether its place still stands.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

from fast_sse.model.channel import Channel, Filter
from fast_sse.model.cursor import Cursor, Position
from fast_sse.model.errors import StoreClosedError, UnavailableError
from fast_sse.model.message import Record
from fast_sse.store.base import OvertakenError, Page
from fast_sse.store.record import OVERHEAD_BYTES

#: Records and bytes of the window. The hub keeps its own encoded tail: this one only bridges a few turns of the loop.
WINDOW_RECORDS_MAX = 8192
WINDOW_BYTES_MAX = 8 << 20
#: One page of the store for a follower that lags behind the window.
PAGE_RECORDS_MAX = 512
PAGE_BYTES_MAX = 1 << 20
_EVERYTHING = Filter.of(Channel("*", "*"))

#: `Store.read`.
ReadPage = Callable[[Filter, Cursor, int, int], Awaitable[Page]]


class Relay:
    """The recent groups of one store. Lives on the event loop's thread."""

    def __init__(
        self,
        position: Position,
        records_max: int = WINDOW_RECORDS_MAX,
        bytes_max: int = WINDOW_BYTES_MAX,
    ) -> None:
        self._records_max = records_max
        self._bytes_max = bytes_max
        self._groups: deque[tuple[list[Record], int]] = deque()
        self._first = 0  # the running number of the oldest group kept
        self._records = 0
        self._bytes = 0
        #: Every record after it is in the window.
        self._floor = position
        self._waiting: list[asyncio.Future[None]] = []
        self._restarts = 0
        self._problem = ""
        self._closed = False

    def push(self, records: list[Record]) -> None:
        """Hand on one committed group, ascending and never empty."""
        weight = sum([len(r.data) + len(r.headers) + len(r.meta) + OVERHEAD_BYTES for r in records])
        self._groups.append((records, weight))
        self._records += len(records)
        self._bytes += weight
        while self._records > self._records_max or self._bytes > self._bytes_max:
            old, weight = self._groups.popleft()
            self._first += 1
            self._records -= len(old)
            self._bytes -= weight
            self._floor = old[-1].position
        self._wake_all()

    def restart(self, position: Position) -> None:
        """Forget the window: what comes next follows `position`, and every follower looks into the store first."""
        self._restarts += 1
        self._first += len(self._groups)
        self._groups.clear()
        self._records = self._bytes = 0
        self._floor = position
        self._wake_all()

    def fail(self, problem: str) -> None:
        """Nothing can be handed on for now: followers get UnavailableError until `heal`."""
        self._problem = problem
        self._wake_all()

    def heal(self) -> None:
        """Groups come again; the window is as good as before."""
        self._problem = ""

    def close(self) -> None:
        """End every follower with StoreClosedError."""
        self._closed = True
        self._wake_all()

    async def follow(self, after: Cursor, read: ReadPage) -> AsyncIterator[list[Record]]:
        """Every record after a cursor, in groups. See `Store.follow`; `read` is the store's own."""
        # A place may be older than the last restart: once there was one, a follower that begins looks into the store, too.
        place, number, restarts = after, -1, 0
        while not self._closed:
            if self._problem:
                raise UnavailableError(self._problem)
            if place.position < self._floor or restarts != self._restarts:
                restarts = self._restarts
                try:
                    page = await read(_EVERYTHING, place, PAGE_RECORDS_MAX, PAGE_BYTES_MAX)
                except UnavailableError as error:
                    if self._is_closed():  # closing cuts what is under way
                        raise StoreClosedError("the store is closed") from error
                    raise
                if page.gap is not None:
                    raise OvertakenError(page.gap)
                place = page.through
                if page.records:
                    yield page.records
            elif (number := self._next_group(number, place.position)) < self._first + len(self._groups):
                group = self._groups[number - self._first][0]
                number += 1
                passed, last = place.position, group[-1]
                fresh = group if group[0].position > passed else [r for r in group if r.position > passed]
                if last.position > passed:
                    place = place.at(last.position, last.fingerprint)
                if fresh:
                    yield fresh
            else:
                await self._changed()
        raise StoreClosedError("the store is closed")

    def _is_closed(self) -> bool:
        return self._closed

    def _next_group(self, number: int, place: Position) -> int:
        """The running number of the first group with records after `place`, given a guess."""
        if number >= self._first:
            return number
        number = self._first + len(self._groups)
        for group, _ in reversed(self._groups):
            if group[-1].position <= place:
                break
            number -= 1
        return number

    async def _changed(self) -> None:
        own = (
            asyncio.get_running_loop().create_future()
        )  # of its own: cancelling one follower must not cancel another
        self._waiting.append(own)
        await own

    def _wake_all(self) -> None:
        if self._waiting:
            woken, self._waiting = self._waiting, []
            for one in woken:
                if not one.done():
                    one.set_result(None)
