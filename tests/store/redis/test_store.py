"""What only the Redis store does; everything that it shares with the others is in tests/contract."""

from __future__ import annotations

import time

import pytest
from tests.contract.asserting import put
from tests.contract.backends import draft
from tests.store.redis.conftest import OpenRedis
from tests.support.redis_server import RedisServer

from fast_sse.model.errors import ConfigError, StoreClosedError
from fast_sse.store.base import Appended
from fast_sse.store.redis.store import RedisStore

pytestmark = pytest.mark.wire


async def test_the_probe_has_its_own_key(store: RedisStore, redis_server: RedisServer) -> None:
    """Readiness writes beside the log, and what it writes ends by itself."""
    before = await store.bounds()
    await store.ping()
    assert await store.bounds() == before
    assert 0 < redis_server.do("TTL", f"{store._log.prefix}ping") <= 60


async def test_a_key_is_known_on_every_node(redis_server: RedisServer, open_redis: OpenRedis) -> None:
    """The same key on two nodes at once is one message (F7)."""
    one, other = await open_redis(redis_server.url), await open_redis(redis_server.url)
    for number in range(30):
        keyed = draft(keys=(f"k{number}",))
        first, second = one.append([keyed]), other.append([keyed])
        outcomes = [(await first)[0], (await second)[0]]
        assert all(isinstance(outcome, Appended) for outcome in outcomes)
        assert len({outcome.cursor for outcome in outcomes if isinstance(outcome, Appended)}) == 1
        assert sorted(outcome.duplicate for outcome in outcomes if isinstance(outcome, Appended)) == [
            False,
            True,
        ]


async def test_a_cursor_of_another_node_is_asked_of_redis(
    redis_server: RedisServer, open_redis: OpenRedis
) -> None:
    """After a hop a node's own reader may lag: a cursor that Redis knows is never `ahead`."""
    one, other = await open_redis(redis_server.url), await open_redis(redis_server.url)
    for _ in range(50):
        (cursor,) = await put(one, draft())
        assert (await other.bounds()).newest == cursor


async def test_the_time_is_the_server_s(
    redis_server: RedisServer, open_redis: OpenRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node whose own clock is an hour ahead, before or after it connected, judges lifetimes by the server's."""
    right_ms, wrong = time.time_ns() // 1_000_000, time.time_ns() + 3_600 * 10**9
    early = await open_redis(redis_server.url)
    monkeypatch.setattr(time, "time_ns", lambda: wrong)
    late = await open_redis(redis_server.url)
    for store in (early, late):
        await store.trim()
        assert abs(store.now_ms() - right_ms) < 60_000


async def test_a_store_is_opened_once(store: RedisStore) -> None:
    """A second `open` is refused and disturbs nothing."""
    with pytest.raises(StoreClosedError):
        await store.open()
    await put(store, draft())


def test_a_wrong_url_is_a_setting() -> None:
    """It is refused before anything is connected."""
    with pytest.raises(ConfigError, match=r"redis\.url"):
        RedisStore("http://cache")
