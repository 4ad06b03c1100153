"""One connection: replies belong to their commands, silence and cuts end it, and nothing is mixed up."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hiredis import ReplyError
from tests.support.closing import Serve, served
from tests.support.redis_server import RedisServer

from fast_sse.store.redis.errors import LostError, TurnedAwayError
from fast_sse.store.redis.target import Target, target
from fast_sse.store.redis.wire import Wire, connect, pack

pytestmark = pytest.mark.wire


@asynccontextmanager
async def serving(serve: Serve, answer_s: float = 30) -> AsyncIterator[Wire]:
    """A connection to a server that behaves as the test says."""
    async with served(serve) as address:
        wire = await connect(Target(*address, 0), connect_s=30, answer_s=answer_s)
        try:
            yield wire
        finally:
            wire.abort()
            await wire.lost


async def test_replies_come_in_the_order_of_the_commands(redis_server: RedisServer) -> None:
    """Many commands in one write, each answered with its own."""
    wire = await connect(target(redis_server.url), connect_s=30, answer_s=30)
    replies = await asyncio.gather(*(wire.ask("ECHO", number) for number in range(1000)))
    assert replies == [b"%d" % number for number in range(1000)]
    wire.abort()
    await wire.lost


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=[pytest.mark.chaos, pytest.mark.slow])])
async def test_a_caller_that_goes_away_takes_nobody_elses_reply(
    redis_server: RedisServer, count: int
) -> None:
    """Commands cancelled at random moments: every reply that is delivered belongs to its command (CVE-2023-28858)."""
    wire = await connect(target(redis_server.url), connect_s=30, answer_s=30)
    rng = random.Random(7)

    async def one(number: int) -> bool:
        asking = asyncio.ensure_future(wire.ask("ECHO", number))
        for _ in range(rng.randrange(4)):
            await asyncio.sleep(0)
        if rng.random() < 0.5:
            asking.cancel()
        try:
            assert await asking == b"%d" % number
        except asyncio.CancelledError:
            return True
        return False

    cancelled = 0
    for start in range(0, count, 100):
        cancelled += sum(await asyncio.gather(*(one(start + number) for number in range(100))))
    assert count / 4 < cancelled < count
    assert wire.open
    wire.abort()
    await wire.lost


async def test_silence_ends_the_connection() -> None:
    """A server that takes commands and says nothing: everything unanswered is lost, by the deadline."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with serving(serve, answer_s=0.1) as wire:
        asking = [asyncio.ensure_future(wire.ask("PING")) for _ in range(3)]
        for one in asking:
            with pytest.raises(LostError):
                await one
        with pytest.raises(LostError):
            await wire.ask("PING")
        assert not wire.open


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"+OK\r\n+OK\r\n", b""])
async def test_what_is_not_a_reply_ends_the_connection(answer: bytes) -> None:
    """No Redis, a reply too many, or the end of the stream: never a reply for the wrong caller."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(answer)
        writer.close()

    async with serving(serve) as wire:
        asking = asyncio.ensure_future(wire.ask("PING"))
        await wire.lost
        if answer.startswith(b"+OK"):
            assert await asking == b"OK"
        else:
            with pytest.raises(LostError):
                await asking


@pytest.mark.parametrize(
    ("answer", "why"),
    [(b"HTTP/1.1 400\r\n", "not Redis"), (b"", "the server ended"), (None, "no answer within 0.1 s")],
)
async def test_the_end_of_a_connection_has_a_reason(answer: bytes | None, why: str) -> None:
    """Another protocol, a server that goes away, a server that is silent: each is another sentence."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        if answer is None:
            await reader.read()
        else:
            writer.write(answer)
        writer.close()

    async with serving(serve, answer_s=0.1 if answer is None else 30) as wire:
        with pytest.raises(LostError, match=why):
            await wire.ask("PING")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (
            b"-DENIED Redis is running in protected mode because protected mode is enabled.\r\n",
            "protected mode",
        ),
        (b"-ERR max number of clients reached\r\n", "no room for another client"),
    ],
)
@pytest.mark.parametrize("asked", [True, False])
async def test_who_is_turned_away_is_told_why(said: bytes, why: str, asked: bool) -> None:
    """The server says why it lets nobody in and ends the connection, before a command or as if it answered one."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if asked:
            await reader.read(100)
        writer.write(said)
        writer.close()

    async with serving(serve) as wire:
        if not asked:
            await wire.lost
        for _ in range(2):
            with pytest.raises(TurnedAwayError, match=why):
                await wire.ask("PING")


@pytest.mark.parametrize("leave", [True, False])
async def test_a_replica_is_left_unless_it_is_asked_itself(leave: bool) -> None:
    """The store goes on with another server at the first refusal of a replica; the doctor asks the replica further."""
    go_on = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"-READONLY You can't write against a read only replica.\r\n")
        await go_on.wait()
        writer.close()

    async with served(serve) as address:
        wire = await connect(Target(*address, 0), connect_s=30, answer_s=30, leave_replica=leave)
        assert isinstance(await wire.ask("SET", "k", "v"), ReplyError)
        assert wire.open != leave
        go_on.set()
        wire.abort()
        await wire.lost


async def test_every_callback_is_called_once() -> None:
    """Also when the connection ends in the middle of a pipeline."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b":1\r\n:2\r\n")
        writer.close()

    async with serving(serve) as wire:
        replies: list[object] = []
        wire.send(pack(("PING",)) * 3, *[replies.append] * 3)
        await wire.lost
        assert replies[:2] == [1, 2]
        assert len(replies) == 3
        assert isinstance(replies[2], LostError)


async def test_nobody_listens() -> None:
    """A refused connection is one that is lost."""
    with pytest.raises(LostError):
        await connect(Target("127.0.0.1", 1, 0), connect_s=30, answer_s=30)
