"""Followers: every record, in order, once committed; a slow one costs nobody anything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.contract.asserting import everything, page, positions, put, trim_all
from tests.contract.backends import draft
from tests.contract.conftest import Opener

from fast_sse.model.errors import StoreClosedError
from fast_sse.model.message import Record
from fast_sse.store.base import Gap, OvertakenError, Retention, Store


async def take(follower: AsyncIterator[list[Record]], count: int) -> list[Record]:
    """The next `count` records, in whatever groups they come."""
    found: list[Record] = []
    while len(found) < count:
        group = await anext(follower)
        assert group, "a follower is never handed an empty group"
        found += group
    return found


async def test_a_follower_hears_what_is_appended(store: Store) -> None:
    """A follower that waits is woken by the commit, and hears each record once, in order."""
    follower = store.follow((await store.bounds()).newest)
    waiting = asyncio.ensure_future(take(follower, 1))
    await asyncio.sleep(0)
    (first,) = await put(store, draft())
    assert positions(await waiting) == [first.position]
    more = await put(store, draft(), draft())
    assert positions(await take(follower, 2)) == [cursor.position for cursor in more]


async def test_a_follower_begins_in_the_past(store: Store) -> None:
    """A follower from any cursor hears all that came after it."""
    cursors = await put(store, *(draft() for _ in range(5)))
    follower = store.follow(cursors[1])
    assert positions(await take(follower, 3)) == [cursor.position for cursor in cursors[2:]]


async def test_groups_are_what_was_committed(store: Store) -> None:
    """What a follower hears is what a read returns: the same records, field by field."""
    start = (await store.bounds()).newest
    await put(store, draft(data=b"1", ttl_ms=5), draft("*", "b", data=b"2"))
    assert await take(store.follow(start), 2) == await everything(store)


async def test_duplicates_and_conflicts_are_not_followed(store: Store) -> None:
    """A follower hears of what is new only."""
    start = (await store.bounds()).newest
    await store.append(
        [draft(keys=("k",)), draft(keys=("k",)), draft(data=b"2", keys=("k",)), draft(data=b"3")]
    )
    assert [record.data for record in await take(store.follow(start), 2)] == [b"1", b"3"]


async def test_followers_do_not_share_records(store: Store) -> None:
    """Each follower hears everything."""
    start = (await store.bounds()).newest
    followers = [store.follow(start) for _ in range(3)]
    waiting = [asyncio.ensure_future(take(follower, 2)) for follower in followers]
    await asyncio.sleep(0)
    cursors = await put(store, draft(), draft())
    for one in waiting:
        assert positions(await one) == [cursor.position for cursor in cursors]


async def test_a_follower_that_lags_is_served_from_the_store(store: Store) -> None:
    """Past the window of recent records a follower is given pages, and then the window again, without a seam."""
    follower = store.follow((await store.bounds()).newest)
    cursors = await put(store, draft())
    await take(follower, 1)
    for _ in range(10):
        cursors += await put(store, *(draft() for _ in range(1000)))
    found = await take(follower, 10_000)
    live = asyncio.ensure_future(take(follower, 1))
    await asyncio.sleep(0)
    last = await put(store, draft())
    assert positions(found) == [cursor.position for cursor in cursors[1:]]
    assert positions(await live) == [last[0].position]


async def test_a_follower_from_where_a_read_ended_misses_nothing(store: Store) -> None:
    """Reading up to the newest and following from there is every record once."""
    futures = [store.append([draft(data=b"%d" % number)]) for number in range(50)]
    await futures[10]
    found = await page(store, (await store.bounds()).trimmed)
    rest = 50 - len(found.records)
    follower = store.follow(found.through)
    records = found.records + (await take(follower, rest) if rest else [])
    assert [record.data for record in records] == [b"%d" % number for number in range(50)]
    await asyncio.gather(*futures)


async def test_a_follower_that_trimming_overtook_is_told(open_store: Opener) -> None:
    """Going on would be a silent hole: the follower ends with the gap and the cursor to follow from."""
    store = await open_store(Retention(max_age_s=None, max_bytes=None, max_messages=5))
    follower = store.follow((await store.bounds()).newest)
    cursors: list = []
    for _ in range(10):
        cursors += await put(store, *(draft() for _ in range(1000)))
    await trim_all(store)
    with pytest.raises(OvertakenError) as caught:
        await anext(follower)
    assert caught.value.gap == Gap("trimmed", cursors[-6])
    assert positions(await take(store.follow(caught.value.gap.resumed_at), 5)) == [
        cursor.position for cursor in cursors[-5:]
    ]


async def test_close_ends_every_follower(open_store: Opener) -> None:
    """A follower that waits hears that the store is closed."""
    store = await open_store()
    waiting = asyncio.ensure_future(anext(store.follow((await store.bounds()).newest)))
    await asyncio.sleep(0)
    await store.close()
    with pytest.raises(StoreClosedError):
        await waiting
