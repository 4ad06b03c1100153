"""Rules of `ingest.lease`, on a real server: one holder at a time, and what a former one can still do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import pytest
import redis.asyncio
from redis.exceptions import ResponseError
from tests.ingest.conftest import until
from tests.support.redis_server import RedisServer

from fast_sse.ingest.lease import Lease, LeaseLostError

pytestmark = [pytest.mark.wire, pytest.mark.slow]


@pytest.fixture
async def client(server: RedisServer) -> AsyncIterator[redis.asyncio.Redis]:
    async with redis.asyncio.Redis.from_url(server.url) as client:
        yield client


def lease(client: redis.asyncio.Redis, key: str, node: str = "a", lease_s: float = 30.0) -> Lease:
    """A lease on a key; what it guards are lists of the same name."""
    return Lease(client, f"{key}:lease", (key,), node, lease_s)


async def test_one_node_has_it(client: redis.asyncio.Redis, queue: str) -> None:
    """While one holds it no other gets it, and it says whose it is; asked again, it is still the same one's."""
    first, second = lease(client, queue, "node-1"), lease(client, queue, "node-2")
    assert await first.acquire()
    assert not await second.acquire()
    assert await first.acquire()
    assert str(await client.get(f"{queue}:lease")).startswith("b'node-1:")


async def test_given_back_it_is_free(client: redis.asyncio.Redis, queue: str) -> None:
    """The next one gets it at once; a former holder cannot give away what is another's."""
    first, second = lease(client, queue), lease(client, queue)
    assert await first.acquire()
    await first.release()
    assert await second.acquire()
    await first.release()
    assert not await first.acquire()


async def test_silent_for_too_long_it_is_lost(client: redis.asyncio.Redis, queue: str) -> None:
    """Past its time another takes over; the former holder knows by its own clock, and cannot run a command."""
    first, second = lease(client, queue, lease_s=1.5), lease(client, queue)
    assert await first.acquire()
    first.check()
    async with asyncio.timeout(20):
        while not await second.acquire():
            pass
    with pytest.raises(LeaseLostError):
        first.check()
    with pytest.raises(LeaseLostError):
        await first.run(("RPUSH", queue, "x"))
    assert not await client.exists(queue)


class LateRedis:
    """A Redis whose replies take a while, by a clock that is moved by hand."""

    def __init__(self, late_s: float) -> None:
        self.now_s = 0.0
        self._late_s = late_s

    def monotonic(self) -> float:
        return self.now_s

    async def set(self, *_words: object, **_options: object) -> bool:
        self.now_s += self._late_s
        return True

    def register_script(self, _text: str) -> Callable[..., Awaitable[list[object]]]:
        async def script(**_arguments: object) -> list[object]:
            self.now_s += self._late_s
            return []

        return script


@pytest.mark.parametrize("renews", [False, True], ids=["taken", "renewed"])
async def test_a_lease_counts_from_the_request(monkeypatch: pytest.MonkeyPatch, renews: bool) -> None:
    """The server may have counted since the request came: a reply later than the lease is a lease that is over."""
    redis = LateRedis(0.3)
    monkeypatch.setattr("fast_sse.ingest.lease.time", redis)
    for lease_s in (0.25, 0.3):
        late = Lease(cast("Any", redis), "q:lease", (), "a", lease_s)
        await (late.run() if renews else late.acquire())
        with pytest.raises(LeaseLostError):
            late.check()
    in_time = Lease(cast("Any", redis), "q:lease", (), "a", 0.31)
    await (in_time.run() if renews else in_time.acquire())
    in_time.check()


async def test_a_server_that_forgot_the_lease_ends_it(client: redis.asyncio.Redis, queue: str) -> None:
    """After FLUSHALL nobody holds it, whatever the holder's clock says, until somebody takes it."""
    first = lease(client, queue)
    assert await first.acquire()
    await client.delete(f"{queue}:lease")
    with pytest.raises(LeaseLostError):
        await first.run()
    with pytest.raises(LeaseLostError):
        first.check()
    assert await first.acquire()
    first.check()


async def test_commands_run_in_one_step(client: redis.asyncio.Redis, queue: str) -> None:
    """Each command has its reply, in order; one that fails ends the step with its error."""
    holder = lease(client, queue)
    assert await holder.acquire()
    assert await holder.run() == []
    assert await holder.run(("RPUSH", queue, "a", "b"), ("LPOP", queue), ("LLEN", queue)) == [2, b"a", 1]
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await holder.run(("INCR", queue), ("RPUSH", queue, "never"))
    assert await client.llen(queue) == 1


async def test_use_renews(client: redis.asyncio.Redis, queue: str) -> None:
    """Every step moves the end away, in Redis and on the own clock."""
    holder = lease(client, queue)
    assert await holder.acquire()
    await client.pexpire(f"{queue}:lease", 10_000)
    holder._until_s = 0.0
    await holder.run()
    holder.check()
    assert await client.pttl(f"{queue}:lease") > 20_000


async def test_long_work_keeps_it(client: redis.asyncio.Redis, queue: str) -> None:
    """As long as work goes on the lease is renewed, for longer than it lasts."""
    holder, other = lease(client, queue, lease_s=3.0), lease(client, queue)
    assert await holder.acquire()
    end = asyncio.Event()

    async def work() -> str:
        await end.wait()
        return "done"

    holding = asyncio.create_task(holder.hold(asyncio.create_task(work())))
    for _ in range(4):  # each renewal comes after a third of it
        until_s = holder._until_s
        await until(lambda until_s=until_s: holder._until_s > until_s)  # type: ignore[misc]
        assert not await other.acquire()
    end.set()
    assert await holding == "done"


async def test_work_ends_with_the_lease(client: redis.asyncio.Redis, queue: str) -> None:
    """Lost in the middle of work, it stops the work at once."""
    holder = lease(client, queue, lease_s=0.15)
    assert await holder.acquire()
    work = asyncio.create_task(asyncio.sleep(60))
    holding = asyncio.create_task(holder.hold(work))
    await client.set(f"{queue}:lease", "another")
    with pytest.raises(LeaseLostError):
        await holding
    assert work.cancelled()


async def test_work_that_fails_says_so(client: redis.asyncio.Redis, queue: str) -> None:
    """The error of the work is the caller's to handle."""

    async def work() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await lease(client, queue).hold(asyncio.create_task(work()))


async def test_a_cancelled_holder_leaves_no_work_behind(client: redis.asyncio.Redis, queue: str) -> None:
    """Whoever is cancelled while work goes on takes the work along."""
    work = asyncio.create_task(asyncio.sleep(60))
    holding = asyncio.create_task(lease(client, queue).hold(work))
    await asyncio.sleep(0)
    holding.cancel()
    await until(work.done)
    assert work.cancelled()
    with pytest.raises(asyncio.CancelledError):
        await holding
