"""The doctor's look at a Redis server: what about its settings is unsafe for a log that must not lose or forget.

Each check is a function of what the server said (`ask_redis`) and of the store's own judgement of it. Where a server
does not say, as managed ones do not, the line is yellow and names the question for its operator.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from fast_sse.cli.doctor.ask_redis import ServerFacts, ask_redis
from fast_sse.cli.doctor.check_settings import is_loopback
from fast_sse.cli.doctor.findings import Finding
from fast_sse.config import Config
from fast_sse.model.errors import ConfigError, UnavailableError
from fast_sse.model.limits import MIB
from fast_sse.parts import REDIS_URL
from fast_sse.store.letters import LetterBounds
from fast_sse.store.redis.commands import commands
from fast_sse.store.redis.server import VERSION_MIN, number
from fast_sse.store.redis.target import target

#: Memory that one byte of `retention.max_bytes` or of dead letters may take, indexes, keys and the allocator included;
#: docs/store-redis.md.
MEMORY_FACTOR = 3.0
SLOW_MS = 5.0
#: Ids and ages are the server's time, `send_time` is the hub's. Further apart than this, they confuse people.
CLOCK_S_MAX = 2.0
_AT_START = "a hub does not start with this"


class Wanted(msgspec.Struct, frozen=True):
    """What the settings of a hub ask of its server."""

    wait_replicas: int
    max_bytes: int | None
    body_bytes_max: int
    letters: LetterBounds = LetterBounds()


def redis(config: Config) -> Iterator[Finding]:
    """Every check of the server that `redis.url` names. A server that is not there is one red line."""
    settings = config.redis
    url = REDIS_URL if settings.url is None else settings.url.get_secret_value()
    wanted = Wanted(
        settings.wait_replicas, config.kept.max_bytes, config.bounds.inflated_bytes_max, config.letter_bounds
    )
    try:
        place = target(url)
        sent = commands(settings.prefix, database=place.database, wait_replicas=wanted.wait_replicas)
        facts = ask_redis(place, sent)
    except ConfigError as error:
        yield Finding("redis", "red", error.message, f"{_AT_START}: change redis.url, or the server's users")
    except UnavailableError as error:
        advice = "start it, or set redis.url; until it answers a hub waits and is not ready"
        yield Finding("redis", "red", error.message, advice)
    else:
        yield from judged(facts, wanted)


def judged(facts: ServerFacts, wanted: Wanted) -> Iterator[Finding]:
    """Every check, in the order of the report."""
    yield server(facts)
    yield access(facts)
    yield rights(facts)
    yield eviction(facts)
    yield memory(facts, wanted.max_bytes, wanted.letters)
    yield durability(facts, wanted.wait_replicas)
    yield writes(facts)
    yield replicas(facts, wanted.wait_replicas)
    yield clients(facts, wanted.body_bytes_max)
    yield round_trip(facts)
    yield clock(facts)


def server(facts: ServerFacts) -> Finding:
    """Which server it is, and whether it is of a kind that a hub can use."""
    if not facts.info:
        found = f"{facts.place} refuses INFO"
        return Finding("redis", "red", found, f"{_AT_START}: allow INFO to the hub's user")
    it = facts.server
    found = f"{facts.place}, version {it.version}, {it.mode}"
    if it.mode != "standalone":
        return Finding("redis", "red", found, f"{_AT_START}: name a single server, its primary")
    if not it.primary:
        return Finding("redis", "red", f"{found}, a replica", "name the primary in redis.url")
    if it.loading:
        return Finding("redis", "yellow", f"{found}, still loading its data", "wait; a hub waits, too")
    if it.too_old:
        return Finding("redis", "red", found, f"upgrade it to {'.'.join(map(str, VERSION_MIN))} or later")
    return Finding("redis", "green", found)


def access(facts: ServerFacts) -> Finding:
    """Who else could reach the log, and what can be read on the way."""
    if is_loopback(facts.host):
        return Finding("redis access", "green", "on this machine")
    if not facts.password and not facts.tls:
        advice = "give the hub a user of its own (ACL SETUSER) and use rediss://"
        return Finding(
            "redis access",
            "red",
            f"{facts.host} asks for no password: any client that reaches it owns the log",
            advice,
        )
    if not facts.password:
        return Finding(
            "redis access",
            "yellow",
            f"{facts.host} asks for no password",
            "ask for one, or for client certificates",
        )
    if not facts.tls:
        advice = "use rediss://: password and messages cross the network as they are"
        return Finding("redis access", "yellow", f"{facts.host} without TLS", advice)
    return Finding("redis access", "green", f"{facts.host}, TLS, with a password")


def rights(facts: ServerFacts) -> Finding:
    """Whether each command that the store sends may be used, on its keys."""
    name = "redis rights"
    denied = sorted(name for name, code in facts.refused.items() if code in ("NOPERM", "unknown command"))
    if denied == ["MULTI"]:
        advice = "allow MULTI and DISCARD to the hub's user, or try the hub itself"
        return Finding(name, "yellow", "cannot be tried without MULTI", advice)
    found = f"refused: {', '.join(denied)}"
    lacking = {command.name: command.lacking for command in commands("")}
    if not all(lacking.get(one) for one in denied):
        return Finding(name, "red", found, "allow them to the hub's user, on the keys {<redis.prefix>}:*")
    if denied:
        allow = " ".join(f"+{one.lower().replace(' ', '|')}" for one in denied)
        losses = "; ".join(lacking[one] for one in denied)
        return Finding(name, "yellow", found, f"allow it to the hub's user ({allow}), or know that {losses}")
    return Finding(name, "green", "every command that the store sends is allowed")


def eviction(facts: ServerFacts) -> Finding:
    """Redis must never choose what to forget: `allkeys-*` drops the log, `volatile-*` the idempotency keys."""
    policy = facts.server.policy
    if not policy:
        return Finding("redis eviction", "yellow", "unknown", "make sure that maxmemory-policy is noeviction")
    if policy == "noeviction":
        return Finding("redis eviction", "green", policy)
    lost = "idempotency keys" if policy.startswith("volatile") else "the log"
    if not facts.server.evicts:
        advice = f"CONFIG SET maxmemory-policy noeviction: as soon as maxmemory is set, {policy} drops {lost}"
        return Finding("redis eviction", "yellow", f"{policy}, maxmemory is off", advice)
    advice = f"CONFIG SET maxmemory-policy noeviction, and in redis.conf: {policy} drops {lost} when memory is full"
    return Finding("redis eviction", "red", policy, advice)


def memory(facts: ServerFacts, max_bytes: int | None, letters: LetterBounds) -> Finding:
    """Whether what is to be kept fits: past `maxmemory` publishes are refused, past the machine's the server is killed."""
    if facts.refused.get("XADD") == "OOM":
        return Finding(
            "redis memory",
            "red",
            "full: publishes are refused",
            "raise maxmemory, or lower retention.max_bytes",
        )
    used, bound = number(facts.info, "used_memory"), number(facts.info, "maxmemory")
    if used is None or bound is None:
        return Finding("redis memory", "yellow", "unknown", "make sure that retention.max_bytes fits")
    machine = number(facts.info, "total_system_memory") or 0
    found = (
        f"{used // MIB} MiB used of {bound // MIB} MiB"
        if bound
        else f"{used // MIB} MiB used, maxmemory is off"
    )
    if max_bytes is None:
        return Finding(
            "redis memory", "yellow", f"{found}, retention.max_bytes is off", "set retention.max_bytes"
        )
    dead_bytes = letters.max_bytes + letters.poison_bytes_max
    needed = int((max_bytes + dead_bytes) * MEMORY_FACTOR)
    if (bound or machine) and needed > (bound or machine):
        kept = f"retention.max_bytes ({max_bytes // MIB} MiB) and dead letters ({dead_bytes // MIB} MiB)"
        advice = f"{kept} may take {needed // MIB} MiB: lower it, or raise maxmemory"
        return Finding("redis memory", "yellow", found, advice)
    if not bound:
        advice = "set maxmemory below what the machine has: publishes are then refused before the kernel kills the server"
        return Finding("redis memory", "yellow", found, advice)
    return Finding("redis memory", "green", f"{found}, log and dead letters may take {needed // MIB} MiB")


def durability(facts: ServerFacts, wait_replicas: int) -> Finding:
    """What a 2xx will mean. The line begins with the very word that the hub puts into its answers."""
    name, settings, server = "durability", facts.settings, facts.server
    if not facts.info:
        return Finding(name, "yellow", "unknown without INFO", "allow INFO to the hub's user")
    word = server.durability(wait_replicas)
    if server.persistence == "memory":
        kept = ""
        if "save" in settings:
            kept = ": snapshots on disk" if settings["save"] else ": nothing on disk"
        advice = "appendonly yes: what was acknowledged since the last snapshot is lost when the server dies"
        return Finding(name, "yellow", word + kept, advice)
    if server.persistence == "unknown":
        advice = "ask its operator for appendfsync always or everysec, or allow CONFIG GET to the hub's user"
        return Finding(name, "yellow", f"{word}: it does not say how often its file is synced", advice)
    if server.persistence == "no":
        advice = "appendfsync always or everysec: the kernel may hold 30 s of acknowledged messages"
        return Finding(name, "yellow", f"{word}: appendfsync no", advice)
    if settings.get("no-appendfsync-on-rewrite") == "yes":
        advice = "no-appendfsync-on-rewrite no: while the file is rewritten nothing is synced"
        return Finding(name, "yellow", f"{word}, except during rewrites", advice)
    if server.persistence == "everysec":
        advice = (
            "a power cut may take up to two seconds of acknowledged messages; appendfsync always takes none"
        )
        return Finding(name, "yellow", word, advice)
    return Finding(name, "green", f"{word}: synced before each answer")


def writes(facts: ServerFacts) -> Finding:
    """Whether the server takes writes, and whether its last ones reached the disk."""
    name = "redis writes"
    code = facts.refused.get("XADD")
    if code in ("MISCONF", "NOREPLICAS", "READONLY"):
        what = {
            "MISCONF": "look at its log and disk: snapshots or the append-only file fail",
            "NOREPLICAS": "start its replicas, or lower min-replicas-to-write",
            "READONLY": "name the primary in redis.url",
        }
        return Finding(name, "red", f"refused: {code}", what[code])
    if facts.info.get("aof_last_write_status", "ok") != "ok":
        return Finding(
            name, "red", "the append-only file cannot be written", "make room on its disk; look at its log"
        )
    if facts.info.get("rdb_last_bgsave_status", "ok") != "ok":
        return Finding(name, "yellow", "the last snapshot failed", "make room on its disk; look at its log")
    if facts.info.get("aof_last_bgrewrite_status", "ok") != "ok":
        advice = "the append-only file grows until a rewrite succeeds: make room, look at its log"
        return Finding(name, "yellow", "the last rewrite of the append-only file failed", advice)
    return Finding(name, "green", "taken")


def replicas(facts: ServerFacts, wait_replicas: int) -> Finding:
    """Whether a failover would lose acknowledged messages, and whether the wait for replicas can succeed."""
    connected = number(facts.info, "connected_slaves") or 0
    found = f"{connected} connected, redis.wait_replicas is {wait_replicas}"
    least = int(facts.settings.get("min-replicas-to-write") or 0)
    if wait_replicas > connected:
        advice = "start replicas, or lower redis.wait_replicas: every publish is answered 504 otherwise"
        return Finding("replicas", "red", found, advice)
    if connected and not wait_replicas:
        advice = "set redis.wait_replicas = 1 if a failover must not lose acknowledged messages; it costs a round trip"
        return Finding("replicas", "yellow", found, advice)
    if connected and not least:
        advice = "min-replicas-to-write 1: a primary that is cut off goes on acknowledging otherwise"
        return Finding("replicas", "yellow", f"{found}, min-replicas-to-write is 0", advice)
    return Finding("replicas", "green", found)


def clients(facts: ServerFacts, body_bytes_max: int) -> Finding:
    """Whether the server would cut the hub's own connections, or refuse its longest messages."""
    name, settings = "redis clients", facts.settings
    if not settings:
        return Finding(
            name, "yellow", "unknown", "make sure that timeout and the normal output buffer limit are 0"
        )
    if int(settings.get("proto-max-bulk-len") or 512 * MIB) < body_bytes_max + MIB:
        advice = "raise it: the longest message that the hub takes would break its connection"
        return Finding(name, "red", f"proto-max-bulk-len {settings['proto-max-bulk-len']}", advice)
    hard, soft = _normal_limits(settings.get("client-output-buffer-limit", ""))
    if 0 < min(hard or soft, soft or hard) < 16 * MIB + body_bytes_max:
        advice = "client-output-buffer-limit normal 0 0 0: a node that catches up is cut off by it"
        return Finding(
            name, "yellow", f"a connection may be owed {min(hard or soft, soft or hard) // MIB} MiB", advice
        )
    if settings.get("timeout", "0") != "0":
        advice = "timeout 0: the writer's connection is idle between publishes, and closed under the next one"
        return Finding(name, "yellow", f"timeout {settings['timeout']} s", advice)
    if settings.get("tcp-keepalive", "300") == "0":
        return Finding(
            name, "yellow", "tcp-keepalive is off", "tcp-keepalive 300: dead connections stay otherwise"
        )
    return Finding(name, "green", "kept open")


def round_trip(facts: ServerFacts) -> Finding:
    """Every publish waits for one, and each node's news is half of one away."""
    found = f"{facts.round_trip_ms:.2f} ms (median)"
    if facts.round_trip_ms > SLOW_MS:
        return Finding(
            "round trip", "yellow", found, "put the hub near its server: every publish waits for one"
        )
    return Finding("round trip", "green", found)


def clock(facts: ServerFacts) -> Finding:
    """Whether both clocks agree."""
    found = f"the server is {facts.clock_ahead_s:+.3f} s ahead"
    if abs(facts.clock_ahead_s) > CLOCK_S_MAX:
        advice = "let both keep time (timedatectl set-ntp true): retention and key windows go by the server's clock"
        return Finding("redis clock", "yellow", found, advice)
    return Finding("redis clock", "green", found)


def _normal_limits(text: str) -> tuple[int, int]:
    """Hard and soft limit of ordinary clients, from `normal 0 0 0 slave …`; 0: none."""
    words = text.split()
    if "normal" not in words:
        return 0, 0
    at = words.index("normal")
    return int(words[at + 1]), int(words[at + 2])
