"""What retention takes, and how a cursor that cannot be continued is told (guarantee G6)."""

from __future__ import annotations

import pytest
from tests.contract.asserting import EVERYTHING, everything, page, positions, put, trim_all
from tests.contract.backends import Backend, Clock, draft
from tests.contract.conftest import Opener
from tests.contract.places import DurablePlace, Place

from fast_sse.model.channel import Filter, channel
from fast_sse.model.cursor import Cursor
from fast_sse.store.base import Gap, Retention, Store

OF_A = Filter.of(channel("a", "t"))


def keep(
    max_age_s: float | None = None, max_bytes: int | None = None, max_messages: int | None = None
) -> Retention:
    return Retention(max_age_s=max_age_s, max_bytes=max_bytes, max_messages=max_messages)


async def test_nothing_is_trimmed_without_a_bound(open_store: Opener, clock: Clock) -> None:
    """A log without bounds keeps everything, and says that there was nothing to do."""
    store = await open_store()
    await put(store, draft())
    clock.pass_s(10**8)
    assert await store.trim() == 0
    assert len(await everything(store)) == 1


@pytest.mark.parametrize("messages", [0, 3])
async def test_the_origin_under_another_fingerprint_is_answered(store: Store, messages: int) -> None:
    """Nobody was given such a cursor, and whoever made it up gets all there is, with a gap before it or without."""
    origin = (await store.bounds()).newest
    if not origin.fingerprint:
        pytest.skip("positions of this store are never given again")
    cursors = await put(store, *(draft() for _ in range(messages)))
    found = await store.read(OF_A, origin.at(origin.position, "zzzzzzz"), 10, 10_000)
    assert found.gap in (None, Gap("lost_tail", origin))
    assert positions(found.records) == [cursor.position for cursor in cursors]


async def test_age_takes_what_is_older(open_store: Opener, clock: Clock) -> None:
    """What is older than max_age_s by store time goes, the oldest first; what is not stays."""
    store = await open_store(keep(max_age_s=60))
    old = await put(store, draft(), draft())
    clock.pass_s(59)
    new = await put(store, draft())
    assert await store.trim() == 0
    clock.pass_s(2)
    assert await trim_all(store) == 2
    assert positions(await everything(store)) == [new[0].position]
    assert (await store.bounds()).trimmed == old[-1]


async def test_count_takes_the_oldest(open_store: Opener) -> None:
    """No more than max_messages stay."""
    store = await open_store(keep(max_messages=3))
    cursors = await put(store, *(draft(str(number)) for number in range(10)))
    assert await trim_all(store) == 7
    assert positions(await everything(store)) == [cursor.position for cursor in cursors[7:]]


async def test_bytes_take_the_oldest(open_store: Opener) -> None:
    """What stays weighs no more than max_bytes, and not needlessly less."""
    store = await open_store(keep(max_bytes=100_000))
    await put(store, *(draft(data=b"x" * 10_000) for _ in range(30)))
    await trim_all(store)
    assert 8 <= len(await everything(store)) <= 9


async def test_an_empty_log_still_knows_its_ends(open_store: Opener, clock: Clock) -> None:
    """When everything is trimmed, both ends are at the last record, and the next one is above."""
    store = await open_store(keep(max_age_s=1))
    cursors = await put(store, draft(), draft())
    clock.pass_s(10)
    await trim_all(store)
    bounds = await store.bounds()
    assert (bounds.trimmed, bounds.newest) == (cursors[-1], cursors[-1])
    assert await store.get(cursors[0].position) is None
    (above,) = await put(store, draft())
    assert above.position > cursors[-1].position


async def test_trimming_takes_small_steps(open_store: Opener) -> None:
    """One step removes a bounded number of entries, so that no publish waits for a long one."""
    store = await open_store(keep(max_messages=0))
    await put(store, *(draft() for _ in range(1200)))
    steps = []
    while step := await store.trim():
        steps.append(step)
    assert sum(steps) == 1200
    assert max(steps) <= 500


async def test_trimmed_records_are_gone_from_every_read(open_store: Opener) -> None:
    """What is trimmed is in no page, no `last`, no `get`, by whatever channel it is asked for."""
    store = await open_store(keep(max_messages=2))
    cursors = await put(store, *(draft(name) for name in "abab*"))
    await trim_all(store)
    for wanted in (OF_A, EVERYTHING, Filter.of(channel("*", "t")), Filter.of(channel("a", "*"))):
        found = (await store.last(wanted, 10)).records
        assert found == await everything(store, wanted)
        assert all(record.position >= cursors[3].position for record in found)
    assert await store.get(cursors[0].position) is None


async def test_a_cursor_below_the_trim_mark_is_a_gap(open_store: Opener) -> None:
    """`trimmed`: the stream goes on from the trim mark, with all that is retained."""
    store = await open_store(keep(max_messages=2))
    cursors = await put(store, *(draft() for _ in range(5)))
    await trim_all(store)
    found = await page(store, cursors[0])
    assert found.gap == Gap("trimmed", cursors[2])
    assert found.start == cursors[2]
    assert positions(found.records) == [cursor.position for cursor in cursors[3:]]


async def test_a_cursor_at_the_trim_mark_is_none(open_store: Opener) -> None:
    """Whoever has everything up to the trim mark has missed nothing."""
    store = await open_store(keep(max_messages=2))
    cursors = await put(store, *(draft() for _ in range(5)))
    await trim_all(store)
    assert (await page(store, cursors[2])).gap is None


async def test_trimming_that_overtakes_a_catch_up_is_told(open_store: Opener) -> None:
    """The cursor is judged on every page, so a catch-up that trimming overtakes gets a gap and no hole."""
    store = await open_store(keep(max_messages=2))
    cursors = await put(store, *(draft() for _ in range(6)))
    first = await page(store, (await store.bounds()).trimmed, records_max=2)
    await trim_all(store)
    second = await page(store, first.through, records_max=2)
    assert second.gap == Gap("trimmed", cursors[3])
    assert positions(second.records) == [cursor.position for cursor in cursors[4:]]


async def test_a_cursor_ahead_of_the_log_is_a_gap(open_store: Opener) -> None:
    """`ahead`: a cursor that this log never gave goes on from the newest, without records."""
    store = await open_store()
    (cursor,) = await put(store, draft())
    place = cursor.position
    for ahead in (place + 1, max(place + 1, 2**63 - 1), max(place + 1, 10**20)):
        found = await page(store, cursor.at(ahead, cursor.fingerprint))
        assert (found.gap, found.records, found.through) == (Gap("ahead", cursor), [], cursor)


@pytest.mark.parametrize("kind", ["same", "other"])
async def test_a_cursor_of_another_log_is_a_gap(open_store: Opener, kind: str) -> None:
    """`epoch`: a cursor of another epoch or another store goes on from the trim mark."""
    store = await open_store(keep(max_messages=2))
    cursors = await put(store, *(draft() for _ in range(4)))
    await trim_all(store)
    found = await page(store, Cursor(store.kind if kind == "same" else "x1", "0" * 13, cursors[3].position))
    assert found.gap == Gap("epoch", cursors[1])
    assert positions(found.records) == [cursor.position for cursor in cursors[2:]]


async def test_the_newest_cursor_is_never_a_gap(open_store: Opener) -> None:
    """Whoever has everything has missed nothing, also in a log that was never written to."""
    store = await open_store()
    assert (await page(store, (await store.bounds()).newest)).gap is None
    await put(store, draft())
    assert (await page(store, (await store.bounds()).newest)).gap is None


async def test_what_was_lost_is_not_counted_again(open_store: Opener, place: Place, backend: Backend) -> None:
    """Retention measures what is there: not what a lost tail held, also when others stand above it by now."""
    if not backend.durable:
        pytest.skip("not durable")
    assert isinstance(place, DurablePlace)
    five = keep(max_messages=5)
    store = await open_store(five)
    cursors = await put(store, *(draft() for _ in range(5)))
    await store.close()
    await place.lose_tail(await open_store(five), cursors[1].position)
    store = await open_store(five)
    await put(store, *(draft() for _ in range(3)))
    await place.kill(store)
    store = await open_store(five)
    assert await trim_all(store) == 0
    assert len(await everything(store)) == 5
