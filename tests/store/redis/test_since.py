"""Where a time begins, in logs that clocks, other versions and other people have had a hand in."""

from __future__ import annotations

import pytest
from tests.contract.asserting import everything, page, positions, put, trim_all
from tests.contract.backends import START_MS, Clock, draft
from tests.store.redis.conftest import OpenRedis
from tests.store.redis.test_log import key
from tests.support.redis_server import RedisServer

from fast_sse.model.cursor import NO_FINGERPRINT, Cursor
from fast_sse.store.base import Gap, Retention
from fast_sse.store.redis.codec import place_text
from fast_sse.store.redis.store import RedisStore

pytestmark = pytest.mark.wire

TWO_STAY = Retention(max_age_s=None, max_bytes=None, max_messages=2)


async def begun(store: RedisStore, time_ms: int) -> tuple[list[int], Gap | None]:
    """The places that follow from a time on, and its gap."""
    found = await store.since(time_ms)
    following = await page(store, found.start)
    assert following.gap is None
    return positions(following.records), found.gap


def looks(server: RedisServer) -> int:
    """Entries that scripts have looked at since the last `CONFIG RESETSTAT`, one a call."""
    stats = server.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("xrange", "xrevrange"))


async def test_by_the_servers_clock_a_few_entries_are_looked_at(
    own_server: RedisServer, open_redis: OpenRedis
) -> None:
    """Ids are made of the clock that times are: in a log of thousands the place is found at once."""
    store = await open_redis(own_server.url)
    cursors = []
    for _ in range(40):
        cursors += await put(store, *(draft() for _ in range(100)))
    record = await store.get(cursors[2000].position)
    assert record is not None
    times = [one.time_ms for one in await everything(store)]
    own_server.do("CONFIG", "RESETSTAT")
    found = await store.since(record.time_ms)
    assert looks(own_server) <= 24
    first = times.index(record.time_ms)
    assert found.start == cursors[first - 1]


async def test_by_another_clock_as_many_as_halving_takes(
    own_server: RedisServer, open_redis: OpenRedis
) -> None:
    """Ids far from their times, as after a clock that was set back: still no scan."""
    clock = Clock()
    store = await open_redis(own_server.url, now_ms=clock)
    cursors = []
    for _ in range(60):
        clock.ms += 1
        cursors += await put(store, *(draft() for _ in range(50)))
    for number, first in ((1, 0), (2, 50), (31, 1500), (60, 2950)):
        own_server.do("CONFIG", "RESETSTAT")
        found = await store.since(START_MS + number)
        assert looks(own_server) <= 40
        assert (await page(store, found.start)).records[0].position == cursors[first].position


@pytest.mark.parametrize("ahead_ms", [20_000, -20_000, 1, -1])
async def test_ids_that_differ_from_times_are_no_hindrance(
    own_server: RedisServer, open_redis: OpenRedis, ahead_ms: int
) -> None:
    """Whether times are ahead of the ids or behind them, and by how much, they are found in a few looks."""
    store = await open_redis(own_server.url)
    log = key(store, (await store.bounds()).newest, "log")
    for place_ms in range(30_000, 90_000, 1000):
        fields = ["fp", "0123abv", "prev", "0123abv", "time", place_ms + ahead_ms, "expires", 0, "id", "a"]
        fields += ["type", "t", "event", "", "headers", "{}", "meta", "", "data", "1"]
        own_server.do("XADD", log, f"{place_ms}-0", *fields)
    for place_ms in (31_000, 50_000, 69_000, 89_000):
        own_server.do("CONFIG", "RESETSTAT")
        found = await store.since(place_ms + ahead_ms)
        assert looks(own_server) <= 50
        assert found.start.position >> 64 == place_ms - 1000


async def test_no_time_steps_back_from_node_to_node(redis_server: RedisServer, open_redis: OpenRedis) -> None:
    """A replica that takes over with a clock that is behind goes on from the times that it was given."""
    ahead, behind = Clock(), Clock()
    ahead.ms += 5000
    one = await open_redis(redis_server.url, now_ms=ahead)
    other = await open_redis(redis_server.url, now_ms=behind)
    await put(one, draft())
    await put(other, draft(ttl_ms=100))
    await put(one, draft())
    records = await everything(other)
    assert [record.time_ms - START_MS for record in records] == [5000, 5000, 5000]
    assert records[1].expires_ms == START_MS + 100


async def test_a_log_of_an_earlier_version_goes_on_from_its_last_entry(
    redis_server: RedisServer, open_redis: OpenRedis
) -> None:
    """Its meta key knows no last time: the newest entry does."""
    clock = Clock()
    store = await open_redis(redis_server.url, now_ms=clock)
    await put(store, draft())
    meta = f"{{{store._prefix}}}:meta"
    redis_server.do("HDEL", meta, "last_time", "trimmed_time")
    clock.ms -= 1000
    await put(store, draft())
    assert [record.time_ms for record in await everything(store)] == [START_MS, START_MS]
    assert redis_server.do("HGET", meta, "last_time").startswith(str(START_MS).encode())


async def test_in_a_log_of_an_earlier_version_a_gap_is_rather_named(
    redis_server: RedisServer, open_redis: OpenRedis
) -> None:
    """Its trim mark has no time until the next trim: it counts as that of the first entry, and as any when none is left."""
    clock = Clock()
    store = await open_redis(redis_server.url, now_ms=clock, retention=TWO_STAY)
    cursors: list[Cursor] = []
    for _ in range(4):
        cursors += await put(store, draft())
        clock.ms += 10
    await trim_all(store)
    meta, log = f"{{{store._prefix}}}:meta", key(store, cursors[0], "log")
    redis_server.do("HDEL", meta, "last_time", "trimmed_time")
    gap = Gap("trimmed", cursors[1])
    assert [(await begun(store, START_MS + off_ms))[1] for off_ms in (0, 11, 20, 21)] == [gap, gap, gap, None]
    cursors += await put(store, draft())
    await trim_all(store)
    assert [(await store.since(START_MS + off_ms)).gap for off_ms in (20, 21)] == [
        Gap("trimmed", cursors[2]),
        None,
    ]
    redis_server.do("HDEL", meta, "last_time", "trimmed_time")
    redis_server.do("XTRIM", log, "MAXLEN", "=", 0)
    assert (await store.since(START_MS + 10**6)).gap == Gap("trimmed", cursors[2])


async def test_nodes_of_an_earlier_version_beside_this_one_hide_no_gap(
    redis_server: RedisServer, open_redis: OpenRedis
) -> None:
    """They move the trim mark and leave the time of the one before it: that counts no more."""
    clock = Clock()
    store = await open_redis(redis_server.url, now_ms=clock, retention=Retention(max_messages=5))
    cursors: list[Cursor] = []
    for _ in range(6):
        cursors += await put(store, draft())
        clock.ms += 10
    await trim_all(store)
    assert (await store.since(START_MS + 15)).gap is None
    meta = f"{{{store._prefix}}}:meta"
    fields = ["trimmed", place_text(cursors[3].position), "trimmed_fp", cursors[3].fingerprint, "count", 2]
    redis_server.do("HSET", meta, *fields)
    redis_server.do("XTRIM", key(store, cursors[0], "log"), "MAXLEN", "=", 2)
    gaps = [(await store.since(START_MS + off_ms)).gap for off_ms in (15, 30, 40, 41)]
    assert gaps == [Gap("trimmed", cursors[3])] * 3 + [None]


async def test_nodes_of_an_earlier_version_beside_this_one_take_no_time_back(
    redis_server: RedisServer, open_redis: OpenRedis
) -> None:
    """What they append leaves the last time of this version behind: the newest entry's counts."""
    clock = Clock()
    store = await open_redis(redis_server.url, now_ms=clock)
    await put(store, draft())
    meta = f"{{{store._prefix}}}:meta"
    before = redis_server.do("HGET", meta, "last_time")
    clock.ms += 5000
    await put(store, draft())
    redis_server.do("HSET", meta, "last_time", before)
    clock.ms -= 4000
    await put(store, draft())
    assert [record.time_ms - START_MS for record in await everything(store)] == [0, 5000, 5000]


@pytest.mark.parametrize("messages_max", [5, 6], ids=["behind our own", "the first"])
async def test_a_trim_by_somebody_else_has_no_time(
    redis_server: RedisServer, open_redis: OpenRedis, messages_max: int
) -> None:
    """XTRIM behind our back: a gap up to the first entry that is left, before our own trim has adopted it and after."""
    clock = Clock()
    store = await open_redis(
        redis_server.url, now_ms=clock, retention=Retention(max_age_s=None, max_messages=messages_max)
    )
    cursors: list[Cursor] = []
    for _ in range(6):
        cursors += await put(store, draft())
        clock.ms += 10
    await trim_all(store)
    redis_server.do("XTRIM", key(store, cursors[0], "log"), "MAXLEN", "=", 3)
    left = [cursor.position for cursor in cursors[3:]]
    for _ in range(2):
        mark = (await store.bounds()).trimmed
        assert await begun(store, START_MS + 5) == (left, Gap("trimmed", mark))
        assert await begun(store, START_MS + 30) == (left, Gap("trimmed", mark))
        assert await begun(store, START_MS + 31) == (left[1:], None)
        await store.trim()
    assert (await store.bounds()).trimmed.position >= cursors[2].position


async def test_poison_has_the_time_of_its_id(store: RedisStore, redis_server: RedisServer) -> None:
    """What somebody else XADDed stops nobody who looks for a time, and is told where it lies."""
    (first,) = await put(store, draft())
    place = redis_server.do("XADD", key(store, first, "log"), "*", "a", "b").decode()
    poison_ms = int(place.partition("-")[0])
    later = None  # a millisecond may pass between the time that a script is given and the id that it makes
    while later is None or later.time_ms <= poison_ms:
        (cursor,) = await put(store, draft())
        later = await store.get(cursor.position)
    found = await store.since(poison_ms)
    following = await page(store, found.start)
    assert found.start.position <= first.position
    assert following.gap is not None or following.records[0].position == first.position
    after = await store.since(poison_ms + 1)
    assert place_text(after.start.position) >= place
    assert positions((await page(store, after.start)).records)[-1] == later.position


async def test_poison_alone_is_a_place(store: RedisStore, redis_server: RedisServer) -> None:
    """A log that holds nothing else begins before it, or behind it."""
    origin = (await store.bounds()).newest
    place = redis_server.do("XADD", key(store, origin, "log"), "*", "a", "b").decode()
    assert (await store.since(0)).start == origin
    behind = (await store.since(2**62)).start
    assert (place_text(behind.position), behind.fingerprint) == (place, NO_FINGERPRINT)
