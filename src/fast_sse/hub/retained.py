"""What the log holds of some channels, for operators: a page at a time, by id or by time, in the order of the log.

Reading asks the store and nothing else. A message that an operator sees is handed over to nobody: it still becomes a dead
letter, and its delivery is counted as before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from fast_sse.model.channel import Filter
from fast_sse.model.cursor import Cursor
from fast_sse.model.limits import MIB
from fast_sse.model.message import Record
from fast_sse.store.base import Gap, Page, Store

#: Messages of one page, and their bytes (or one larger message).
PAGE_MAX = 200
PAGE_BYTES_MAX = MIB
#: Questions of operators that the store is asked at once.
_QUESTIONS_MAX = 2


class Retained(msgspec.Struct, frozen=True, kw_only=True):
    """One page.

    Attributes:
        records: those that match, ascending.
        through: how far the page looked; the next one goes on behind it.
        ended: nothing more is wanted, or was there when the page was read.
        gap: the place that was asked for cannot be continued.
        newest: where the log ended, or where the page ended if that is later.
    """

    records: Sequence[Record]
    through: Cursor
    ended: bool
    gap: Gap | None
    newest: Cursor


class RetainedPages:
    """Reads one log. All methods raise UnavailableError."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._asking = asyncio.Semaphore(_QUESTIONS_MAX)

    async def newest(self, wanted: Filter, count: int) -> Retained:
        """The last messages; where they weigh more than a page, the first of those, and the rest behind `through`."""
        async with self._asking:
            newest = (await self._store.bounds()).newest
            page = await self._store.last(wanted, count, PAGE_BYTES_MAX)
            made = _made(page, newest)
            return msgspec.structs.replace(made, ended=made.ended or len(page.records) >= count)

    async def after(
        self, wanted: Filter, cursor: Cursor | None, count: int, before_ms: int | None = None
    ) -> Retained:
        """The messages behind a place, or all that there are, up to a time of the store (exclusive)."""
        async with self._asking:
            bounds = await self._store.bounds()
            until = None if before_ms is None else (await self._store.since(before_ms)).through
            begin = bounds.trimmed if cursor is None else cursor
            return _made(await self._store.read(wanted, begin, count, PAGE_BYTES_MAX), bounds.newest, until)

    async def since(self, wanted: Filter, from_ms: int, count: int, before_ms: int | None = None) -> Retained:
        """The messages that the store took from a time on."""
        async with self._asking:
            begin = await self._store.since(from_ms)
        found = await self.after(wanted, begin.through, count, before_ms)
        return found if begin.gap is None else msgspec.structs.replace(found, gap=begin.gap)


def _made(page: Page, newest: Cursor, until: Cursor | None = None) -> Retained:
    """`newest`: where the log ended before the page was read; a page may go past it, because publishing goes on.
    `until`: the last place that is wanted.
    """
    through = page.through
    records = [one for one in page.records if not one.is_control]
    if until is not None:
        records = [one for one in records if one.position <= until.position]
    ended = through.position >= (until or newest).position
    return Retained(
        records=records,
        through=through,
        ended=ended,
        gap=page.gap,
        newest=max(newest, through, key=lambda place: place.position),
    )
