"""What is appended is read back: in order, by filter, by pages, from the end."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from tests.contract.asserting import EVERYTHING, PLENTY, everything, page, positions, put
from tests.contract.backends import START_MS, draft

from fast_sse.model.channel import Channel, Filter, channel
from fast_sse.model.cursor import parse_cursor
from fast_sse.model.message import Draft
from fast_sse.store.base import Appended, Store

NAMES = ("*", "a", "b")
CHANNELS = [Channel(*pair) for pair in itertools.product(NAMES, NAMES)]


async def test_positions_strictly_increase(store: Store) -> None:
    """Positions strictly increase, within one call and from call to call."""
    cursors = [*await put(store, draft(), draft()), *await put(store, draft()), *await put(store, draft())]
    places = [cursor.position for cursor in cursors]
    assert places == sorted(set(places))


async def test_a_cursor_is_the_text_that_clients_send_back(store: Store) -> None:
    """An answer's cursor survives its text, and names this store and one epoch."""
    first, second = await put(store, draft(), draft())
    assert parse_cursor(first.text) == first
    assert (first.kind, first.epoch) == (store.kind, second.epoch)


async def test_concurrent_appends_keep_the_order_of_the_calls(store: Store) -> None:
    """Appends that wait together are stored in the order in which they were called."""
    futures = [store.append([draft(data=b"%d" % number)]) for number in range(300)]
    await asyncio.gather(*futures)
    assert [record.data for record in await everything(store)] == [b"%d" % number for number in range(300)]


async def test_nothing_appended_is_nothing_answered(store: Store) -> None:
    """An empty call answers with an empty list."""
    assert await store.append([]) == []


async def test_a_large_call_is_stored_whole(store: Store) -> None:
    """A call may carry thousands of drafts; each is answered in order."""
    cursors = await put(store, *(draft(data=b"%d" % number) for number in range(2500)))
    found = await everything(store, records_max=700)
    assert positions(found) == [cursor.position for cursor in cursors]
    assert [record.data for record in found] == [b"%d" % number for number in range(2500)]


async def test_an_answered_entry_is_readable(store: Store) -> None:
    """Once an append is answered, bounds, read and get know it."""
    (cursor,) = await put(store, draft())
    assert (await store.bounds()).newest == cursor
    assert positions((await page(store, (await store.bounds()).trimmed)).records) == [cursor.position]
    assert (await store.get(cursor.position)) is not None


async def test_a_cancelled_caller_harms_nobody(store: Store) -> None:
    """A caller that goes away leaves its neighbours' answers alone."""
    gone, stays = store.append([draft()]), store.append([draft(data=b"2")])
    gone.cancel()
    (outcome,) = await stays
    assert isinstance(outcome, Appended)


async def test_every_field_comes_back(store: Store) -> None:
    """A record is what was published, to the byte, with store time and the end of its life."""
    sent = Draft(
        channel=channel("kärt-0001", "\u202etype"),
        data='{"text":"é\u2028 \\u0000"}'.encode(),
        headers=b'{"send_time":"2026-11-23 12:00:00.000"}',
        event="price",
        meta=b'{"event_name":"X"}',
        ttl_ms=1500,
    )
    (cursor,) = await put(store, sent)
    record = await store.get(cursor.position)
    assert record is not None
    assert (record.position, record.channel) == (cursor.position, sent.channel)
    assert (record.data, record.headers, record.event, record.meta) == (
        sent.data,
        sent.headers,
        "price",
        sent.meta,
    )
    assert (record.time_ms, record.expires_ms) == (START_MS, START_MS + 1500)
    assert (await everything(store)) == [record]
    assert isinstance(record.channel, Channel)


@pytest.mark.parametrize("position", [0, 999_999, 2**63, 10**20])
async def test_no_record_where_none_was_stored(store: Store, position: int) -> None:
    """`get` of a position that holds nothing is None, however large the number."""
    await put(store, draft())
    assert await store.get(position) is None


@pytest.mark.parametrize("pattern", CHANNELS, ids="-".join)
async def test_a_read_returns_what_matches_and_nothing_else(store: Store, pattern: Channel) -> None:
    """A read agrees with the one rule of matching, wildcards on both sides included."""
    await put(store, *(draft(*one) for one in CHANNELS * 2))
    wanted = Filter.of(pattern)
    found = await everything(store, wanted, records_max=2)
    assert found == [record for record in await everything(store) if wanted.matches(record.channel)]
    assert found


async def test_a_list_of_channels_returns_each_record_once(store: Store) -> None:
    """Overlapping patterns of one filter are a union: in log order, nothing twice."""
    await put(store, *(draft(*one) for one in CHANNELS * 2))
    wanted = Filter.of(channel("a", "a"), channel("a", "*"), channel("*", "b"), channel("x", "y"))
    found = await everything(store, wanted, records_max=3)
    assert found == [record for record in await everything(store) if wanted.matches(record.channel)]


async def test_pages_meet_without_a_seam(store: Store) -> None:
    """A full page goes through its last record; the next one goes on from there."""
    cursors = await put(store, *(draft() for _ in range(7)))
    first = await page(store, cursors[0], records_max=3)
    assert positions(first.records) == [cursor.position for cursor in cursors[1:4]]
    assert (first.start, first.through) == (cursors[0], cursors[3])
    second = await page(store, first.through, records_max=3)
    assert positions(second.records) == [cursor.position for cursor in cursors[4:]]


async def test_a_page_goes_through_what_does_not_match(store: Store) -> None:
    """A page that is not full says that it scanned up to the newest, matching or not."""
    cursors = await put(store, draft("a"), draft("b"), draft("b"))
    found = await page(store, (await store.bounds()).trimmed, Filter.of(channel("a", "t")))
    assert positions(found.records) == [cursors[0].position]
    assert found.through == cursors[-1]
    nothing = await page(store, found.through, Filter.of(channel("a", "t")))
    assert (nothing.records, nothing.start, nothing.through) == ([], cursors[-1], cursors[-1])


async def test_a_page_is_bounded_in_bytes(store: Store) -> None:
    """A page stops before it passes its bytes, and its `through` says where."""
    cursors = await put(store, *(draft(data=b"x" * 10_000) for _ in range(8)))
    start = (await store.bounds()).trimmed
    found = await store.read(EVERYTHING, start, 100, 35_000)
    assert 2 <= len(found.records) <= 3
    assert found.through.position == found.records[-1].position
    rest = await store.read(EVERYTHING, found.through, 100, PLENTY)
    assert positions(found.records + rest.records) == [cursor.position for cursor in cursors]


async def test_a_record_larger_than_the_page_is_returned(store: Store) -> None:
    """At least one record is returned when one matches, however large."""
    cursors = await put(store, draft(data=b"x" * 300_000), draft())
    found = await store.read(EVERYTHING, (await store.bounds()).trimmed, 100, 10)
    assert positions(found.records) == [cursors[0].position]
    assert found.through == cursors[0]


async def test_last_is_in_log_order_and_starts_just_before(store: Store) -> None:
    """`last` returns the last N that match, oldest first; its start misses none of them."""
    cursors = await put(store, *(draft("a" if number % 2 else "b") for number in range(10)))
    wanted = Filter.of(channel("a", "t"))
    found = await store.last(wanted, 3)
    assert positions(found.records) == [cursors[place].position for place in (5, 7, 9)]
    assert cursors[4].position <= found.start.position < cursors[5].position
    assert found.through.position >= cursors[9].position
    assert (await page(store, found.start, wanted)).records == found.records


async def test_last_of_fewer_returns_all(store: Store) -> None:
    """Asking for more than there is returns what there is."""
    cursors = await put(store, draft(), draft("z"), draft("*"))
    found = await store.last(Filter.of(channel("a", "t")), 100)
    assert positions(found.records) == [cursors[0].position, cursors[2].position]


async def test_last_of_nothing_starts_at_the_newest(store: Store) -> None:
    """When nothing matches, the stream goes on from now."""
    (cursor,) = await put(store, draft())
    found = await store.last(Filter.of(channel("z", "t")), 5)
    assert (found.records, found.start, found.through) == ([], cursor, cursor)


async def test_last_in_bytes_is_continued_by_read(store: Store) -> None:
    """When the last N weigh too much for a page, the first part comes and `through` leads to the rest."""
    cursors = await put(store, *(draft(data=b"x" * 1000) for _ in range(10)))
    found = await store.last(EVERYTHING, 6, 3000)
    assert 1 <= len(found.records) < 6
    rest = await page(store, found.through)
    assert positions(found.records + rest.records) == [cursor.position for cursor in cursors[4:]]


async def test_a_write_probe_succeeds_on_an_open_store(store: Store) -> None:
    """`ping` returns when a write would work, and leaves no record behind."""
    before = await store.bounds()
    await store.ping()
    assert await store.bounds() == before
