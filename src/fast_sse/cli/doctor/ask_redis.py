"""What the doctor asks a Redis server, over one connection of the store's own client, in seconds, changing nothing.

Rights are not read from an ACL, which a user may not be allowed to read. Instead, each command that the store sends
is queued in a MULTI. There the server refuses what it would refuse for real: for a missing right, a full memory, a
read-only replica, a command renamed away. Then the transaction is discarded.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterable

import msgspec
from hiredis import ReplyError

from fast_sse.model.errors import ConfigError, UnavailableError
from fast_sse.store.redis.commands import Command
from fast_sse.store.redis.errors import LostError, why
from fast_sse.store.redis.link import sign_in
from fast_sse.store.redis.server import Server, configured, fields, judge
from fast_sse.store.redis.target import KEY, Target
from fast_sse.store.redis.wire import Reply, Wire, connect

#: Seconds for the connection, and for each answer.
ANSWER_S = 3.0
ROUND_TRIPS = 21
#: What CONFIG GET is asked for. A server gives no answer for a setting that it does not know.
SETTINGS = (
    *("maxmemory-policy", "appendfsync", "no-appendfsync-on-rewrite", "save"),
    *("min-replicas-to-write", "timeout", "tcp-keepalive"),
    *("client-output-buffer-limit", "proto-max-bulk-len"),
)


class ServerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a server said about itself.

    Attributes:
        place: host and port; nothing of the URL that may be secret.
        host: the host alone.
        tls: whether the connection is encrypted.
        password: whether the URL has one.
        info: `INFO`, field by field; empty where that is not allowed.
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

    @property
    def server(self) -> Server:
        """The store's judgement of this server."""
        return judge(self.info, self.settings)


def ask_redis(target: Target, commands: Iterable[Command], *, answer_s: float = ANSWER_S) -> ServerFacts:
    """Ask a server. `commands` are queued and discarded. Not for a running event loop.

    Raises:
        ConfigError: it refuses the user, password or database of the URL, or a certificate cannot be used.
        UnavailableError: it cannot be reached, or does not answer. The message names no secret.
    """
    try:
        return asyncio.run(_asked(target, commands, answer_s))
    except LostError as error:
        raise UnavailableError(f"{target.place}: {why(error, answer_s)}") from error


async def _asked(target: Target, commands: Iterable[Command], answer_s: float) -> ServerFacts:
    wire = await connect(target, connect_s=answer_s, answer_s=answer_s, leave_replica=False)
    try:
        await sign_in(wire, target)
        info = await wire.ask("INFO")
        if isinstance(info, ReplyError) and str(info).startswith("NOAUTH"):
            raise ConfigError(KEY, "names no password, and the server asks for one; add it")
        settings: dict[str, str] = {}
        for name in SETTINGS:  # one by one: before 7.0 CONFIG GET takes a single name
            settings |= await configured(wire, name)
        return ServerFacts(
            place=target.place,
            host=target.host,
            tls=target.tls is not None,
            password=bool(target.password),
            info={} if isinstance(info, ReplyError) else fields(info),
            settings=settings,
            refused=await _refused(wire, commands),
            round_trip_ms=await _round_trip_ms(wire),
            clock_ahead_s=await _clock_ahead_s(wire),
        )
    finally:
        wire.abort()
        await wire.lost


async def _refused(wire: Wire, commands: Iterable[Command]) -> dict[str, str]:
    """The refusals of a transaction that never runs. Where MULTI is refused, that one alone."""
    replies = {"MULTI": await wire.ask("MULTI")}
    if not isinstance(replies["MULTI"], ReplyError):
        replies = {command.name: await wire.ask(*command.words) for command in commands}
        await wire.ask("DISCARD")
    return {name: _code(reply) for name, reply in replies.items() if isinstance(reply, ReplyError)}


async def _round_trip_ms(wire: Wire) -> float:
    times_s = []
    for _ in range(ROUND_TRIPS):
        began_s = time.perf_counter()
        await wire.ask("PING")
        times_s.append(time.perf_counter() - began_s)
    return statistics.median(times_s) * 1000


async def _clock_ahead_s(wire: Wire) -> float:
    """Read half a round trip ago; 0 where TIME is refused."""
    began_s = time.time()
    answer = await wire.ask("TIME")
    if isinstance(answer, ReplyError):
        return 0.0
    return int(answer[0]) + int(answer[1]) / 1e6 - (began_s + time.time()) / 2


def _code(reply: Reply) -> str:
    """The first word of a refusal. No more of it is kept: it may repeat arguments."""
    text = str(reply)
    return "unknown command" if text.startswith("ERR unknown ") else text.partition(" ")[0]
