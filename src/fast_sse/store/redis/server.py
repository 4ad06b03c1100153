"""What the server's settings promise: looked at on every connect, because the next connect may reach another server.

`durability` is what a 2xx means. It names what the server says, never what we hope: where CONFIG is forbidden (ACL,
managed services) and an append-only file is on, how often it is fsynced is unknown, and is called so.

A server that evicts is refused: it would remove acknowledged messages, and keys that keep retries from doubling.
"""

from __future__ import annotations

import msgspec
from hiredis import ReplyError

from fast_sse.model.errors import ConfigError, UnavailableError
from fast_sse.store.redis.errors import translated
from fast_sse.store.redis.target import KEY
from fast_sse.store.redis.wire import Wire

#: Exclusive ranges of streams and trimming by id came with it.
_VERSION_MIN = (6, 2)


class Server(msgspec.Struct, frozen=True):
    """Facts about the server behind a connection."""

    version: str
    run_id: str
    #: memory | everysec | always | no | unknown: what becomes of a write when the server dies.
    persistence: str
    #: Bytes it may use, 0 for as many as there are.
    memory_max: int

    def durability(self, wait_replicas: int) -> str:
        """The word that the API repeats."""
        return f"redis-{self.persistence}" + (f"+wait{wait_replicas}" if wait_replicas else "")


async def look(wire: Wire) -> Server:
    """Ask the server about itself.

    Raises:
        ConfigError: it can never work with this server.
        UnavailableError: not now: it is loading, or it is a replica that may yet be promoted.
    """
    info = await _info(wire)
    mode = info.get("redis_mode", "standalone")
    if mode != "standalone" or info.get("cluster_enabled") == "1":
        name = "Sentinel" if mode == "sentinel" else "Cluster"
        raise ConfigError(
            KEY, f"leads to a Redis {name}, which is not supported: one log lives in one server's memory"
        )
    version = info.get("redis_version", "0")
    if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < _VERSION_MIN:
        raise ConfigError(KEY, f"leads to Redis {version}; 6.2 or later is needed")
    memory_max, policy = int(info.get("maxmemory", "0")), info.get("maxmemory_policy", "noeviction")
    if memory_max and policy != "noeviction":
        raise ConfigError(
            KEY, f"leads to a server with maxmemory-policy {policy}: it would evict the log; set noeviction"
        )
    if info.get("loading") == "1":
        raise UnavailableError("Redis is still loading its data")
    if info.get("role", "master") != "master":
        raise UnavailableError("this Redis server is a replica and takes no writes")
    return Server(version, info.get("run_id", ""), await _persistence(wire, info), memory_max)


async def _info(wire: Wire) -> dict[str, str]:
    reply = await wire.ask("INFO")
    if isinstance(reply, ReplyError):
        if str(reply).startswith(("NOAUTH", "NOPERM")):
            raise ConfigError(
                KEY,
                "names no user of the server who may ask INFO: a user and password are missing or too weak",
            )
        raise translated(str(reply))
    lines = bytes(reply).decode("utf-8", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


async def _persistence(wire: Wire, info: dict[str, str]) -> str:
    """`memory` without an append-only file: a snapshot from minutes ago is not where a 2xx is."""
    if info.get("aof_enabled") != "1":
        return "memory"
    reply = await wire.ask("CONFIG", "GET", "appendfsync")
    if isinstance(reply, ReplyError) or len(reply) != 2:
        return "unknown"
    policy = bytes(reply[1]).decode()
    return policy if policy in ("always", "everysec", "no") else "unknown"
