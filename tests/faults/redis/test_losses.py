"""Redis dies, fails over or is flushed under load: what is lost is what its settings allow, and every stream is told once.

kill -9 leaves the page cache, so it cannot show that Redis' fsync comes first: that is the server's promise, and
what `durability` names. What it shows is that the hub claims no more than that, and hides nothing.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.faults.counts import REDIS_KILLS, REDIS_LOST, Record, each_scale
from tests.faults.crowd import Crowd
from tests.faults.redis.losses import hub_on, lost_to, one_of_each, reasons, server_dies, until
from tests.support.publisher import Message
from tests.support.redis_pair import paired
from tests.support.redis_server import Persistence, RedisServer, need_redis

pytestmark = pytest.mark.wire


@each_scale
@pytest.mark.parametrize("persistence", ["none", "everysec", "always"])
async def test_a_killed_redis_loses_what_its_mode_says(
    tmp_path: Path, scale: str, persistence: Persistence, record: Record
) -> None:
    """With `always` nothing acknowledged is lost and no stream has a gap; otherwise a loss is one gap for each stream."""
    need_redis()
    count = REDIS_KILLS[scale]
    run = await server_dies(tmp_path, persistence=persistence, kills=count.kills, messages=count.messages)
    record(f"{run.report.counts['messages']:,} messages, {count.kills} kills", run.figure)
    assert run.refused >= count.kills, "publishes are 503 while Redis is down"
    assert run.bit > 0.5 * count.kills, run.figure
    if persistence == "always":
        run.report.assert_clean()
    elif persistence == "none":
        assert run.gaps == [["epoch"] * count.kills] * len(run.gaps)
    for gaps, lost in zip(run.gaps, run.lost, strict=True):
        assert len(gaps) <= count.kills, "one loss is one gap"
        for message in lost:
            assert gaps, f"{message.payload} was lost and nobody was told"
            assert message.attempts[-1].invoked_ns < run.killed_ns[-1], "lost without a kill"
    assert not run.report.defects["leak"] + run.report.defects["phantom"] + run.report.defects["final"]


@each_scale
async def test_a_failover_without_wait_discloses_every_loss(
    tmp_path: Path, scale: str, record: Record
) -> None:
    """A replica that lagged is promoted: what it never had is lost, and each stream past it is told exactly once."""
    count = REDIS_LOST[scale]
    async with paired(tmp_path) as pair, hub_on(tmp_path, pair.url) as hub, Crowd(hub.public) as crowd:
        await one_of_each(crowd)
        assert await crowd.drain()
        await pair.lag()
        before = len(crowd.messages)
        await crowd.publish(count)
        assert await crowd.drain()
        doomed = {message.payload for message in crowd.messages[:]} - {
            message.payload for publisher in crowd.publishers for message in publisher.history[: before // 4]
        }
        assert len(doomed) == count
        await pair.fail_over()
        await one_of_each(crowd)
        assert await crowd.drain()
        gaps = [reasons(client) for client in crowd.clients]
        assert gaps == [["lost_tail"]] * len(gaps)
        assert lost_to(crowd) == [[]] * len(gaps), "all were live, and saw what is now gone"
        await crowd.join_late()
        late = crowd.clients[-1]
        await until(lambda: len(late.events) >= len(crowd.messages) - count)
        assert {message.payload for message in lost_to(crowd)[-1]} == doomed
        report = crowd.report()
        assert not [
            kind for kind in ("duplicate", "reorder", "leak", "phantom", "final") if report.defects[kind]
        ]
        record(
            f"{count:,} lost",
            f"{len(doomed):,} lost, {len(gaps)} streams past them, {len(gaps)} gaps, 0 silent",
        )


@each_scale
async def test_a_failover_with_wait_loses_nothing_acknowledged(
    tmp_path: Path, scale: str, record: Record
) -> None:
    """With `wait_replicas = 1` what the replica did not confirm was 504, and its retry is stored after the failover."""
    count = min(REDIS_LOST[scale], 200)
    settings = {"FAST_SSE_REDIS__WAIT_REPLICAS": "1", "FAST_SSE_REDIS__WAIT_MS": "100"}
    async with paired(tmp_path) as pair:
        await until(lambda: pair.primary.info("replication")["slave0"]["state"] == "online")
        async with hub_on(tmp_path, pair.url, **settings) as hub, Crowd(hub.public, publishers=8) as crowd:
            await one_of_each(crowd)
            await pair.lag()
            unknown: list[Message] = []
            while len(unknown) < count:
                unknown += await asyncio.gather(*(one.publish(("car0", "sold")) for one in crowd.publishers))
            assert {message.outcome for message in unknown} == {"unknown"}
            assert {attempt.status for message in unknown for attempt in message.attempts} == {504}
            await pair.fail_over()
            with RedisServer(tmp_path / "c", replica_of=pair.replica.address):
                for publisher in crowd.publishers:
                    for message in [one for one in publisher.history if one.outcome == "unknown"]:
                        while message.outcome != "ok":
                            await publisher.repeat(message)
                await one_of_each(crowd)
                assert await crowd.drain()
                await crowd.join_late()
                late = crowd.clients[-1]
                await until(lambda: len({event.id for event in late.events}) >= len(crowd.messages))
                assert lost_to(crowd) == [[]] * len(crowd.clients)
                assert all(reasons(client) == ["lost_tail"] for client in crowd.clients[:-1])
            record(f"{len(unknown)} unconfirmed", f"{len(crowd.messages):,} acknowledged, 0 lost")


@pytest.mark.slow
async def test_flushall_is_one_gap_for_each_stream(tmp_path: Path) -> None:
    """Everything is gone and no connection was cut: each stream is told once, and goes on with the new log."""
    need_redis()
    with RedisServer(tmp_path / "redis") as server:
        async with hub_on(tmp_path, server.url) as hub, Crowd(hub.public) as crowd:
            await one_of_each(crowd)
            assert await crowd.drain()
            server.do("FLUSHALL")
            await one_of_each(crowd)
            assert await crowd.drain()
            assert [reasons(client) for client in crowd.clients] == [["epoch"]] * len(crowd.clients)
            assert lost_to(crowd) == [[]] * len(crowd.clients)


@pytest.mark.slow
async def test_poison_in_the_log_stops_no_stream(tmp_path: Path) -> None:
    """Garbage under our key, of several kinds: streams of everything are told where it lies, the others notice nothing."""
    need_redis()
    with RedisServer(tmp_path / "redis") as server:
        async with hub_on(tmp_path, server.url) as hub, Crowd(hub.public) as crowd:
            await one_of_each(crowd)
            assert await crowd.drain()
            (log,) = server.do("KEYS", "*:log")
            server.do("XADD", log, "*", "a", "b")
            await one_of_each(crowd)
            server.do("XADD", log, "*", "data", b"\xff\xed\xa0\x80")
            await one_of_each(crowd)
            assert await crowd.drain()
            assert lost_to(crowd) == [[]] * len(crowd.clients)
            for pattern, client in zip(crowd.patterns, crowd.clients, strict=True):
                expected = ["unreadable"] * 2 if pattern == ("*", "*") else []
                assert reasons(client) == expected, pattern
            report = crowd.report()
            assert not [kind for kind in ("duplicate", "reorder", "leak", "phantom") if report.defects[kind]]


@pytest.mark.slow
async def test_a_hub_waits_for_a_redis_that_is_down_at_its_start(tmp_path: Path) -> None:
    """It is not ready, says so, and needs nobody's help once Redis is there."""
    need_redis()
    server = RedisServer(tmp_path / "redis")
    hub = hub_on(tmp_path, server.url)
    starting = asyncio.ensure_future(hub.astart())
    try:
        await until(lambda: hub.log.exists() and "store is not available" in hub.log.read_text())
        assert not starting.done()
        await asyncio.to_thread(server.start)
        await starting
        async with Crowd(hub.public) as crowd:
            await one_of_each(crowd)
            assert await crowd.drain()
            crowd.report().assert_clean()
    finally:
        await asyncio.to_thread(hub.end)
        if server.alive():
            await asyncio.to_thread(server.kill)
