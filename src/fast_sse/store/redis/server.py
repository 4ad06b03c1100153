"""What a server's settings promise. The store looks on every connect: the next connect may reach another server.

`judge` is the one rule, for the store and for `fast-sse doctor`, so that both say the same word about one server.
`durability` is that word: what a 2xx means. It says what the server says, never what we hope. Where CONFIG is
forbidden (by an ACL, by a managed service) and an append-only file is on, it is unknown how often the file is synced,
and the word is `redis-unknown`.

A server that evicts is refused: it would remove acknowledged messages, and the keys that keep retries from doubling.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from hiredis import ReplyError

from fast_sse.model.errors import ConfigError, UnavailableError
from fast_sse.store.redis.errors import translated
from fast_sse.store.redis.target import KEY
from fast_sse.store.redis.wire import Wire

#: Exclusive ranges of streams and trimming by id came with it.
VERSION_MIN = (6, 2)
#: What becomes of a write when the server dies: with it, or kept by a file that is synced so often.
PERSISTENCES = ("memory", "everysec", "always", "no", "unknown")


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about one server.

    Attributes:
        version: such as `7.0.15`.
        mode: `standalone`, `sentinel` or `cluster`.
        run_id: another one after each start.
        primary: it takes writes; otherwise it is a replica.
        loading: it is still reading its data.
        persistence: one of PERSISTENCES.
        memory_max: bytes that it may use; 0 for as many as there are.
        policy: its `maxmemory-policy`; empty where it does not say.
    """

    version: str
    mode: str
    run_id: str
    primary: bool
    loading: bool
    persistence: str
    memory_max: int
    policy: str

    def durability(self, wait_replicas: int) -> str:
        """The word that the API repeats."""
        return f"redis-{self.persistence}" + (f"+wait{wait_replicas}" if wait_replicas else "")

    @property
    def too_old(self) -> bool:
        """Whether its version is below VERSION_MIN."""
        return tuple(int(part) for part in self.version.split(".")[:2] if part.isdigit()) < VERSION_MIN

    @property
    def evicts(self) -> bool:
        """Whether it removes what we stored when its memory is full."""
        return self.memory_max > 0 and self.policy not in ("", "noeviction")


def judge(info: Mapping[str, str], settings: Mapping[str, str]) -> Server:
    """What a server's own words mean.

    `info` is INFO, field by field. `settings` is what CONFIG GET answered, and lacks what may not be asked.
    """
    mode = info.get("redis_mode", "standalone")
    return Server(
        version=info.get("redis_version", "0"),
        mode="cluster" if info.get("cluster_enabled") == "1" else mode,
        run_id=info.get("run_id", ""),
        primary=info.get("role", "master") == "master",
        loading=info.get("loading") == "1",
        persistence=_persistence(info, settings),
        memory_max=number(info, "maxmemory") or 0,
        policy=info.get("maxmemory_policy") or settings.get("maxmemory-policy", ""),
    )


def _persistence(info: Mapping[str, str], settings: Mapping[str, str]) -> str:
    """`memory` without an append-only file: a snapshot from minutes ago does not hold what a 2xx was given for."""
    if info.get("aof_enabled") != "1":
        return "memory"
    policy = settings.get("appendfsync")
    return policy if policy in ("always", "everysec", "no") else "unknown"


def check(server: Server) -> None:
    """Refuse a server that cannot hold the log.

    Raises:
        ConfigError: it can never work with this server.
        UnavailableError: not now. It is loading, or it is a replica that may yet be promoted.
    """
    if server.mode != "standalone":
        name = "Sentinel" if server.mode == "sentinel" else "Cluster"
        raise ConfigError(
            KEY, f"leads to a Redis {name}, which is not supported; name a single server, its primary"
        )
    if server.too_old:
        least = ".".join(map(str, VERSION_MIN))
        raise ConfigError(KEY, f"leads to Redis {server.version}; upgrade it to {least} or later")
    if server.evicts:
        raise ConfigError(
            KEY,
            f"leads to a server with maxmemory-policy {server.policy}: it would evict the log; set noeviction",
        )
    if server.loading:
        raise UnavailableError("Redis is still loading its data")
    if not server.primary:
        raise UnavailableError("this Redis server is a replica and takes no writes")


async def look(wire: Wire) -> Server:
    """Ask the server about itself, and `check` it. Raises as `check` does."""
    reply = await wire.ask("INFO")
    if isinstance(reply, ReplyError):
        if str(reply).startswith(("NOAUTH", "NOPERM")):
            raise ConfigError(
                KEY,
                "must name a user and a password that the server knows, with a right to INFO",
            )
        raise translated(str(reply))
    info = fields(reply)
    # Asked only where the answer counts: a refusal is an entry in the server's ACL LOG.
    settings = await configured(wire, "appendfsync") if info.get("aof_enabled") == "1" else {}
    server = judge(info, settings)
    check(server)
    return server


async def configured(wire: Wire, name: str) -> dict[str, str]:
    """One setting by its name; empty where the server does not know it or may not be asked. Raises LostError."""
    reply = await wire.ask("CONFIG", "GET", name)
    if isinstance(reply, ReplyError) or len(reply) != 2:
        return {}
    return {name: _text(reply[1])}


def fields(reply: bytes) -> dict[str, str]:
    """The fields of the answer to INFO."""
    lines = _text(reply).splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def number(info: Mapping[str, str], name: str) -> int | None:
    """A field that is a number; None where it is absent or anything else."""
    text = info.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else None


def _text(reply: bytes) -> str:
    return bytes(reply).decode("utf-8", "replace")
