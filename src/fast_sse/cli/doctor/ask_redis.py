"""What the doctor wants to know of a Redis server, asked over one connection, in seconds, without changing anything.

Rights are not read from an ACL, which one may not be allowed to read: each command that the store uses is queued
in a MULTI, where the server refuses what it would refuse for real (rights, full memory, a read-only replica, a
command renamed away), and then the transaction is discarded.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from fast_sse.model.errors import UnavailableError

#: Seconds for the connection, and for each answer.
ANSWER_S = 3.0
ROUND_TRIPS = 21
#: A server says nothing about those that it does not know.
SETTINGS = (
    *("maxmemory", "maxmemory-policy", "appendonly", "appendfsync", "no-appendfsync-on-rewrite", "save"),
    *("min-replicas-to-write", "min-replicas-max-lag", "timeout", "tcp-keepalive"),
    *("client-output-buffer-limit", "proto-max-bulk-len", "stop-writes-on-bgsave-error"),
)

Ask = Callable[..., Any]
Command = tuple[str, ...]


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a server said of itself.

    Attributes:
        place: host and port; nothing of the URL that may be secret.
        host: the host alone.
        tls: whether the connection is.
        password: whether one was needed.
        info: `INFO`, field by field.
        settings: `CONFIG GET` of SETTINGS; empty where that is not allowed.
        refused: each command that the server would refuse now, with the code of its refusal, such as NOPERM.
        round_trip_ms: of a PING, the median.
        clock_ahead_s: how far the server's clock is ahead of ours.
    """

    place: str
    host: str
    tls: bool = False
    password: bool = False
    info: dict[str, str] = {}
    settings: dict[str, str] = {}
    refused: dict[str, str] = {}
    round_trip_ms: float = 0.0
    clock_ahead_s: float = 0.0


def store_commands(prefix: str) -> list[Command]:
    """One harmless form of each command that the store and its scripts use, on keys like the store's."""
    meta, log, keys = (f"{{{prefix}}}:{name}" for name in ("meta", "doctor:log", "doctor:keys"))
    return [
        ("EVAL", "return 0", "1", meta),
        ("EVALSHA", "0" * 40, "1", meta),
        ("SCRIPT", "LOAD", "return 0"),
        ("WAIT", "0", "1"),
        ("TIME",),
        ("INFO",),
        ("CONFIG", "GET", "appendfsync"),
        ("SET", meta, "1", "EX", "1"),
        ("DEL", meta),
        ("EXISTS", meta),
        ("HGET", keys, "f"),
        ("HMGET", meta, "f"),
        ("HSET", meta, "f", "v"),
        ("HDEL", keys, "f"),
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


def ask_redis(url: str, commands: Sequence[Command]) -> Facts:
    """Ask the server at `url`. `commands` are those to be queued and discarded, words and all.

    Raises:
        ModuleNotFoundError: the extra `redis` is not installed.
        UnavailableError: the server cannot be reached or does not let us in; the message names no secret.
    """
    from redis.backoff import NoBackoff  # noqa: PLC0415  of an extra, which other stores do not need
    from redis.connection import ConnectionPool  # noqa: PLC0415
    from redis.exceptions import RedisError  # noqa: PLC0415
    from redis.retry import Retry  # noqa: PLC0415

    host = urlsplit(url).hostname or "localhost"
    place = f"{host}:{urlsplit(url).port or 6379}"
    connection: Any = ConnectionPool.from_url(
        url,
        protocol=2,
        decode_responses=True,
        encoding_errors="replace",
        socket_connect_timeout=ANSWER_S,
        socket_timeout=ANSWER_S,
        retry=Retry(NoBackoff(), 0),
    ).make_connection()

    def ask(*words: str) -> Any:
        connection.send_command(*words)
        return connection.read_response()

    try:
        connection.connect()
        info = _info(ask)
        round_trip_ms, clock_ahead_s = _timed(ask)
        return Facts(
            place=place,
            host=host,
            tls=urlsplit(url).scheme == "rediss",
            password=bool(urlsplit(url).password),
            info=info,
            settings=_settings(ask),
            refused=_refused(ask, commands),
            round_trip_ms=round_trip_ms,
            clock_ahead_s=clock_ahead_s,
        )
    except (RedisError, OSError) as error:
        raise UnavailableError(f"{place}: {error}") from error
    finally:
        connection.disconnect()


def _info(ask: Ask) -> dict[str, str]:
    """Every field; without the right to ask, none."""
    text = _allowed(ask, "INFO")
    lines = text.splitlines() if isinstance(text, str) else []
    return {name: value for name, colon, value in (line.partition(":") for line in lines) if colon}


def _settings(ask: Ask) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in SETTINGS:  # one by one: before 7.0 CONFIG GET takes a single name
        answer = _allowed(ask, "CONFIG", "GET", name) or []
        found.update(zip(answer[::2], answer[1::2], strict=True))
    return found


def _timed(ask: Ask) -> tuple[float, float]:
    """Milliseconds of a round trip; seconds that the server's clock is ahead, read half a round trip before."""
    times_s = []
    for _ in range(ROUND_TRIPS):
        began_s = time.perf_counter()
        ask("PING")
        times_s.append(time.perf_counter() - began_s)
    began_s = time.time()
    answer = _allowed(ask, "TIME")
    ended_s = time.time()
    ahead_s = int(answer[0]) + int(answer[1]) / 1e6 - (began_s + ended_s) / 2 if answer else 0.0
    return statistics.median(times_s) * 1000, ahead_s


def _refused(ask: Ask, commands: Sequence[Command]) -> dict[str, str]:
    """The refusals of a transaction that never runs; where MULTI is refused, that one alone."""
    from redis.exceptions import ResponseError  # noqa: PLC0415

    found = {}
    try:
        ask("MULTI")
        for words in commands:
            try:
                ask(*words)
            except ResponseError as error:
                found[_name(words)] = _code(error)
        ask("DISCARD")
    except ResponseError as error:
        found["MULTI"] = _code(error)
    return found


def _allowed(ask: Ask, *words: str) -> Any:
    """The answer, or None where the server refuses to give it."""
    from redis.exceptions import ResponseError  # noqa: PLC0415

    try:
        return ask(*words)
    except ResponseError:
        return None


def _name(words: Command) -> str:
    """Of a command, or of a command and what it is a container of."""
    return " ".join(words[:2]) if words[0] in ("SCRIPT", "CONFIG", "XINFO", "XGROUP") else words[0]


def _code(error: Exception) -> str:
    """The first word of a refusal; the client takes it off some of them and keeps it beside."""
    text = getattr(error, "status_code", None) or str(error).partition(" ")[0]
    return "unknown command" if str(error).startswith("unknown command") else str(text)
