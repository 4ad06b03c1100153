"""Every command that this store and its scripts send: the rights that its user needs.

`fast-sse doctor` tries each of them, and the contract's suite runs as a user who has these and no others.
"""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """One harmless form of a command, on keys like the store's.

    Attributes:
        words: name, then arguments.
        lacking: what the store does without where the command is refused; empty where it cannot do without.
    """

    words: tuple[str, ...]
    lacking: str = ""

    @property
    def name(self) -> str:
        """The command, with the subcommand if it has one: `XADD`, `CONFIG GET`."""
        return " ".join(self.words[:2]) if self.words[0] in _CONTAINERS else self.words[0]


#: Commands that consist of subcommands.
_CONTAINERS = ("CLIENT", "CONFIG", "SCRIPT", "XINFO")


def commands(prefix: str, *, database: int = 0, wait_replicas: int = 0) -> list[Command]:
    """What a hub with these settings sends, beside AUTH, which needs no right."""
    return [
        *_SESSION,
        *([Command(("SELECT", str(database)))] if database else []),
        *([Command(("WAIT", "0", "1"))] if wait_replicas else []),
        *(Command(words) for words in _on_keys(prefix)),
    ]


_SESSION = (
    Command(("PING",), "a new connection is used all the same"),
    Command(("CLIENT", "SETNAME", "fast-sse-doctor"), "connections have no names in CLIENT LIST"),
    Command(("SCRIPT", "LOAD", "return 0"), "the first call of each script carries its text"),
    Command(("CONFIG", "GET", "appendfsync"), "the hub cannot tell how durable a publish is"),
    Command(("INFO",)),
    Command(("TIME",)),
)


def _on_keys(prefix: str) -> list[tuple[str, ...]]:
    meta, log, keys = (f"{{{prefix}}}:{name}" for name in ("meta", "doctor:log", "doctor:keys"))
    return [
        ("EVAL", "return 0", "1", meta),
        ("EVALSHA", "0" * 40, "1", meta),
        ("SET", meta, "1", "EX", "1"),
        ("EXISTS", meta),
        ("HGET", keys, "f"),
        ("HMGET", meta, "f"),
        ("HSET", meta, "f", "v"),
        ("HDEL", keys, "f"),
        ("HGETALL", meta),
        ("HEXISTS", meta, "f"),
        ("XADD", log, "*", "f", "v"),
        ("XREAD", "COUNT", "1", "BLOCK", "1", "STREAMS", log, "0"),
        ("XRANGE", log, "-", "+", "COUNT", "1"),
        ("XREVRANGE", log, "+", "-", "COUNT", "1"),
        ("XLEN", log),
        ("XTRIM", log, "MINID", "0"),
        ("XDEL", log, "0-1"),
        ("XINFO", "STREAM", log),
        ("ZADD", keys, "0", "m"),
        ("ZREM", keys, "m"),
        ("ZCARD", keys),
        ("ZRANGE", keys, "0", "0"),
        ("ZRANGEBYLEX", keys, "-", "+"),
        ("ZREVRANGEBYLEX", keys, "+", "-"),
        ("ZRANGEBYSCORE", keys, "0", "0"),
        ("ZREMRANGEBYLEX", keys, "(", "("),
        ("RPUSH", keys, "v"),
        ("RPOP", keys),
        ("LPOP", keys, "1"),
        ("LLEN", keys),
        ("LINDEX", keys, "0"),
        ("LSET", keys, "0", "v"),
        ("LRANGE", keys, "0", "0"),
        ("LREM", keys, "0", "v"),
    ]
