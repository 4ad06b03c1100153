"""Publishes into Redis: one line, no retry, and an outcome that is the truth (guarantee G2)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.contract.asserting import everything, put
from tests.contract.backends import draft
from tests.store.redis.conftest import OpenRedis, at_once, heard, level, out_of_time, reconnecting
from tests.support.proxy import Proxy
from tests.support.redis_server import RedisServer, need_redis

from fast_sse.model.errors import DiskFullError, KeyConflictError, NotStoredError, UnknownOutcomeError
from fast_sse.store.base import Appended
from fast_sse.store.redis.store import RedisStore

pytestmark = pytest.mark.wire


def through(proxy: Proxy) -> str:
    """The URL of a server behind a proxy."""
    return f"redis://127.0.0.1:{proxy.address[1]}/0"


def calls(server: RedisServer) -> int:
    """Script calls that the server has answered."""
    stats = server.do("INFO", "commandstats")
    return sum(
        int(stats[f"cmdstat_{name}"]["calls"]) for name in ("evalsha", "eval") if f"cmdstat_{name}" in stats
    )


async def test_one_tick_is_few_calls(quiet_store: RedisStore, redis_server: RedisServer) -> None:
    """A hundred appends of one tick are two script calls, not a hundred."""
    before = calls(redis_server)
    outcomes = await asyncio.gather(
        *(quiet_store.append([draft(data=b"%d" % number)]) for number in range(100))
    )
    assert all(isinstance(one, Appended) for (one,) in outcomes)
    assert calls(redis_server) - before == 2


async def test_large_drafts_are_calls_of_their_own(
    quiet_store: RedisStore, redis_server: RedisServer
) -> None:
    """A call is bounded in bytes: Redis does nothing else while it runs."""
    before = calls(redis_server)
    await put(quiet_store, *(draft(data=b"x" * 200_000) for _ in range(4)))
    assert calls(redis_server) - before == 4


@pytest.mark.slow
async def test_no_memory_is_certainly_not_stored(own_server: RedisServer, open_redis: OpenRedis) -> None:
    """-OOM is 507, the log is as it was, readiness says so, and it heals by itself."""
    store = await open_redis(own_server.url)
    await put(store, draft())
    own_server.do("CONFIG", "SET", "maxmemory", 1)
    (outcome,) = await store.append([draft(keys=("k",))])
    assert isinstance(outcome, DiskFullError)
    with pytest.raises(NotStoredError):
        await store.ping()
    own_server.do("CONFIG", "SET", "maxmemory", 0)
    await store.ping()
    assert len(await everything(store)) == 1
    (again,) = await store.append([draft(keys=("k",))])
    assert isinstance(again, Appended)
    assert not again.duplicate


@pytest.mark.slow
async def test_a_server_that_is_down_is_certainly_not_stored(
    own_server: RedisServer, open_redis: OpenRedis
) -> None:
    """While there is no connection a publish is refused at once, and so is the probe of readiness."""
    store = await open_redis(own_server.url)
    await put(store, draft())
    wire = await store._writes.connected()
    await asyncio.to_thread(own_server.kill)
    await wire.lost
    for _ in range(3):
        (outcome,) = await at_once(store.append([draft()]))
        assert isinstance(outcome, NotStoredError)
        with pytest.raises(NotStoredError):
            await at_once(store.ping())
    await asyncio.to_thread(own_server.start)
    await store._writes.connected()
    await put(store, draft())


@pytest.mark.slow
async def test_a_reply_cut_after_the_commit_is_unknown_and_its_retry_a_duplicate(
    redis_server: RedisServer, open_redis: OpenRedis
) -> None:
    """The duplicate maker: the command ran, the answer is lost. Nothing is sent twice by us; the retry is the same message."""
    async with Proxy(redis_server.address) as proxy, open_redis:
        behind, beside = await open_redis(through(proxy)), await open_redis(redis_server.url)
        rounds = 10
        for number in range(rounds):
            wire = await behind._writes.connected()
            proxy.mode = "cut_reply"
            cut = proxy.replies_cut
            keyed = draft(data=b"%d" % number, keys=(f"k{number}",))
            (outcome,) = await behind.append([keyed])
            assert isinstance(outcome, UnknownOutcomeError)
            assert proxy.replies_cut > cut
            proxy.mode = "pass"
            (again,) = await beside.append([keyed])
            assert isinstance(again, Appended)
            assert again.duplicate
            await wire.lost
            await behind._writes.connected()
        assert [record.data for record in await everything(beside)] == [
            b"%d" % number for number in range(rounds)
        ]


@pytest.mark.slow
async def test_a_blackhole_is_unknown_by_the_deadline_and_then_refused(
    redis_server: RedisServer, open_redis: OpenRedis
) -> None:
    """What was sent into silence is 504 by the deadline; what comes after it is 503 at once, until it heals."""
    async with Proxy(redis_server.address) as proxy, open_redis:
        store = await open_redis(through(proxy))
        wire = await store._writes.connected()
        proxy.blackhole()
        sent = store.append([draft(keys=("k",))])
        await asyncio.sleep(0)  # the end of the tick
        await out_of_time(wire)
        assert isinstance((await sent)[0], UnknownOutcomeError)
        assert isinstance((await at_once(store.append([draft()])))[0], NotStoredError)
        reads = await store._reads.connected()
        proxy.mode = "pass"
        proxy.cut()
        await reads.lost
        await store._reads.connected()
        await store._writes.connected()
        await put(store, draft(keys=("k",)))
        assert len(await everything(store)) == 1


@pytest.mark.slow
async def test_a_forgotten_connection_is_found_out(redis_server: RedisServer, open_redis: OpenRedis) -> None:
    """Half open: our side is gone, the server's stays. A new connection carries on, nothing is stored twice."""
    async with Proxy(redis_server.address) as proxy, open_redis:
        store = await open_redis(through(proxy))
        await put(store, draft())
        async with reconnecting(store):
            proxy.forget_clients()
            proxy.mode = "pass"
        await put(store, draft())
        assert len(await everything(store)) == 2
        assert proxy.hub_closes == 0, "the server was told"


async def test_a_long_way_holds_up_no_line(redis_server: RedisServer, open_redis: OpenRedis) -> None:
    """Calls do not wait for each other's replies: all are on their way before the first is answered."""
    async with Proxy(redis_server.address) as proxy, open_redis:
        store = await open_redis(through(proxy))
        wire = await store._writes.connected()
        proxy.blackhole()
        futures = []
        for number in range(20):
            futures.append(store.append([draft(data=b"%d" % number, keys=(f"k{number % 10}", f"u{number}"))]))
            await asyncio.sleep(0)  # a turn, and so a call, of its own
        await asyncio.sleep(0)
        assert len(wire._waiting) == 20
        proxy.go_on()
        outcomes = [outcome for (outcome,) in await asyncio.gather(*futures)]
        assert not any(isinstance(one, UnknownOutcomeError | NotStoredError) for one in outcomes)
        stored = [one.cursor.position for one in outcomes[:10] if isinstance(one, Appended)]
        assert len(stored) == 10
        assert stored == sorted(stored)
        assert all(isinstance(one, KeyConflictError) for one in outcomes[10:])


@pytest.mark.parametrize("count", [200, pytest.param(10_000, marks=[pytest.mark.chaos, pytest.mark.slow])])
async def test_cancelled_publishes_leave_the_others_their_own_answers(store: RedisStore, count: int) -> None:
    """Publishes cancelled in any state: each answer that is delivered is that of its own message."""
    futures = []
    for number in range(count):
        future = store.append([draft(data=b"%d" % number)])
        futures.append(future)
        if number % 3 == 0:
            future.cancel()
        if number % 7 == 0:
            await asyncio.sleep(0)
        if number % 11 == 0:
            futures[number // 2].cancel()
    answered = 0
    for number, future in enumerate(futures):
        if future.cancelled():
            continue
        (outcome,) = await future
        assert isinstance(outcome, Appended)
        record = await store.get(outcome.cursor.position)
        assert record is not None
        assert record.data == b"%d" % number
        answered += 1
    assert answered > count / 3


@pytest.mark.slow
async def test_too_few_replicas_are_never_a_2xx(tmp_path: Path, open_redis: OpenRedis) -> None:
    """With `wait_replicas` a publish that a stopped replica did not confirm is 504; with it, it is a 2xx."""
    need_redis()
    with (
        RedisServer(tmp_path / "a") as primary,
        RedisServer(tmp_path / "b", replica_of=primary.address) as replica,
    ):
        await asyncio.to_thread(replica.catch_up_with, primary)
        store, hasty = (
            await open_redis(primary.url, wait=(1, 5000)),
            await open_redis(primary.url, wait=(1, 100)),
        )
        assert store.durability == "redis-memory+wait1"
        await put(store, draft(keys=("a",)))
        replica.pause()
        first, again = [await hasty.append([draft(keys=("b",))]) for _ in range(2)]
        assert isinstance(first[0], UnknownOutcomeError)
        assert isinstance(again[0], UnknownOutcomeError), "a duplicate is not confirmed either"
        replica.resume()
        (third,) = await store.append([draft(keys=("b",))])
        assert isinstance(third, Appended)
        assert third.duplicate


async def test_close_answers_what_was_appended(redis_server: RedisServer, open_redis: OpenRedis) -> None:
    """Also when the server has fallen silent: by the deadline."""
    async with Proxy(redis_server.address) as proxy, open_redis:
        store = await open_redis(through(proxy))
        proxy.blackhole()
        wire = await store._writes.connected()
        sent = store.append([draft()])
        closing = asyncio.ensure_future(store.close())
        await asyncio.sleep(0)
        await out_of_time(wire)
        await closing
        assert isinstance(sent.result()[0], UnknownOutcomeError)


@pytest.mark.parametrize("where", ["_words", "_settle_each"])
async def test_a_defect_costs_one_call(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    """Whatever sending or answering raises, who waits is told that the outcome is unknown, and the next call goes on."""

    def defect(*_: object) -> None:
        raise ZeroDivisionError("never expected")

    with monkeypatch.context() as patch:
        patch.setattr(store._writer, where, defect)
        outcomes = await store.append([draft(data=b"1"), draft(data=b"2")])
    assert [type(one) for one in outcomes] == [UnknownOutcomeError] * 2
    assert "a defect in" in caplog.text
    await put(store, draft())


@pytest.mark.slow
async def test_a_reader_with_a_defect_is_not_ready(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """While it cannot read, readiness says so; it goes on by itself, with everything that was published meanwhile."""
    reader = store._reader
    assert reader is not None
    failed = asyncio.Event()

    def defect(*_: object) -> None:
        failed.set()
        raise ZeroDivisionError("never expected")

    start = (await store.bounds()).newest
    with monkeypatch.context() as patch:
        patch.setattr(reader, "_take", defect)
        (cursor,) = await put(store, draft())
        await failed.wait()
        async with asyncio.timeout(5):
            while not reader.broken:  # noqa: ASYNC110  it tells nobody
                await asyncio.sleep(0.001)
        with pytest.raises(NotStoredError, match="cannot be read"):
            await store.ping()
    assert "a defect in reading the log in Redis" in caplog.text
    assert len(await heard(store, start, 1)) == 1
    await level(store, cursor)
    await store.ping()
