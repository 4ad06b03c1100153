"""Small steps that every test of a store takes."""

from __future__ import annotations

from fast_sse.model.channel import Channel, Filter
from fast_sse.model.cursor import Cursor
from fast_sse.model.message import Draft, Record
from fast_sse.store.base import Appended, Page, Store

EVERYTHING = Filter.of(Channel("*", "*"))
PLENTY = 1 << 30


async def put(store: Store, *drafts: Draft) -> list[Cursor]:
    """Append, and expect every draft to be stored or to be an earlier message."""
    outcomes = await store.append(drafts)
    cursors = []
    for outcome in outcomes:
        assert isinstance(outcome, Appended), outcome
        cursors.append(outcome.cursor)
    return cursors


async def page(store: Store, after: Cursor, wanted: Filter = EVERYTHING, records_max: int = 10_000) -> Page:
    """One page without a bound of bytes."""
    return await store.read(wanted, after, records_max, PLENTY)


async def everything(store: Store, wanted: Filter = EVERYTHING, records_max: int = 10_000) -> list[Record]:
    """All that is retained, page by page."""
    place = (await store.bounds()).trimmed
    found: list[Record] = []
    while True:
        one = await page(store, place, wanted, records_max)
        assert one.gap is None
        assert one.start == place
        found += one.records
        if not one.records:
            return found
        place = one.through


async def trim_all(store: Store) -> int:
    """Every step that retention asks for; how many entries went."""
    gone = 0
    while step := await store.trim():
        gone += step
    return gone


def positions(records: list[Record]) -> list[int]:
    return [record.position for record in records]
