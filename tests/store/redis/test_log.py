"""What somebody else does to our keys is told, never passed over silently."""

from __future__ import annotations

import pytest
from tests.contract.asserting import EVERYTHING, everything, page, positions, put, trim_all
from tests.contract.backends import FOREVER, draft
from tests.store.redis.conftest import OpenRedis
from tests.support.redis_server import RedisServer

from fast_sse.model.channel import Filter, channel
from fast_sse.model.cursor import NO_FINGERPRINT, Cursor
from fast_sse.model.errors import NotStoredError
from fast_sse.store.base import Appended, Gap, Retention
from fast_sse.store.redis.codec import place_text
from fast_sse.store.redis.store import RedisStore

pytestmark = pytest.mark.wire

OF_A = Filter.of(channel("a", "t"))


def key(store: RedisStore, cursor: Cursor, name: str) -> str:
    """The name of a key of this log."""
    return f"{{{store._prefix}}}:{cursor.epoch}:{name}"


async def test_entries_have_one_place_in_log_and_indexes(
    store: RedisStore, redis_server: RedisServer
) -> None:
    """The same id in the log with the body, and in three indexes without; a control record in the log only."""
    (cursor,) = await put(store, draft())
    place = place_text(cursor.position).encode()
    for name in ("ch:a/t", "id:a", "type:t"):
        assert redis_server.do("LRANGE", key(store, cursor, name), 0, -1) == [place]
    assert await store.erase(channel("a", "t")) == 1
    names = {
        name.decode().rpartition(f"{cursor.epoch}:")[2]
        for name in redis_server.do("KEYS", f"{{{store._prefix}}}:*")
    }
    assert names == {f"{{{store._prefix}}}:meta", "log", "erased"}


async def test_a_trim_by_somebody_else_is_a_gap(store: RedisStore, redis_server: RedisServer) -> None:
    """XTRIM behind our back: whoever was in the part that is gone is told; our own trim adopts the new mark."""
    cursors = await put(store, *(draft(data=b"%d" % number) for number in range(10)))
    redis_server.do("XTRIM", key(store, cursors[0], "log"), "MAXLEN", "=", 4)
    start = (await store.bounds()).trimmed
    found = await page(store, cursors[2])
    assert (found.gap, positions(found.records)) == (Gap("trimmed", start), [c.position for c in cursors[6:]])
    assert (await page(store, cursors[7])).gap is None
    await store.trim()
    bounds = await store.bounds()
    assert cursors[5].position <= bounds.trimmed.position < cursors[6].position
    assert (await page(store, cursors[2])).gap == Gap("trimmed", bounds.trimmed)
    assert redis_server.do("HGET", f"{{{store._prefix}}}:meta", "count") == b"4"


async def test_a_log_that_somebody_deleted_goes_on(store: RedisStore, redis_server: RedisServer) -> None:
    """DEL of the stream: old cursors are told, new entries are above all that was ever given."""
    cursors = await put(store, draft(), draft())
    redis_server.do("DEL", key(store, cursors[0], "log"))
    await store.trim()
    (new,) = await put(store, draft(data=b"new"))
    assert new.position > cursors[-1].position
    found = await page(store, cursors[-1])
    assert found.gap is not None
    assert [record.data for record in found.records] == [b"new"]


async def test_an_entry_that_somebody_deleted_is_a_gap_for_its_channel(
    store: RedisStore, redis_server: RedisServer
) -> None:
    """XDEL of one entry: its channel's readers are told where it was; what comes after is delivered."""
    cursors = await put(store, draft(data=b"1"), draft(data=b"2"), draft(data=b"3"))
    redis_server.do("XDEL", key(store, cursors[0], "log"), place_text(cursors[1].position))
    first = await page(store, cursors[0], OF_A)
    assert first.gap == Gap("unreadable", cursors[1].at(cursors[1].position, NO_FINGERPRINT))
    assert [record.data for record in first.records] == [b"3"]


@pytest.mark.parametrize(
    "fields",
    [
        ["a", "b"],
        ["data", b"\xff\xfe"],
        ["fp", "0123abv", "prev", "0123abv", "time", "soon", "expires", "0", "id", "a", "type", "t", "event", "",
         "headers", "{}", "meta", "", "data", "1"],
        ["fp", "0123abv", "prev", "0123abv", "time", "1", "expires", "0", "id", b"\xff", "type", "t", "event", "",
         "headers", "{}", "meta", "", "data", "1"],
    ],
    ids=["other fields", "bytes", "no number", "no text"],
)  # fmt: skip
async def test_poison_in_the_log_is_an_unreadable_gap(
    store: RedisStore, redis_server: RedisServer, fields: list[str | bytes]
) -> None:
    """Garbage that somebody XADDs under our key: passed over, told where it lies, and the log goes on."""
    (before,) = await put(store, draft(data=b"1"))
    place = redis_server.do("XADD", key(store, before, "log"), "*", *fields).decode()
    (after,) = await put(store, draft(data=b"2"))
    origin = (await store.bounds()).trimmed
    first = await page(store, origin)
    assert (first.gap, positions(first.records), first.through) == (None, [before.position], before)
    second = await page(store, first.through)
    assert second.gap is not None
    assert second.gap.reason == "unreadable"
    assert place_text(second.gap.resumed_at.position) == place
    rest = second.records or (await page(store, second.through)).records
    assert positions(rest) == [after.position]
    assert [record.data for record in await everything(store, OF_A)] == [b"1", b"2"]


async def test_trimming_takes_poison_along(open_redis: OpenRedis, redis_server: RedisServer) -> None:
    """It weighs nothing and stops nothing."""
    store = await open_redis(
        redis_server.url, retention=Retention(max_age_s=None, max_bytes=None, max_messages=1)
    )
    (first,) = await put(store, draft())
    redis_server.do("XADD", key(store, first, "log"), "*", "a", "b")
    cursors = await put(store, draft(), draft())
    await trim_all(store)
    assert positions(await everything(store)) == [cursors[-1].position]


@pytest.mark.parametrize("name", ["meta", "log", "ch:a/t", "type:t", "keys", "key_ends"])
async def test_a_key_of_another_type_fails_the_publish_and_leaves_nothing_half_done(
    store: RedisStore, redis_server: RedisServer, name: str
) -> None:
    """Somebody's SET under our key: certainly not stored, in the log or anywhere, its neighbours stored; then healed."""
    (cursor,) = await put(store, draft("b", "u"))
    hurt = f"{{{store._prefix}}}:meta" if name == "meta" else key(store, cursor, name)
    saved = redis_server.do("DUMP", hurt)
    redis_server.do("SET", hurt, "x")
    outcomes = await store.append([draft(keys=("k",)), draft("b", "u")])
    assert isinstance(outcomes[0], NotStoredError)
    assert isinstance(outcomes[1], NotStoredError if name in ("meta", "log") else Appended)
    redis_server.do("DEL", hurt)
    if saved is not None:
        redis_server.do("RESTORE", hurt, 0, saved)
    stored = len([one for one in outcomes if isinstance(one, Appended)])
    assert len(await everything(store)) == 1 + stored
    assert await everything(store, OF_A) == []
    (again,) = await store.append([draft(keys=("k",))])
    assert isinstance(again, Appended)
    assert not again.duplicate
    assert (await store.read(EVERYTHING, again.cursor, 1, 1)).gap is None


async def test_ids_go_on_above_a_clock_that_was_ahead(store: RedisStore, redis_server: RedisServer) -> None:
    """An entry one hour ahead, by a clock that went wrong: ids still strictly increase, and times stay store time."""
    (first,) = await put(store, draft())
    ahead = f"{(first.position >> 64) + 3_600_000}-0"
    redis_server.do("XADD", key(store, first, "log"), ahead, "a", "b")
    cursors = [*await put(store, draft()), *await put(store, draft(), draft())]
    places = [first.position, *(cursor.position for cursor in cursors)]
    assert places == sorted(set(places))
    assert cursors[0].position >> 64 == (first.position >> 64) + 3_600_000
    record = await store.get(cursors[-1].position)
    assert record is not None
    assert record.time_ms < (first.position >> 64) + 3_000_000


async def test_two_logs_in_one_server_do_not_meet(open_redis: OpenRedis, redis_server: RedisServer) -> None:
    """Another prefix is another log."""
    one = await open_redis(redis_server.url, prefix="one-log", retention=FOREVER)
    other = await open_redis(redis_server.url, prefix="other-log")
    (cursor,) = await put(one, draft())
    assert await everything(other) == []
    assert (await page(other, cursor)).gap is not None


async def test_a_channel_of_its_own_costs_little(store: RedisStore, redis_server: RedisServer) -> None:
    """A hub may have a channel a user: what a message takes beside its bytes does not grow by a page of memory for each."""
    count = 500
    before = redis_server.info("memory")["used_memory"]
    await put(store, *(draft(f"user{number}", "inbox") for number in range(count)))
    assert (redis_server.info("memory")["used_memory"] - before) / count < 1500


async def test_what_is_left_of_an_id_after_erasing_one_of_its_channels(
    open_redis: OpenRedis, redis_server: RedisServer
) -> None:
    """Erased entries lie between others in the indexes of their id and type: nobody meets them, and trimming takes them along."""
    store = await open_redis(redis_server.url, retention=Retention(max_age_s=None, max_messages=2))
    cursors = await put(store, *(draft("a", kind) for _ in range(6) for kind in ("t", "u")))
    kept = [cursor.position for cursor in cursors[1::2]]
    assert await store.erase(channel("a", "t")) == 6
    for wanted in (Filter.of(channel("a", "*")), Filter.of(channel("a", "u"), channel("a", "t"))):
        found = await store.read(wanted, (await store.bounds()).trimmed, 100, 1 << 20)
        assert (found.gap, positions(found.records)) == (None, kept)
        assert positions((await store.last(wanted, 3)).records) == kept[-3:]
        between = await store.read(wanted, cursors[4], 100, 1 << 20)
        assert (between.gap, positions(between.records)) == (None, kept[2:])
    while await store.trim():
        pass
    places = redis_server.do("LRANGE", key(store, cursors[0], "id:a"), 0, -1)
    assert [place for place in places if not place.endswith(b"!")] == [place_text(kept[-1]).encode()]
    assert len(places) <= 2


async def test_many_channels_are_one_order(store: RedisStore) -> None:
    """Places of many indexes are merged as they lie in the log, each once, whatever the page."""
    channels = [channel(f"m{number}", "t") for number in range(40)]
    cursors = await put(store, *(draft(*channels[number * 7 % 40]) for number in range(200)))
    wanted, place = Filter.of(*channels), (await store.bounds()).trimmed
    found: list[int] = []
    while len(found) < 200:
        page = await store.read(wanted, place, 17, 1 << 20)
        assert 0 < len(page.records) <= 17
        found += positions(page.records)
        place = page.through
    assert found == [cursor.position for cursor in cursors]
    assert positions((await store.last(wanted, 31)).records) == found[-31:]


async def test_a_trim_by_somebody_else_between_two_milliseconds(
    store: RedisStore, redis_server: RedisServer
) -> None:
    """What is left begins with the first place of its millisecond: the mark is the last one of the millisecond before."""
    (first,) = await put(store, draft())
    while True:
        (last,) = await put(store, draft())
        if last.position >> 64 > first.position >> 64:
            break
    log = key(store, first, "log")
    redis_server.do("XTRIM", log, "MINID", place_text(last.position))
    await store.trim()
    trimmed = (await store.bounds()).trimmed
    assert first.position < trimmed.position < last.position
    assert (await page(store, first)).gap == Gap("trimmed", trimmed)
    await put(store, draft())
    assert await store.trim() == 0
