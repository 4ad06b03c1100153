"""What is exactly at a bound: four stores count in Python, SQL and Lua, and must draw each line at the same place."""

from __future__ import annotations

import pytest
from tests.contract.asserting import EVERYTHING, everything, page, positions, put, trim_all
from tests.contract.backends import START_MS, Backend, Clock, draft
from tests.contract.conftest import Opener

from fast_sse.model.channel import Channel, Filter, channel
from fast_sse.store.base import Appended, Gap, OvertakenError, Retention, Store, Windows

OF_A = Filter.of(channel("a", "t"))
TWO_CHANNELS = Filter.of(channel("a", "t"), channel("z", "z"))
SMALL, LARGE = b"x" * 10, b"x" * 50_000


def keep(
    max_age_s: float | None = None, max_bytes: int | None = None, max_messages: int | None = None
) -> Retention:
    return Retention(max_age_s=max_age_s, max_bytes=max_bytes, max_messages=max_messages)


async def bytes_for(store: Store, wanted: Filter, count: int) -> int:
    """The fewest bytes of a page that takes the first `count` records: what they weigh in this store."""
    start = (await store.bounds()).trimmed
    low, high = 0, 1 << 20
    while high - low > 1:
        middle = (low + high) // 2
        found = await store.read(wanted, start, 100, middle)
        low, high = (low, middle) if len(found.records) >= count else (middle, high)
    return high


# -- pages -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", [EVERYTHING, OF_A, TWO_CHANNELS], ids=["log", "channel", "list"])
@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
async def test_a_page_holds_exactly_its_bytes(store: Store, wanted: Filter, data: bytes) -> None:
    """A page takes what weighs exactly its bytes, and with one byte less a record less."""
    cursors = await put(store, *(draft(data=data) for _ in range(8)))
    start = (await store.bounds()).trimmed
    two = await bytes_for(store, wanted, 2)
    one = two // 2
    assert two == 2 * one
    for bytes_max, count in ((3 * one, 3), (3 * one - 1, 2), (8 * one, 8), (8 * one - 1, 7)):
        found = await store.read(wanted, start, 100, bytes_max)
        assert positions(found.records) == [cursor.position for cursor in cursors[:count]]
        assert found.through == cursors[count - 1]


async def test_the_last_records_fill_exactly_a_page(store: Store) -> None:
    """`last` bounds its page as `read` does: what weighs exactly the bytes comes whole."""
    cursors = await put(store, *(draft(data=SMALL) for _ in range(5)))
    three = await bytes_for(store, OF_A, 3)
    for bytes_max, count in ((three, 3), (three - 1, 2)):
        found = await store.last(OF_A, 3, bytes_max)
        assert positions(found.records) == [cursor.position for cursor in cursors[2:][:count]]
        assert found.start == cursors[1]


@pytest.mark.parametrize("wanted", [EVERYTHING, OF_A, TWO_CHANNELS], ids=["log", "channel", "list"])
async def test_a_page_of_exactly_what_matches_is_full(store: Store, wanted: Filter) -> None:
    """A page with as many records as it may have ends at its last one, also when nothing follows."""
    cursors = await put(store, draft(), draft(), draft())
    start = (await store.bounds()).trimmed
    for records_max in (1, 2, 3):
        found = await page(store, start, wanted, records_max)
        assert positions(found.records) == [cursor.position for cursor in cursors[:records_max]]
        assert found.through == cursors[records_max - 1]


async def test_a_full_page_does_not_go_past_what_was_not_scanned(store: Store) -> None:
    """A full page ends at its last record although others, which do not match, stand behind it."""
    cursors = await put(store, draft("a"), draft("a"), draft("b"))
    found = await page(store, (await store.bounds()).trimmed, OF_A, 2)
    assert found.through == cursors[1]
    rest = await page(store, found.through, OF_A, 2)
    assert (rest.records, rest.through) == ([], cursors[2])


@pytest.mark.parametrize("count", [2, 3, 4])
async def test_the_last_of_exactly_so_many(store: Store, count: int) -> None:
    """Asked for one fewer, as many and one more than there are, `last` starts just before its first record."""
    origin = (await store.bounds()).newest
    cursors = await put(store, draft("a"), draft("b"), draft("a"), draft("a"))
    found = await store.last(OF_A, count)
    matching = [cursors[0], cursors[2], cursors[3]][-count:]
    assert positions(found.records) == [cursor.position for cursor in matching]
    assert found.start == (cursors[1] if count == 2 else origin)
    assert (await page(store, found.start, OF_A)).records == found.records


async def test_the_last_one_of_a_trimmed_log_starts_at_the_mark(open_store: Opener) -> None:
    """When the first record that is kept is the first of the last, the page starts at the trim mark."""
    store = await open_store(keep(max_messages=2))
    cursors = await put(store, *(draft() for _ in range(4)))
    await trim_all(store)
    for count in (2, 3):
        found = await store.last(OF_A, count)
        assert (positions(found.records), found.start) == ([c.position for c in cursors[2:]], cursors[1])
    assert (await store.last(OF_A, 1)).start == cursors[2]


# -- retention ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
async def test_a_log_of_exactly_its_bytes_stays(open_store: Opener, data: bytes) -> None:
    """What weighs exactly max_bytes is kept; one byte less takes the oldest record and no more."""
    store = await open_store()
    cursors = await put(store, *(draft(data=data) for _ in range(3)))
    three = await bytes_for(store, EVERYTHING, 3)
    await store.close()
    for max_bytes, gone in ((three, 0), (three - 1, 1)):
        store = await open_store(keep(max_bytes=max_bytes))
        if not await everything(store):  # in memory the log goes with its store
            cursors = await put(store, *(draft(data=data) for _ in range(3)))
        assert await store.trim() == gone
        assert positions(await everything(store)) == [cursor.position for cursor in cursors[gone:]]
        await store.close()


@pytest.mark.parametrize(("count", "gone"), [(3, 0), (4, 1)])
async def test_a_log_of_exactly_its_messages_stays(open_store: Opener, count: int, gone: int) -> None:
    """max_messages are kept; one more takes the oldest."""
    store = await open_store(keep(max_messages=3))
    await put(store, *(draft() for _ in range(count)))
    assert await store.trim() == gone
    assert len(await everything(store)) == 3


@pytest.mark.parametrize(("age_ms", "gone"), [(60_000, 0), (60_001, 1)])
async def test_a_record_of_exactly_the_age_stays(
    open_store: Opener, clock: Clock, age_ms: int, gone: int
) -> None:
    """A record as old as max_age_s is kept; a millisecond older it goes."""
    store = await open_store(keep(max_age_s=60))
    await put(store, draft())
    clock.ms += age_ms
    assert await store.trim() == gone


# -- cursors -----------------------------------------------------------------------------------------


async def test_cursors_around_the_trim_mark(open_store: Opener) -> None:
    """The record before the mark is a gap; the mark itself and the first record that is kept are none."""
    store = await open_store(keep(max_messages=2))
    cursors = await put(store, *(draft() for _ in range(5)))
    await trim_all(store)
    gaps = [(await page(store, cursor)).gap for cursor in cursors]
    assert gaps == [Gap("trimmed", cursors[2]), Gap("trimmed", cursors[2]), None, None, None]
    assert [(await store.get(cursor.position)) is not None for cursor in cursors] == [False] * 3 + [True] * 2


async def test_followers_around_the_trim_mark(open_store: Opener, backend: Backend) -> None:
    """A follower from the mark hears all that is kept; one from the record before it hears of the gap."""
    if not backend.durable:
        pytest.skip("not durable: what was just appended is in its window")
    store = await open_store(keep(max_messages=2))
    cursors = await put(store, *(draft() for _ in range(5)))
    await trim_all(store)
    await store.close()
    store = await open_store(keep(max_messages=2))
    assert positions(await anext(store.follow(cursors[2]))) == [cursor.position for cursor in cursors[3:]]
    with pytest.raises(OvertakenError) as caught:
        await anext(store.follow(cursors[1]))
    assert caught.value.gap == Gap("trimmed", cursors[2])


async def test_the_origin_stands_until_something_is_trimmed(open_store: Opener) -> None:
    """Who was there before the first record gets all of them; once the first is gone, it is a gap."""
    store = await open_store(keep(max_messages=1))
    origin = (await store.bounds()).newest
    cursors = await put(store, draft(), draft())
    found = await page(store, origin)
    assert (found.gap, positions(found.records)) == (None, [cursor.position for cursor in cursors])
    await trim_all(store)
    assert (await page(store, origin)).gap == Gap("trimmed", cursors[0])


async def test_cursors_around_the_newest(store: Store) -> None:
    """At the newest nothing follows and nothing is missing; one place further is ahead."""
    before, newest = await put(store, draft(), draft())
    at_newest = await page(store, newest)
    assert (at_newest.gap, at_newest.records, at_newest.start, at_newest.through) == (
        None,
        [],
        newest,
        newest,
    )
    assert positions((await page(store, before)).records) == [newest.position]
    assert (await page(store, newest.at(newest.position + 1, "0123abv"))).gap == Gap("ahead", newest)


@pytest.mark.parametrize("wanted", [EVERYTHING, OF_A], ids=["log", "channel"])
async def test_cursors_around_an_erasure(store: Store, wanted: Filter) -> None:
    """A cursor at the erased newest, at the erasure and after it goes on with exactly what was published since."""
    (erased,) = await put(store, draft())
    await store.erase(Channel("a", "t"))
    erasure = (await store.bounds()).newest
    for cursor, hears in ((erased, 1), (erasure, 0)):
        found = await page(store, cursor)
        assert (found.gap, len(found.records), found.through) == (None, hears, erasure)
    (later,) = await put(store, draft())
    for cursor in (erased, erasure):
        found = await page(store, cursor, wanted)
        assert found.gap is None
        assert positions(found.records)[-1] == later.position
    assert positions((await store.last(OF_A, 2)).records) == [later.position]
    assert (await page(store, later)).gap is None


async def test_retention_that_takes_the_erasure_too(open_store: Opener) -> None:
    """Once the erasure is trimmed, a cursor at the erased record is a gap and one at the erasure is none."""
    store = await open_store(keep(max_messages=1))
    (erased,) = await put(store, draft())
    await store.erase(Channel("a", "t"))
    erasure = (await store.bounds()).newest
    await put(store, draft("b"))
    assert await trim_all(store) == 1
    assert (await store.bounds()).trimmed == erasure
    assert (await page(store, erased)).gap == Gap("trimmed", erasure)
    assert (await page(store, erasure)).gap is None


# -- keys --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("window_ms", [0, 50_000], ids=["the store's window", "its own"])
async def test_a_key_ends_exactly_with_its_window(open_store: Opener, clock: Clock, window_ms: int) -> None:
    """A millisecond before the end of its window a key is known; exactly there it is new, with any body."""
    store = await open_store(windows=Windows(key_window_s=100))
    one = draft(keys=("k",), window_ms=window_ms)
    (first,) = await put(store, one)
    clock.ms = START_MS + (window_ms or 100_000) - 1
    assert await store.append([one]) == [Appended(first, duplicate=True)]
    clock.ms += 1
    (again,) = await store.append([draft(data=b"2", keys=("k",), window_ms=window_ms)])
    assert isinstance(again, Appended)
    assert not again.duplicate


@pytest.mark.parametrize("count", [3, 4])
async def test_exactly_as_many_keys_as_may_be_stay(open_store: Opener, count: int) -> None:
    """keys_max keys are remembered; one more forgets the one that ends first."""
    store = await open_store(windows=Windows(keys_max=3))
    await put(store, *(draft(keys=(f"k{number}",), window_ms=10**6 + number) for number in range(count)))
    assert await trim_all(store) == count - 3
    assert store.keys_cut == count - 3


# -- lives -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ttl_ms", "expires_ms"), [(0, 0), (1, START_MS + 1)])
async def test_a_life_ends_by_the_millisecond(
    store: Store, clock: Clock, ttl_ms: int, expires_ms: int
) -> None:
    """No life is 0, for ever; a life of a millisecond ends with the next one. The hub judges it, so it is still read."""
    (cursor,) = await put(store, draft(ttl_ms=ttl_ms))
    clock.ms += 1
    (record,) = await everything(store)
    assert (record.position, record.expires_ms) == (cursor.position, expires_ms)


async def test_retention_by_bytes_does_not_count_what_was_erased(open_store: Opener) -> None:
    """Half a megabyte that was erased makes no room to be made: what stays is far below the bound."""
    store = await open_store(keep(max_bytes=200_000))
    await put(store, *(draft("gone", data=LARGE) for _ in range(10)))
    assert await store.erase(Channel("gone", "t")) == 10
    cursors = await put(store, *(draft(data=LARGE) for _ in range(3)))
    assert await trim_all(store) == 0
    assert positions(await everything(store))[1:] == [cursor.position for cursor in cursors]
