"""Where a time begins: the place in the log before the first record of that time or later."""

from __future__ import annotations

import pytest
from tests.contract.asserting import PLENTY, everything, page, positions, put, trim_all
from tests.contract.backends import START_MS, Backend, Clock, draft
from tests.contract.conftest import Opener

from fast_sse.model.channel import Channel, Filter, channel
from fast_sse.model.cursor import Cursor
from fast_sse.store.base import Gap, Page, Retention, Store

ONE_STAYS = Retention(max_age_s=None, max_bytes=None, max_messages=1)
NONE_STAYS = Retention(max_age_s=None, max_bytes=None, max_messages=0)
FUTURE = (START_MS + 10**9, 2**63, 10**30)


async def at_times(store: Store, clock: Clock, *offsets_ms: int) -> list[Cursor]:
    """One record at each of these times, counted from the clock's first."""
    cursors = []
    for offset_ms in offsets_ms:
        clock.ms = START_MS + offset_ms
        cursors += await put(store, draft())
    return cursors


async def begin(store: Store, time_ms: int) -> tuple[list[int], Page]:
    """What follows from a time on, by a read that has no gap, and the page that said where."""
    found = await store.since(time_ms)
    assert (found.records, found.through) == ([], found.start)
    following = await page(store, found.start)
    assert (following.gap, following.start) == (None, found.start)
    return positions(following.records), found


@pytest.mark.parametrize(("off_ms", "first"), [(0, 1), (1, 2), (-1, 1), (10, 2), (-10, 0), (-9, 1)])
async def test_records_of_that_time_and_later_follow(
    store: Store, clock: Clock, off_ms: int, first: int
) -> None:
    """A record of exactly the time is the first that follows; of a millisecond earlier it is not."""
    cursors = await at_times(store, clock, 10, 20, 30)
    follow, found = await begin(store, START_MS + 20 + off_ms)
    assert (follow, found.gap) == ([cursor.position for cursor in cursors[first:]], None)


@pytest.mark.parametrize("time_ms", [START_MS - 1, 0, -5, -(10**30)])
async def test_before_the_first_record_is_the_beginning(store: Store, clock: Clock, time_ms: int) -> None:
    """Nothing was taken before the first record, so a time before it is no gap."""
    cursors = await at_times(store, clock, 0, 10)
    follow, found = await begin(store, time_ms)
    assert (follow, found.gap) == ([cursor.position for cursor in cursors], None)
    assert found.start.position < cursors[0].position


async def test_of_equal_times_the_first_begins(store: Store, clock: Clock) -> None:
    """However many records have one time, in one call or in several, none of them is left out."""
    await at_times(store, clock, 0)
    clock.ms += 10
    cursors = [*await put(store, *(draft() for _ in range(40))), *await put(store, draft())]
    await at_times(store, clock, 20)
    follow, _ = await begin(store, START_MS + 10)
    assert follow[:-1] == [cursor.position for cursor in cursors]


async def test_every_boundary_of_many(store: Store, clock: Clock) -> None:
    """In a log of some hundreds, runs of equal times among them, every time is where it was."""
    offsets = [5 * (number // 3 if number % 50 < 25 else number) for number in range(300)]
    offsets.sort()
    cursors = await at_times(store, clock, *offsets)
    for offset_ms in range(-1, offsets[-1] + 2, 7):
        follow, _ = await begin(store, START_MS + offset_ms)
        pairs = zip(cursors, offsets, strict=True)
        assert follow == [cursor.position for cursor, taken_ms in pairs if taken_ms >= offset_ms]


@pytest.mark.parametrize("time_ms", FUTURE)
async def test_the_future_is_now(store: Store, clock: Clock, time_ms: int) -> None:
    """A time that no record has reached begins at the newest place, without a gap."""
    await at_times(store, clock, 0, 10)
    follow, found = await begin(store, time_ms)
    assert (follow, found.gap, found.start) == ([], None, (await store.bounds()).newest)


@pytest.mark.parametrize("time_ms", [0, START_MS, *FUTURE])
async def test_an_empty_log_begins_where_it_is(store: Store, time_ms: int) -> None:
    """Where nothing was stored, any time is the only place there is."""
    follow, found = await begin(store, time_ms)
    assert (follow, found.gap, found.start) == ([], None, (await store.bounds()).newest)


async def test_a_time_that_retention_took_is_a_gap(open_store: Opener, clock: Clock) -> None:
    """`trimmed`, at the trim mark, for every time up to that of the last record which went."""
    store = await open_store(ONE_STAYS)
    cursors = await at_times(store, clock, 0, 10, 20)
    await trim_all(store)
    for time_ms in (0, START_MS, START_MS + 9, START_MS + 10):
        follow, found = await begin(store, time_ms)
        assert (found.gap, found.start) == (Gap("trimmed", cursors[1]), cursors[1])
        assert follow == [cursors[2].position]


async def test_just_after_what_retention_took_is_none(open_store: Opener, clock: Clock) -> None:
    """A millisecond later nothing of that time is missing, and there is no gap."""
    store = await open_store(ONE_STAYS)
    cursors = await at_times(store, clock, 0, 10, 20)
    await trim_all(store)
    for time_ms, left in ((START_MS + 11, 1), (START_MS + 20, 1), (START_MS + 21, 0)):
        follow, found = await begin(store, time_ms)
        assert (found.gap, len(follow)) == (None, left)
    assert (await store.since(START_MS + 20)).start == cursors[1]


async def test_a_time_half_of_which_retention_took_is_a_gap(open_store: Opener, clock: Clock) -> None:
    """Of records of one time some went and some stay: whoever asks for that time has missed those that went."""
    store = await open_store(ONE_STAYS)
    cursors = await put(store, draft(), draft(), draft())
    await trim_all(store)
    follow, found = await begin(store, START_MS)
    assert (found.gap, follow) == (Gap("trimmed", cursors[1]), [cursors[2].position])
    assert (await store.since(START_MS + 1)).gap is None


async def test_an_emptied_log_knows_until_when_it_was_taken(open_store: Opener, clock: Clock) -> None:
    """When nothing is left the trim mark still has its time: up to it a gap, later now."""
    store = await open_store(NONE_STAYS)
    cursors = await at_times(store, clock, 0, 10)
    await trim_all(store)
    assert (await begin(store, START_MS + 10))[1].gap == Gap("trimmed", cursors[1])
    follow, found = await begin(store, START_MS + 11)
    assert (follow, found.gap, found.start) == ([], None, cursors[1])


async def test_erased_records_leave_no_hole_in_time(store: Store, clock: Clock) -> None:
    """What was erased is passed over, one record or a thousand, and the times around it are where they were."""
    (first,) = await at_times(store, clock, 0)
    clock.ms += 10
    await put(store, *(draft("gone") for _ in range(1000)))
    (second,) = await at_times(store, clock, 20)
    clock.ms += 10
    await store.erase(Channel("gone", "t"))
    (third,) = await at_times(store, clock, 40)
    erasure = (await everything(store))[2].position
    every = [first.position, second.position, erasure, third.position]
    for offset_ms, count in ((0, 4), (1, 3), (10, 3), (20, 3), (21, 2), (30, 2), (31, 1), (40, 1), (41, 0)):
        follow, found = await begin(store, START_MS + offset_ms)
        assert (follow, found.gap) == (every[4 - count :], None)


async def test_a_log_of_erased_records_alone(store: Store, clock: Clock) -> None:
    """Where all was erased, what told of it is all that follows, and what comes next is found by its time."""
    await at_times(store, clock, 0, 10)
    clock.ms += 10
    await store.erase(Channel("a", "t"))
    (erasure,) = await everything(store)
    for offset_ms in (-1, 0, 1, 10, 20):
        follow, found = await begin(store, START_MS + offset_ms)
        assert (follow, found.gap) == ([erasure.position], None)
    assert (await begin(store, START_MS + 21))[0] == []
    (later,) = await at_times(store, clock, 30)
    assert (await begin(store, START_MS + 21))[0] == [later.position]


async def test_the_place_is_one_of_the_log_whatever_the_channel(store: Store, clock: Clock) -> None:
    """The start is the same for every filter: by a channel's own read only that channel's records follow."""
    clock.ms += 10
    await put(store, draft("a"), draft("b"), draft("*"), draft("a"))
    found = await store.since(START_MS + 5)
    for name, count in (("a", 3), ("b", 2), ("z", 1)):
        wanted = (await store.last(Filter.of(channel(name, "t")), 10)).records
        after = await store.read(Filter.of(channel(name, "t")), found.start, 100, PLENTY)
        assert (after.records, len(after.records)) == (wanted, count)


async def test_a_clock_that_steps_back_takes_no_time_back(store: Store, clock: Clock) -> None:
    """A record's time is never below its predecessor's, so the log stays one that can be halved."""
    cursors = await at_times(store, clock, 0, 5000, 1000, 2000, 6000)
    times = [record.time_ms - START_MS for record in await everything(store)]
    assert times == [0, 5000, 5000, 5000, 6000]
    for offset_ms, first in ((0, 0), (1, 1), (1500, 1), (5000, 1), (5001, 4), (6001, 5)):
        follow, _ = await begin(store, START_MS + offset_ms)
        assert follow == [cursor.position for cursor in cursors[first:]]


async def test_a_life_is_counted_by_the_clock_that_stepped_back(store: Store, clock: Clock) -> None:
    """What may live for a second ends a second after it was stored, by the clock that whoever asks looks at."""
    clock.pass_s(3600)
    await put(store, draft())
    clock.pass_s(-3600)
    await put(store, draft(ttl_ms=1000))
    assert (await everything(store))[-1].expires_ms == START_MS + 1000


async def test_a_window_of_keys_is_counted_by_the_clock_that_stepped_back(store: Store, clock: Clock) -> None:
    """A key that counts for ten seconds counts for no longer because earlier records are of a later time."""
    clock.pass_s(3600)
    await put(store, draft())
    clock.pass_s(-3600)
    (first,) = await put(store, draft(keys=("k",), window_ms=10_000))
    clock.pass_s(9)
    assert await put(store, draft(keys=("k",), window_ms=10_000)) == [first]
    clock.pass_s(2)
    assert await put(store, draft(keys=("k",), window_ms=10_000)) != [first]


async def test_times_stand_after_reopening(open_store: Opener, clock: Clock, backend: Backend) -> None:
    """Both the times of records and that of the trim mark survive closing and opening."""
    if not backend.durable:
        pytest.skip("not durable")
    store = await open_store(ONE_STAYS)
    cursors = await at_times(store, clock, 0, 10, 20)
    await trim_all(store)
    await store.close()
    store = await open_store(ONE_STAYS)
    assert (await begin(store, START_MS + 10))[1].gap == Gap("trimmed", cursors[1])
    for offset_ms, left in ((11, 1), (20, 1), (21, 0)):
        follow, found = await begin(store, START_MS + offset_ms)
        assert (found.gap, len(follow)) == (None, left)


@pytest.mark.parametrize("kept", [ONE_STAYS, NONE_STAYS], ids=["one", "none"])
async def test_time_goes_on_from_where_it_was_after_reopening(
    open_store: Opener, clock: Clock, backend: Backend, kept: Retention
) -> None:
    """A store that opens with an earlier clock gives no record an earlier time, also when all that was there is trimmed."""
    if not backend.durable:
        pytest.skip("not durable")
    store = await open_store(kept)
    await at_times(store, clock, 5000, 6000)
    await trim_all(store)
    await store.close()
    store = await open_store(kept)
    await at_times(store, clock, 1000)
    assert (await everything(store))[-1].time_ms == START_MS + 6000
