"""What a server's settings promise: judged from its words, and read from the real thing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.store.redis.conftest import OpenRedis, reconnecting
from tests.support.redis_server import Persistence, RedisServer, need_redis
from tests.support.server import ROOT, stable_port

from fast_sse.model.errors import ConfigError, UnavailableError
from fast_sse.store.redis.server import PERSISTENCES, check, fields, judge

_EVERYTHING = "~* &* +@all"


FILE = {"aof_enabled": "1"}


@pytest.mark.parametrize(
    ("info", "settings", "word"),
    [
        ({}, {}, "memory"),
        ({"aof_enabled": "0"}, {"appendfsync": "always"}, "memory"),
        (FILE, {"appendfsync": "always"}, "always"),
        (FILE, {"appendfsync": "everysec"}, "everysec"),
        (FILE, {"appendfsync": "no"}, "no"),
        (FILE, {}, "unknown"),
        (FILE, {"appendfsync": "of tomorrow"}, "unknown"),
    ],
)
def test_persistence_is_what_the_server_says(
    info: dict[str, str], settings: dict[str, str], word: str
) -> None:
    """A file counts when it is on; how often it is synced counts when it is known. Nothing is hoped for."""
    server = judge(info, settings)
    assert server.persistence == word
    assert (server.durability(0), server.durability(3)) == (f"redis-{word}", f"redis-{word}+wait3")


def test_every_word_stands_in_the_docs() -> None:
    """docs/store-redis.md explains each word of durability in a row of its own, and no word that is never said."""
    page = (ROOT / "docs" / "store-redis.md").read_text()
    explained = re.findall(r"^\| .* \| `(redis-\w+)` \|", page, re.MULTILINE)
    assert sorted(explained) == sorted(f"redis-{word}" for word in PERSISTENCES)
    assert set(re.findall(r"`(redis-\w+)`", page)) == set(explained)


GOOD = {"redis_version": "7.0.15", "redis_mode": "standalone", "role": "master"}


@pytest.mark.parametrize(
    ("info", "error"),
    [
        ({}, None),
        ({"redis_version": "6.2.0"}, None),
        ({"redis_version": "6.0.16"}, ConfigError),
        ({"redis_version": "none"}, ConfigError),
        ({"redis_mode": "sentinel"}, ConfigError),
        ({"redis_mode": "cluster"}, ConfigError),
        ({"cluster_enabled": "1"}, ConfigError),
        ({"maxmemory": "1000", "maxmemory_policy": "noeviction"}, None),
        ({"maxmemory": "1000", "maxmemory_policy": "allkeys-lru"}, ConfigError),
        ({"maxmemory": "0", "maxmemory_policy": "allkeys-lru"}, None),
        ({"maxmemory": "much"}, None),
        ({"loading": "1"}, UnavailableError),
        ({"role": "slave"}, UnavailableError),
    ],
)
def test_what_cannot_hold_the_log_is_refused(info: dict[str, str], error: type[Exception] | None) -> None:
    """What will never work ends a hub at its start; what may pass is waited for."""
    server = judge({**GOOD, **info}, {})
    if error is None:
        check(server)
    else:
        with pytest.raises(error) as caught:
            check(server)
        assert type(caught.value) is error


def test_info_is_read_field_by_field() -> None:
    """Comments and empty lines are none, and a value may hold a colon or bytes that are no text."""
    text = b"# Server\r\nredis_version:7.0.15\r\n\r\nexecutable:/a:b\r\nodd:\xff\r\n"
    assert fields(text) == {"redis_version": "7.0.15", "executable": "/a:b", "odd": "\ufffd"}


@pytest.mark.wire
@pytest.mark.slow
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


@pytest.mark.wire
@pytest.mark.slow
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


@pytest.mark.wire
@pytest.mark.slow
async def test_a_forbidden_config_is_said_to_be_unknown(tmp_path: Path, open_redis: OpenRedis) -> None:
    """Where a user may not ask CONFIG, an append-only file is promised nothing of; the log works as ever."""
    need_redis()
    options = (f"user hub on >secret {_EVERYTHING} -config",)
    with RedisServer(tmp_path / "redis", persistence="always", options=options) as server:
        store = await open_redis(server.url.replace("//", "//hub:secret@"))
        assert store.durability == "redis-unknown"


@pytest.mark.wire
@pytest.mark.slow
@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_a_server_that_evicts_is_refused(policy: str, tmp_path: Path, open_redis: OpenRedis) -> None:
    """It would remove acknowledged messages and keys; without a maxmemory the policy never acts."""
    need_redis()
    with RedisServer(tmp_path / "redis", options=(f"maxmemory-policy {policy}",)) as server:
        await open_redis(server.url)
        server.do("CONFIG", "SET", "maxmemory", "100mb")
        with pytest.raises(ConfigError, match=f"redis.url: .*maxmemory-policy {policy}"):
            await open_redis(server.url)


@pytest.mark.wire
@pytest.mark.slow
async def test_a_cluster_is_refused(tmp_path: Path, open_redis: OpenRedis) -> None:
    """A node of a Redis Cluster says so, and the hub says that it is not supported."""
    need_redis()
    # By default its second port is the first plus 10,000, whoever has that.
    options = ("cluster-enabled yes", f"cluster-port {stable_port()}")
    with RedisServer(tmp_path / "redis", options=options) as server:
        leads = r"redis\.url: leads to a Redis Cluster, which is not supported"
        with pytest.raises(ConfigError, match=leads):
            await open_redis(server.url)


@pytest.mark.wire
@pytest.mark.slow
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
