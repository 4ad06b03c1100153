"""What a server's settings promise, read from the real thing."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.store.redis.conftest import OpenRedis, reconnecting
from tests.support.redis_server import Persistence, RedisServer, need_redis
from tests.support.server import stable_port

from fast_sse.model.errors import ConfigError, UnavailableError

pytestmark = [pytest.mark.wire, pytest.mark.slow]

_EVERYTHING = "~* &* +@all"


@pytest.mark.parametrize(
    ("persistence", "word"), [("none", "memory"), ("everysec", "everysec"), ("always", "always")]
)
async def test_durability_is_what_the_server_is_set_to(
    persistence: Persistence, word: str, tmp_path: Path, open_redis: OpenRedis
) -> None:
    """The word of every answer names the append-only file's policy, and the replicas that must confirm."""
    need_redis()
    with RedisServer(tmp_path / "redis", persistence=persistence) as server:
        assert (await open_redis(server.url)).durability == f"redis-{word}"
        assert (await open_redis(server.url, wait=(2, 5))).durability == f"redis-{word}+wait2"


async def test_a_reconnect_may_change_the_word(tmp_path: Path, open_redis: OpenRedis) -> None:
    """After a failover the store says what the server of now is set to, and it is one string until that changes."""
    need_redis()
    with RedisServer(tmp_path / "redis", persistence="always") as server:
        store = await open_redis(server.url, wait=(0, 5))
        assert store.durability == "redis-always"
        assert store.durability is store.durability
        server.do("CONFIG", "SET", "appendonly", "no")
        async with reconnecting(store):
            server.do("CLIENT", "KILL", "TYPE", "normal")
        assert store.durability == "redis-memory"


async def test_a_forbidden_config_is_said_to_be_unknown(tmp_path: Path, open_redis: OpenRedis) -> None:
    """Where a user may not ask CONFIG, an append-only file is promised nothing of; the log works as ever."""
    need_redis()
    options = (f"user hub on >secret {_EVERYTHING} -config",)
    with RedisServer(tmp_path / "redis", persistence="always", options=options) as server:
        store = await open_redis(server.url.replace("//", "//hub:secret@"))
        assert store.durability == "redis-unknown"


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_a_server_that_evicts_is_refused(policy: str, tmp_path: Path, open_redis: OpenRedis) -> None:
    """It would remove acknowledged messages and keys; without a maxmemory the policy never acts."""
    need_redis()
    with RedisServer(tmp_path / "redis", options=(f"maxmemory-policy {policy}",)) as server:
        await open_redis(server.url)
        server.do("CONFIG", "SET", "maxmemory", "100mb")
        with pytest.raises(ConfigError, match=f"redis.url: .*maxmemory-policy {policy}"):
            await open_redis(server.url)


async def test_a_cluster_is_refused(tmp_path: Path, open_redis: OpenRedis) -> None:
    """A node of a Redis Cluster says so, and the hub says that it is not supported."""
    need_redis()
    # By default its second port is the first plus 10,000, whoever has that.
    options = ("cluster-enabled yes", f"cluster-port {stable_port()}")
    with RedisServer(tmp_path / "redis", options=options) as server:
        leads = r"redis\.url: leads to a Redis Cluster, which is not supported"
        with pytest.raises(ConfigError, match=leads):
            await open_redis(server.url)


async def test_a_replica_is_not_available_yet(tmp_path: Path, open_redis: OpenRedis) -> None:
    """It may be promoted: the start is tried again, and works then."""
    need_redis()
    with (
        RedisServer(tmp_path / "a") as primary,
        RedisServer(tmp_path / "b", replica_of=primary.address) as replica,
    ):
        with pytest.raises(UnavailableError, match="replica"):
            await open_redis(replica.url)
        replica.do("REPLICAOF", "NO", "ONE")
        await open_redis(replica.url)
