"""How a node notices that the log is not what it was, and tells every follower once (guarantee G6)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.contract.asserting import everything, page, positions, put
from tests.contract.backends import draft
from tests.store.redis.conftest import OpenRedis, expect_down, heard, level, overtaken, reconnecting
from tests.support.proxy import Proxy
from tests.support.redis_pair import paired
from tests.support.redis_server import HUB, RedisServer, hub_user

from fast_sse.model.channel import Channel, Filter
from fast_sse.model.cursor import NO_FINGERPRINT
from fast_sse.model.errors import NotStoredError, UnknownOutcomeError
from fast_sse.model.letter import Poison
from fast_sse.store.base import Appended, Gap, OvertakenError, Retention
from fast_sse.store.letters import Wanted
from fast_sse.store.redis.codec import place_text
from fast_sse.store.redis.reader import REPLY_BYTES, next_count
from fast_sse.store.redis.store import RedisStore
from fast_sse.store.redis.wire import Reply, Word

pytestmark = [pytest.mark.wire, pytest.mark.slow]


def through(proxy: Proxy) -> str:
    return f"redis://127.0.0.1:{proxy.address[1]}/0"


async def test_two_nodes_hear_one_order(redis_server: RedisServer, open_redis: OpenRedis) -> None:
    """Each node hears what both publish, in the same order, without asking."""
    one, other = await open_redis(redis_server.url), await open_redis(redis_server.url)
    start = (await one.bounds()).newest
    hearing = [asyncio.ensure_future(heard(store, start, 400)) for store in (one, other)]

    async def publish(store: RedisStore, name: str) -> None:
        for number in range(20):
            await put(store, *(draft(name, data=b"%d" % (10 * number + part)) for part in range(10)))

    await asyncio.gather(publish(one, "one"), publish(other, "other"))
    first, second = [await one_hears for one_hears in hearing]
    assert first == second == await everything(one)


@pytest.mark.parametrize("publishing", [True, False], ids=["and goes on", "and falls silent"])
async def test_failover_to_a_replica_that_lagged_is_one_gap(
    tmp_path: Path, open_redis: OpenRedis, publishing: bool
) -> None:
    """What the replica never had is lost and disclosed: a follower past the common history is told where it ended."""
    async with paired(tmp_path) as pair, open_redis:
        store = await open_redis(pair.url)
        start = (await store.bounds()).newest
        kept = await put(store, *(draft(data=b"kept") for _ in range(50)))
        await pair.lag()
        lost = await put(store, *(draft(data=b"lost") for _ in range(70)))
        assert len(await heard(store, start, 120)) == 120
        await level(store, lost[-1])
        follower = asyncio.ensure_future(overtaken(store, lost[-1]))
        await asyncio.sleep(0)
        async with reconnecting(store):
            await pair.fail_over()
        new = await put(store, draft(data=b"new")) if publishing else []
        gap = await follower
        assert gap == Gap("lost_tail", kept[-1])
        assert positions(await heard(store, gap.resumed_at, len(new)) if new else []) == [
            c.position for c in new
        ]
        new += await put(store, draft(data=b"later"))
        assert new[0].position > lost[-1].position, "a position that was given is never given again"
        for cursor in lost:
            found = await page(store, cursor)
            assert found.gap == Gap("lost_tail", kept[-1])
            assert positions(found.records) == [one.position for one in new]
        for cursor in kept:
            assert (await page(store, cursor)).gap is None


async def test_a_loss_beyond_its_own_reader_is_noticed(tmp_path: Path, open_redis: OpenRedis) -> None:
    """An answer may be ahead of the node's reader: what the reader never read and the node gave is lost all the same."""
    async with paired(tmp_path) as pair, open_redis:
        store = await open_redis(pair.url)
        (kept,) = await put(store, draft())
        await level(store, kept)
        await pair.lag()
        assert store._reader is not None
        store._task.cancel()  # type: ignore[union-attr]  # its reader stands still
        lost = await put(store, draft(), draft())
        async with reconnecting(store):
            await pair.fail_over()
        for cursor in lost:
            assert (await page(store, cursor)).gap == Gap("lost_tail", kept)
        (new,) = await put(store, draft())
        assert (await page(store, lost[-1])).records[0].position == new.position


@pytest.mark.parametrize("publisher", ["itself", "another node"])
async def test_a_reader_that_is_passed_by_retention_says_so(
    redis_server: RedisServer, open_redis: OpenRedis, publisher: str
) -> None:
    """Its place is trimmed while its node's newest answer may stand: what lies between was never read, and is told once."""
    kept = Retention(max_age_s=None, max_messages=2)
    store, other = [await open_redis(redis_server.url, retention=kept) for _ in range(2)]
    follower = store.follow((await store.bounds()).newest)
    (first,) = await put(store, draft())
    assert positions(await anext(follower)) == [first.position]
    await level(store, first)
    following = asyncio.ensure_future(
        anext(follower)
    )  # it has looked into the store: now it waits for the reader
    assert store._reader is not None
    store._task.cancel()  # type: ignore[union-attr]  # its reader stands still
    later = await put(store if publisher == "itself" else other, *(draft() for _ in range(6)))
    while await other.trim():
        pass
    store._task = asyncio.ensure_future(store._reader.run())
    with pytest.raises(OvertakenError) as caught:
        await following
    assert caught.value.gap == Gap("trimmed", later[3])
    await level(store, later[-1])
    assert not await store._reader.look(store._log)


async def test_a_node_that_knew_more_keeps_its_ids_from_being_given_again(
    tmp_path: Path, open_redis: OpenRedis
) -> None:
    """Ids far ahead of the clock, lost with the primary: the next id is above them although the new server never saw any."""
    async with paired(tmp_path) as pair, open_redis:
        store = await open_redis(pair.url)
        (kept,) = await put(store, draft())
        await pair.lag()
        ahead = f"{(kept.position >> 64) + 3_600_000}-5"
        pair.primary.do("XSETID", f"{store._log.prefix}{kept.epoch}:log", ahead)
        (lost,) = await put(store, draft())
        await level(store, lost)
        assert place_text(lost.position) == ahead.replace("-5", "-6")
        async with reconnecting(store):
            await pair.fail_over()
        (new,) = await put(store, draft())
        assert new.position > lost.position
        assert (await page(store, lost)).gap == Gap("lost_tail", kept)


async def test_a_primary_that_is_demoted_where_it_stands_is_left(
    tmp_path: Path, open_redis: OpenRedis
) -> None:
    """A planned failover cuts nobody off: the old primary goes on answering, as a replica, and takes no writes.

    Its connections are given up at the first refusal, and every one of this node's is then with the new primary.
    """
    async with paired(tmp_path) as pair, open_redis:
        store = await open_redis(pair.url)
        (kept,) = await put(store, draft())
        await asyncio.to_thread(pair.replica.catch_up_with, pair.primary)
        old = [link.wire for link in (store._writes, store._reads, store._follows)]
        pair.replica.do("REPLICAOF", "NO", "ONE")
        pair.front.target = pair.replica.address
        pair.primary.do("REPLICAOF", *pair.replica.address)
        async with asyncio.timeout(10):
            while True:
                (outcome,) = await store.append([draft(data=b"new")])
                if isinstance(outcome, Appended):
                    break
                assert isinstance(outcome, NotStoredError | UnknownOutcomeError)
                await asyncio.sleep(0.02)
            await asyncio.gather(*(wire.lost for wire in old if wire is not None))
        assert positions(await heard(store, kept, 1)) == [outcome.cursor.position]
        assert pair.replica.do("XLEN", f"{store._log.prefix}{kept.epoch}:log") == 2


async def test_what_was_read_before_a_move_is_not_handed_on(
    redis_server: RedisServer, open_redis: OpenRedis
) -> None:
    """Another connection finds that the log is another one while XREAD is under way: its reply is of the old log."""
    store = await open_redis(redis_server.url)
    (first,) = await put(store, draft())
    await level(store, first)
    reader, wire = store._reader, store._follows.wire
    assert reader is not None
    assert wire is not None
    ask, began, came, go_on = wire.ask, asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def held(*words: Word) -> Reply:
        began.set()
        reply = await ask(*words)
        if words[0] == "XREAD" and reply is not None:
            came.set()
            await go_on.wait()
        return reply

    wire.ask = held  # type: ignore[method-assign]  # its reply is on the way for as long as the test wants
    await began.wait()  # the read that was under way has ended, the next one is held
    other = await open_redis(redis_server.url)
    await put(other, draft(data=b"old"))
    await came.wait()
    redis_server.do("FLUSHALL")
    assert await reader.look(store._log)
    hearing = asyncio.ensure_future(heard(store, reader.level, 1))
    began.clear()
    go_on.set()
    await began.wait()  # the reply was dealt with
    await put(other, draft(data=b"new"))
    assert [record.data for record in await hearing] == [b"new"]


@pytest.mark.parametrize(
    ("sizes", "following"),
    [
        ([200], 8),
        ([200] * 8, 16),
        ([200] * 128, 128),
        ([1 << 20] * 8, 3),
        ([200] * 3 + [8 << 20], 1),
        ([8 << 20], 1),
        ([0], 8),
    ],
)
def test_the_next_read_asks_for_what_weighs_little(sizes: list[int], following: int) -> None:
    """Few entries after large ones, and never more than twice as many as came."""
    assert next_count([(b"1-1", [b"fp", bytes(size)]) for size in sizes]) == following


async def test_large_entries_come_a_few_at_a_time(redis_server: RedisServer, open_redis: OpenRedis) -> None:
    """A node that is behind by 40 entries of 1 MiB: the first reply is eight of them, and none after it above 4 MiB."""
    behind, beside = await open_redis(redis_server.url), await open_redis(redis_server.url)
    start = (await behind.bounds()).newest
    wire = behind._follows.wire
    assert wire is not None
    ask, weights, go_on = wire.ask, list[int](), asyncio.Event()

    async def weighed(*words: Word) -> Reply:
        if words[0] == "XREAD":
            await go_on.wait()
        reply = await ask(*words)
        if words[0] == "XREAD" and reply is not None:
            weights.append(sum(len(part) for _, fields in reply[0][1] for part in fields))
        return reply

    wire.ask = weighed  # type: ignore[method-assign]  # what is under way ends without a reply
    await put(beside, draft(data=b"small"))
    await level(behind, (await beside.bounds()).newest)
    for _ in range(40):
        await put(beside, draft(data=b"x" * (1 << 20)))
    go_on.set()
    assert len(await heard(behind, start, 41)) == 41
    assert weights[0] < 8 * (1 << 20) + 10_000
    assert max(weights[1:]) <= REPLY_BYTES


async def test_every_node_writes_down_the_same_loss(tmp_path: Path, open_redis: OpenRedis) -> None:
    """Two nodes find the loss on their own; a third that comes later judges old cursors by it."""
    async with paired(tmp_path) as pair, open_redis:
        stores = [await open_redis(pair.url) for _ in range(2)]
        kept = await put(stores[0], draft(), draft())
        await pair.lag()
        lost = await put(stores[1], draft(), draft(), draft())
        for store in stores:
            await heard(store, kept[0], 4)
            await level(store, lost[-1])
        followers = [asyncio.ensure_future(overtaken(store, lost[-1])) for store in stores]
        async with reconnecting(*stores):
            await pair.fail_over()
        assert [await follower for follower in followers] == [Gap("lost_tail", kept[-1])] * 2
        third = await open_redis(pair.replica.url)
        assert (await page(third, lost[1])).gap == Gap("lost_tail", kept[-1])


async def test_a_restart_without_persistence_is_a_new_epoch(
    own_server: RedisServer, open_redis: OpenRedis
) -> None:
    """Kill -9 of a server that keeps nothing: everything is lost, and everybody who had a cursor is told."""
    store = await open_redis(own_server.url)
    (cursor,) = await put(store, draft())
    await heard(store, cursor.at(0, NO_FINGERPRINT), 1)
    follower = asyncio.ensure_future(overtaken(store, cursor))
    await asyncio.sleep(0)
    async with reconnecting(store):
        await asyncio.to_thread(own_server.restart)
    assert (await follower).reason == "epoch"
    bounds = await store.bounds()
    assert bounds.newest.epoch != cursor.epoch
    (new,) = await put(store, draft())
    assert positions(await heard(store, bounds.newest, 1)) == [new.position]


@pytest.mark.parametrize("publishing", [True, False], ids=["and goes on", "and falls silent"])
async def test_flushall_is_a_new_epoch(
    own_server: RedisServer, open_redis: OpenRedis, publishing: bool
) -> None:
    """FLUSHALL cuts no connection: it is noticed by the next publish, or within one wait of the reader."""
    store = await open_redis(own_server.url)
    (cursor,) = await put(store, draft())
    await heard(store, cursor.at(0, NO_FINGERPRINT), 1)
    follower = asyncio.ensure_future(overtaken(store, cursor))
    await asyncio.sleep(0)
    own_server.do("FLUSHALL")
    new = await put(store, draft()) if publishing else []
    gap = await follower
    assert gap.reason == "epoch"
    assert gap.resumed_at.epoch == (await store.bounds()).newest.epoch != cursor.epoch
    new += await put(store, draft())
    assert positions(await heard(store, gap.resumed_at, len(new))) == [one.position for one in new]
    assert (await page(store, cursor)).gap == gap


async def test_poison_is_passed_over_and_told(store: RedisStore, redis_server: RedisServer) -> None:
    """Garbage under our key: followers hear what came before it, then a gap where it lies, then what follows."""
    start = (await store.bounds()).newest
    (before,) = await put(store, draft(data=b"1"))
    key = f"{store._log.prefix}{before.epoch}:log"
    place = redis_server.do("XADD", key, "*", "a", "b").decode()
    (after,) = await put(store, draft(data=b"2"))
    assert positions(await heard(store, start, 1))[:1] == [before.position]
    gap = await overtaken(store, before)
    assert (gap.reason, place_text(gap.resumed_at.position)) == ("unreadable", place)
    assert positions(await heard(store, gap.resumed_at, 1)) == [after.position]
    more = await put(store, draft(data=b"3"))
    assert positions(await heard(store, after, 1)) == [more[0].position]
    assert {one.name: one.value for one in store.samples()}["log_unreadable_total"] == 1


async def test_poison_that_could_not_be_kept_is_kept_later(
    store: RedisStore, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A memory that is full for a while, say: streams go on, and each entry is a dead letter once there is room."""
    reader, refusals = store._reader, 3
    assert reader is not None
    monkeypatch.setattr("fast_sse.store.redis.reader._RETRY_S", 0.0)
    keep = reader._keep
    assert keep is not None

    async def refused(poison: Poison) -> bool:
        nonlocal refusals
        if refusals:
            refusals -= 1
            raise NotStoredError("full")
        return await keep(poison)

    reader._keep = refused
    (before,) = await put(store, draft())
    key = f"{store._log.prefix}{before.epoch}:log"
    places = [redis_server.do("XADD", key, "*", "a", text).decode() for text in "bc"]
    async with asyncio.timeout(10):
        while len(found := (await store.letters.list(Wanted(newest_first=False), "", 9)).items) < 2:
            await put(store, draft())  # the reader looks again after each reply
    assert not refusals
    # One that comes while there is room again is kept before an older one that waits for its turn.
    assert sorted(letter.source.place for letter in found if letter.source) == places
    assert not reader._unkept


async def test_a_hole_in_what_it_reads_is_not_passed_over(
    own_server: RedisServer, open_redis: OpenRedis
) -> None:
    """Entries that somebody trims before this node has read them: the entry after them says so, and followers are told."""
    async with Proxy(own_server.address) as proxy, open_redis:
        behind, beside = await open_redis(through(proxy)), await open_redis(own_server.url)
        (first,) = await put(beside, draft())
        await heard(behind, first.at(0, NO_FINGERPRINT), 1)
        follower = asyncio.ensure_future(overtaken(behind, first))
        await asyncio.sleep(0)
        proxy.blackhole()
        cursors = await put(beside, *(draft() for _ in range(20)))
        own_server.do("XTRIM", f"{beside._log.prefix}{first.epoch}:log", "MAXLEN", "=", 5)
        proxy.mode = "pass"
        proxy.cut()
        gap = await follower
        assert gap.reason == "trimmed"
        assert positions(await heard(behind, gap.resumed_at, 5)) == [one.position for one in cursors[-5:]]


async def test_erased_entries_are_no_gap_for_a_reader_that_lags(
    own_server: RedisServer, open_redis: OpenRedis
) -> None:
    """What was erased before this node read it is a hole without a loss: it goes on."""
    async with Proxy(own_server.address) as proxy, open_redis:
        behind, beside = await open_redis(through(proxy)), await open_redis(own_server.url)
        (first,) = await put(beside, draft("b"))
        await level(behind, first)
        follower = asyncio.ensure_future(heard(behind, first, 3))
        proxy.blackhole()
        await put(beside, draft("a"), draft("b", data=b"x"))
        await beside.erase(Channel("a", "t"))
        await put(beside, draft("b", data=b"y"))
        proxy.mode = "pass"
        proxy.cut()
        kept = [record.data for record in await follower if not record.is_control]
        assert kept == [b"x", b"y"]


async def test_followers_are_told_that_nothing_comes(own_server: RedisServer, open_redis: OpenRedis) -> None:
    """While Redis is down a follower ends with UnavailableError, so that readiness says so; then it goes on."""
    own_server.restart(persistence="always")
    store = await open_redis(own_server.url)
    (cursor,) = await put(store, draft())
    waiting = asyncio.ensure_future(expect_down(store, cursor))
    await asyncio.sleep(0)
    async with reconnecting(store):
        await asyncio.to_thread(own_server.kill)
        await waiting
        await expect_down(store, cursor)
        await asyncio.to_thread(own_server.start)
    new = await put(store, draft())
    assert positions(await heard(store, cursor, 1)) == [new[0].position]


async def test_a_reader_that_redis_refuses_says_so(tmp_path: Path, open_redis: OpenRedis) -> None:
    """Without the right to XREAD followers end with an error, so that readiness says so; with it they go on."""
    with RedisServer(tmp_path / "redis", options=(hub_user("*", without=("XREAD",)),)) as server:
        store = await open_redis(server.hub_url)
        (first,) = await put(store, draft())
        origin = (await store.bounds()).trimmed
        await expect_down(store, first)
        server.do("ACL", "SETUSER", HUB, "+xread")
        assert positions(await heard(store, origin, 1)) == [first.position]
        (second,) = await put(store, draft())
        assert positions(await heard(store, first, 1)) == [second.position]


async def test_a_log_of_another_type_is_said_and_waited_out(
    store: RedisStore, redis_server: RedisServer
) -> None:
    """Somebody's SET under the log's name: followers hear that it cannot be read, until it can."""
    (cursor,) = await put(store, draft())
    key = f"{store._log.prefix}{cursor.epoch}:log"
    saved = redis_server.do("DUMP", key)
    redis_server.do("SET", key, "x")
    await expect_down(store, cursor)
    redis_server.do("RESTORE", key, 0, saved, "REPLACE")
    (new,) = await put(store, draft())
    found = Filter.of(Channel("*", "*"))
    assert positions((await store.read(found, cursor, 10, 10_000)).records) == [new.position]
    assert positions(await heard(store, cursor, 1)) == [new.position]
