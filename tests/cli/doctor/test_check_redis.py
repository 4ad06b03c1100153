"""What a Redis server may be set to that a log must not stand on: each is named, by the real server."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import msgspec
import pytest
from tests.support.redis_server import RedisServer, need_redis
from tests.support.server import ROOT, stable_port

from fast_sse.cli.doctor import check_redis
from fast_sse.cli.doctor.ask_redis import ServerFacts, ask_redis
from fast_sse.cli.doctor.check_redis import (
    Wanted,
    access,
    clients,
    clock,
    durability,
    eviction,
    judged,
    memory,
    replicas,
    rights,
    round_trip,
    server,
    writes,
)
from fast_sse.cli.doctor.findings import Finding
from fast_sse.config import load
from fast_sse.model.limits import MIB
from fast_sse.store.letters import LetterBounds
from fast_sse.store.redis.commands import commands
from fast_sse.store.redis.store import RedisStore
from fast_sse.store.redis.target import target

WANTED = Wanted(wait_replicas=0, max_bytes=64 * MIB, body_bytes_max=4 * MIB)
SECRET = "0123456789abcdef" * 4
SAFE = ("maxmemory 1gb", "appendonly yes", "appendfsync always")


def asked(url: str, wanted: Wanted = WANTED) -> dict[str, Finding]:
    """Every line about a server that runs, by its name."""
    sent = commands("fast-sse", wait_replicas=wanted.wait_replicas)
    return {finding.name: finding for finding in judged(ask_redis(target(url), sent), wanted)}


@pytest.mark.wire
@pytest.mark.slow
def test_a_server_set_up_as_the_docs_say_is_green(tmp_path: Path) -> None:
    """noeviction, a bound, synced before each answer: nothing to do, and nothing of ours stays in it."""
    need_redis()
    with RedisServer(tmp_path, options=SAFE) as running:
        found = asked(running.url)
        assert {name: finding.found for name, finding in found.items() if finding.level != "green"} == {}
        assert found["durability"].found.startswith("redis-always")
        assert running.do("DBSIZE") == 0


UNSAFE: dict[str, tuple[tuple[str, ...], str, str, str]] = {
    "evicts the log": (("maxmemory-policy allkeys-lru",), "redis eviction", "red", "drops the log"),
    "evicts the keys": (("maxmemory-policy volatile-ttl",), "redis eviction", "red", "idempotency keys"),
    "would evict": (
        ("maxmemory 0", "maxmemory-policy allkeys-lru"),
        "redis eviction",
        "yellow",
        "as soon as maxmemory is set",
    ),
    "no bound": (("maxmemory 0",), "redis memory", "yellow", "set maxmemory"),
    "too little memory": (("maxmemory 100mb",), "redis memory", "yellow", "lower it, or raise"),
    "full": (("maxmemory 1kb",), "redis memory", "red", "retention.max_bytes"),
    "no file": (("appendonly no",), "durability", "yellow", "appendonly yes"),
    "synced by the kernel": (("appendfsync no",), "durability", "yellow", "appendfsync always"),
    "synced each second": (("appendfsync everysec",), "durability", "yellow", "power cut"),
    "not during rewrites": (("no-appendfsync-on-rewrite yes",), "durability", "yellow", "on-rewrite no"),
    # By default its second port is the first plus 10,000, whoever has that.
    "a cluster": (("cluster-enabled yes", f"cluster-port {stable_port()}"), "redis", "red", "single server"),
    "no replica": (("min-replicas-to-write 1",), "redis writes", "red", "replicas"),
    "closes idle writers": (("timeout 60",), "redis clients", "yellow", "timeout 0"),
    "closes lagging readers": (
        ("client-output-buffer-limit normal 1mb 0 0",),
        "redis clients",
        "yellow",
        "catches up",
    ),
    "short strings": (("proto-max-bulk-len 1mb",), "redis clients", "red", "longest message"),
    "no keepalive": (("tcp-keepalive 0",), "redis clients", "yellow", "tcp-keepalive"),
    "a user without writes": (
        ("user default on nopass ~* +@all -xadd",),
        "redis rights",
        "red",
        "allow them to the hub's user",
    ),
    "a user of other keys": (
        ("user default on nopass ~other:* +@all",),
        "redis rights",
        "red",
        "on the keys",
    ),
    "a user that may not ask for settings": (
        ("user default on nopass ~* +@all -config",),
        "redis rights",
        "yellow",
        "how durable",
    ),
    "a user that may not ask at all": (
        ("user default on nopass ~* +@all -config -info",),
        "redis",
        "red",
        "allow INFO",
    ),
    "a user that may not load scripts": (
        ("user default on nopass ~* +@all -script",),
        "redis rights",
        "yellow",
        "(+script|load)",
    ),
}


@pytest.mark.wire
@pytest.mark.slow
@pytest.mark.parametrize("case", UNSAFE)
def test_each_unsafe_setting_is_named(tmp_path: Path, case: str) -> None:
    """A real server with one thing wrong: the line about it has the colour, and says what to do."""
    need_redis()
    options, name, level, advice = UNSAFE[case]
    with RedisServer(tmp_path, options=(*SAFE, *options)) as running:
        finding = asked(running.url)[name]
    assert (finding.level, advice in finding.advice) == (level, True), finding


@pytest.mark.wire
@pytest.mark.slow
def test_replicas_are_counted_and_not_written_to(tmp_path: Path) -> None:
    """One replica: enough to wait for one, not for two; itself it is no server for a hub."""
    need_redis()
    with (
        RedisServer(tmp_path / "a", options=SAFE) as primary,
        RedisServer(tmp_path / "b", options=SAFE, replica_of=primary.address) as replica,
    ):
        replica.catch_up_with(primary)
        levels = [
            asked(primary.url, msgspec.structs.replace(WANTED, wait_replicas=count))["replicas"].level
            for count in (0, 1, 2)
        ]
        assert levels == ["yellow", "yellow", "red"]
        primary.do("CONFIG", "SET", "min-replicas-to-write", "1")
        assert (
            asked(primary.url, msgspec.structs.replace(WANTED, wait_replicas=1))["replicas"].level == "green"
        )
        assert asked(replica.url)["redis"].found.endswith("a replica")
        assert asked(replica.url)["redis writes"].found == "refused: READONLY"


FACTS = ServerFacts(place="cache.example:6379", host="cache.example")


@pytest.mark.parametrize(
    ("facts", "level"),
    [
        ({"tls": True, "password": True}, "green"),
        ({"tls": True}, "yellow"),
        ({"password": True}, "yellow"),
        ({}, "red"),
        ({"host": "127.0.0.1"}, "green"),
        ({"host": "::1"}, "green"),
    ],
)
def test_a_server_across_a_network_needs_tls_and_a_password(facts: dict[str, object], level: str) -> None:
    """Both: green; one: yellow; none: red, since whoever reaches it owns the log."""
    assert access(msgspec.structs.replace(FACTS, **facts)).level == level


def test_dead_letters_are_reckoned_with() -> None:
    """They lie beside the log, in the same memory: messages up to their bound, and poison up to a quarter of it."""
    info = {"used_memory": "0", "maxmemory": str(64 * MIB * 3 + 30 * MIB)}
    facts = msgspec.structs.replace(FACTS, info=info)
    fits, too_much = (memory(facts, 64 * MIB, LetterBounds(max_bytes=letters * MIB)) for letters in (8, 9))
    assert (fits.level, too_much.level) == ("green", "yellow")
    assert "dead letters (11 MiB)" in too_much.advice


def test_the_bound_of_dead_letters_is_that_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that may keep more of them needs a server with more memory."""
    info = {"used_memory": "0", "maxmemory": str(1 << 30)}
    facts = msgspec.structs.replace(FACTS, info=info)
    monkeypatch.setattr(check_redis, "ask_redis", lambda *_: facts)
    levels = []
    for letters in (64, 256):
        given = {"retention": {"max_bytes": 64 * MIB}, "dead_letters": {"max_bytes": letters * MIB}}
        config = load(None, {"auth": {"secret": SECRET}, "store": "redis", **given})
        levels += [one.level for one in check_redis.redis(config) if one.name == "redis memory"]
    assert levels == ["green", "yellow"]


def test_what_a_server_does_not_tell_is_yellow() -> None:
    """A managed server refuses CONFIG: each line then says what to make sure of, and none is green by luck.

    Without INFO a hub does not start, so that is red.
    """
    silent = [
        eviction(FACTS),
        memory(FACTS, 1, LetterBounds()),
        durability(FACTS, 0),
        clients(FACTS, 1),
        server(FACTS),
    ]
    assert [finding.level for finding in silent] == ["yellow"] * 4 + ["red"]
    assert all(finding.advice for finding in silent)


@pytest.mark.parametrize(
    ("info", "level"),
    [
        ({"redis_version": "7.0.15", "redis_mode": "standalone", "role": "master"}, "green"),
        ({"redis_version": "8.2.1", "redis_mode": "standalone", "role": "master"}, "green"),
        ({"redis_version": "6.0.16", "redis_mode": "standalone", "role": "master"}, "red"),
        ({"redis_version": "7.0.15", "redis_mode": "sentinel"}, "red"),
        ({"redis_version": "7.0.15", "redis_mode": "standalone", "role": "master", "loading": "1"}, "yellow"),
    ],
)
def test_the_kind_of_server(info: dict[str, str], level: str) -> None:
    """Old ones and sentinels are refused, one that loads is waited for."""
    assert server(msgspec.structs.replace(FACTS, info=info)).level == level


@pytest.mark.parametrize(
    ("facts", "level"),
    [
        ({"refused": {"XADD": "MISCONF"}}, "red"),
        ({"info": {"aof_last_write_status": "err"}}, "red"),
        ({"info": {"rdb_last_bgsave_status": "err"}}, "yellow"),
        ({"info": {"aof_last_bgrewrite_status": "err"}}, "yellow"),
        ({}, "green"),
    ],
)
def test_a_disk_that_fails_is_named(facts: dict[str, dict[str, str]], level: str) -> None:
    """A refused write and a file that cannot be written are red, what is only a copy is yellow."""
    assert writes(msgspec.structs.replace(FACTS, **facts)).level == level


def test_rights_that_cannot_be_tried_are_yellow() -> None:
    """Without MULTI nothing is known of the rights, which is not the same as having them."""
    assert rights(msgspec.structs.replace(FACTS, refused={"MULTI": "NOPERM"})).level == "yellow"


def test_far_and_wrong_clocks() -> None:
    """Five milliseconds a publish and two seconds of difference are worth a look."""
    far = msgspec.structs.replace(FACTS, round_trip_ms=8.0, clock_ahead_s=-3600.0)
    assert [round_trip(far).level, clock(far).level] == ["yellow", "yellow"]
    assert [round_trip(FACTS).level, clock(FACTS).level] == ["green", "green"]
    assert "-3600.000 s" in clock(far).found


def test_waiting_for_replicas_that_are_not_there() -> None:
    """Each publish would be 504: red, and not found out by the first one."""
    assert replicas(msgspec.structs.replace(FACTS, info={"connected_slaves": "0"}), 1).level == "red"


DURABLE = {
    "no file": ("appendonly no",),
    "snapshots": ("appendonly no", "save 60 1"),
    "everysec": ("appendonly yes", "appendfsync everysec"),
    "always": ("appendonly yes", "appendfsync always"),
    "left to the kernel": ("appendonly yes", "appendfsync no"),
    "not during rewrites": ("appendonly yes", "appendfsync always", "no-appendfsync-on-rewrite yes"),
    "CONFIG forbidden": (
        "appendonly yes",
        "appendfsync always",
        "user default on nopass ~* &* +@all -config",
    ),
    "CONFIG forbidden, no file": ("appendonly no", "user default on nopass ~* &* +@all -config"),
}


@pytest.mark.wire
@pytest.mark.slow
@pytest.mark.parametrize("wait_replicas", [0, 2])
@pytest.mark.parametrize("case", DURABLE)
async def test_doctor_and_hub_say_the_same_word(tmp_path: Path, case: str, wait_replicas: int) -> None:
    """About one real server, in each of its configurations: the line begins with the word of the hub's answers."""
    need_redis()
    with RedisServer(tmp_path, options=DURABLE[case]) as running:
        store = RedisStore(running.url, wait=(wait_replicas, 10))
        await store.open()
        wanted = msgspec.structs.replace(WANTED, wait_replicas=wait_replicas)
        found = (await asyncio.to_thread(asked, running.url, wanted))["durability"].found
        assert re.split("[:,]", found)[0] == store.durability
        await store.close()


@pytest.mark.wire
@pytest.mark.slow
def test_the_user_of_the_docs_has_every_right_that_is_needed(tmp_path: Path) -> None:
    """docs/store-redis.md shows an ACL: on a real server it allows all that the store does, and tells how durable it is."""
    need_redis()
    page = (ROOT / "docs" / "store-redis.md").read_text()
    (words,) = re.findall(r"`ACL SETUSER hub on >PASSWORD ([^`]+)`", page)
    with RedisServer(tmp_path, options=(*SAFE, f"user hub on >PASSWORD {words}")) as running:
        found = asked(running.url.replace("redis://", "redis://hub:PASSWORD@"))
    assert (found["redis rights"].level, found["durability"].level) == ("green", "green"), found
