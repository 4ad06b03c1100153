"""Any store, but its answers take turns of the loop, and one can wait until it has nothing left to answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from itertools import cycle
from typing import Any, TypeVar, cast

from tests.hub.loops import manual

from fast_sse.model.channel import Channel, Filter
from fast_sse.model.cursor import Cursor, Position
from fast_sse.model.letter import Letter, Poison
from fast_sse.model.message import Draft, Record
from fast_sse.store.base import Appended, Bounds, Outcome, Page, Store
from fast_sse.store.letters import Begun, LetterPage, Letters, Settled, Turn, Wanted

T = TypeVar("T")


class LaggingLetters(Letters):
    """The letters of that store, as late as the rest of it."""

    def __init__(self, store: LaggingStore, inner: Letters) -> None:
        self._store = store
        self._inner = inner
        self.shared = inner.shared

    async def begin(self, node: str, start: str) -> Begun:
        return await self._store.late(lambda: self._inner.begin(node, start))

    async def settle(self, turn: Turn) -> Settled:
        return await self._store.late(lambda: self._inner.settle(turn))

    async def keep(self, poison: Poison) -> bool:
        return await self._store.late(lambda: self._inner.keep(poison))

    async def list(self, wanted: Wanted, after: str, count: int) -> LetterPage:
        return await self._store.late(lambda: self._inner.list(wanted, after, count))

    async def get(self, letter_id: str) -> Letter | None:
        return await self._store.late(lambda: self._inner.get(letter_id))

    async def drop(self, ids: Sequence[str]) -> int:
        return await self._store.late(lambda: self._inner.drop(ids))

    async def erase(self, target: Channel) -> int:
        return await self._store.late(lambda: self._inner.erase(target))


class LaggingStore(Store):
    """Delegates everything; the n-th answer comes `lags[n]` turns late, so that tasks interleave."""

    def __init__(self, inner: Store, lags: Sequence[int] = (0, 3, 1, 5, 0, 2)) -> None:
        self.inner = inner
        self.kind, self.durability = inner.kind, inner.durability
        self._lags = cycle(lags)
        self._unanswered = 0
        self._acknowledged: Position = 0
        self._changed = asyncio.Event()
        self._letters = LaggingLetters(self, inner.letters)

    async def quiet(self, fanout: Any) -> None:
        """Run until the store has answered everything and the follower has taken everything."""
        while True:
            await manual().idle()
            if fanout.full:
                await manual().elapse(0.001)  # the follower waits for a flush, and that for the clock
            elif self._unanswered or fanout.level.position < self._acknowledged:
                self._changed.clear()
                await self._changed.wait()
            else:
                return

    async def late(self, answer: Callable[[], Awaitable[T]]) -> T:
        self._unanswered += 1
        try:
            for _ in range(next(self._lags)):
                await asyncio.sleep(0)
            return await answer()
        finally:
            self._unanswered -= 1
            self._changed.set()

    @property
    def keys_cut(self) -> int:
        return self.inner.keys_cut

    @property
    def letters(self) -> Letters:
        return self._letters

    async def open(self) -> None:
        await self.inner.open()

    async def close(self) -> None:
        await self.inner.close()

    def append(self, drafts: Sequence[Draft]) -> asyncio.Future[list[Outcome]]:
        future = self.inner.append(drafts)
        self._unanswered += 1
        future.add_done_callback(self._appended)
        return future

    def _appended(self, future: asyncio.Future[list[Outcome]]) -> None:
        self._unanswered -= 1
        self._changed.set()
        for outcome in future.result():
            if isinstance(outcome, Appended):
                self._acknowledged = max(self._acknowledged, outcome.cursor.position)

    async def read(self, wanted: Filter, after: Cursor, records_max: int, bytes_max: int) -> Page:
        return await self.late(lambda: self.inner.read(wanted, after, records_max, bytes_max))

    async def last(self, wanted: Filter, count: int, bytes_max: int = 1 << 20) -> Page:
        return await self.late(lambda: self.inner.last(wanted, count, bytes_max))

    async def since(self, time_ms: int) -> Page:
        return await self.late(lambda: self.inner.since(time_ms))

    async def get(self, position: Position) -> Record | None:
        return await self.inner.get(position)

    async def follow(self, after: Cursor) -> AsyncIterator[list[Record]]:
        async with aclosing(cast(Any, self.inner.follow(after))) as groups:
            async for group in groups:
                for _ in range(next(self._lags)):
                    await asyncio.sleep(0)
                yield group
                self._changed.set()

    async def bounds(self) -> Bounds:
        return await self.late(self.inner.bounds)

    async def trim(self, keep_after: Position | None = None) -> int:
        return await self.late(lambda: self.inner.trim(keep_after))

    async def erase(self, target: Channel) -> int:
        return await self.late(lambda: self.inner.erase(target))

    async def ping(self) -> None:
        await self.inner.ping()
