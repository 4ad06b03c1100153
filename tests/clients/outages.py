"""Scenarios of a hub, or of what stands before it: it drains, ages streams, trims, refuses, restarts, is another."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from tests.clients import rigs
from tests.clients.actor import BACK_S, FIRST_S, SETTLE_S, Actor
from tests.clients.cuts import first_message
from tests.clients.stage import Scenario, Stage, a_hub
from tests.clients.verdict import GAP
from tests.support.http1 import request_bytes
from tests.support.publisher import signed, subscribe_target
from tests.support.sign import v2

EXPIRED = "fast-sse.expired"
#: How often a stream ages in one scenario.
AGES = 3
#: Seconds that a grant lives which ends under a stream.
GRANT_S = 4
#: How often each client is turned away in one scenario.
REFUSALS = 2
#: Messages that are published while a client is away and of which retention keeps few.
TRIMMED = 40


async def drain(stage: Stage) -> None:
    """The hub is asked to go under its clients, goes, and is started again on the same port and data."""
    await stage.each(lambda actor: _with_first(actor, stage))
    streams = _streams(stage)
    stage.hub.terminate_now()
    assert await stage.hub.await_exit() == 0, stage.hub.tail_of_log()
    await stage.hub.astart()
    await _after(stage, streams)


async def _with_first(actor: Actor, stage: Stage) -> None:
    await first_message(actor, stage.at)


def _streams(stage: Stage) -> dict[Actor, int]:
    return {actor: len(actor.relay.streams) for actor in stage.actors}


async def _after(stage: Stage, streams: dict[Actor, int]) -> None:
    """Two messages as soon as they can be published, and one when the client has a stream again."""

    async def act(actor: Actor) -> None:
        await actor.publish(stage.at, 2)
        await actor.back(streams[actor])
        await actor.fence(stage.at)

    await stage.each(act)


async def age(stage: Stage) -> None:
    """Streams come of age again and again; each time a message is published as soon as the stream has ended."""

    async def act(actor: Actor) -> None:
        await actor.start()
        for _ in range(AGES):
            stream, streams = actor.relay.answers[-1], len(actor.relay.streams)
            assert await actor.within(FIRST_S, actor.relay.until, lambda stream=stream: stream.over)  # type: ignore[misc]
            await actor.publish(stage.at)
            if not await actor.back(streams):
                break
        await actor.fence(stage.at)

    await stage.each(act)


async def gap(stage: Stage) -> None:
    """Retention trims what was published while the client was away: a gap event names it, and the rest comes."""

    async def leave(actor: Actor) -> None:
        await first_message(actor, stage.at)
        actor.must_tell = GAP
        heads = len(actor.relay.heads)
        actor.relay.hold()
        await actor.returning(heads)
        await actor.publish(stage.at, TRIMMED)

    async def come(actor: Actor) -> None:
        streams = len(actor.relay.streams)
        actor.relay.open()
        await actor.back(streams)
        await actor.fence(stage.at)

    await stage.each(leave)
    for actor in stage.actors:
        await _until_trimmed(stage, actor)
    await stage.each(come)


async def _until_trimmed(stage: Stage, actor: Actor) -> None:
    """Ask with the client's own cursor until the answer begins with a gap: trimming takes its own time."""
    target = f"{subscribe_target(actor.channel)}?prime=0"
    headers = {**signed(actor.channel), "Last-Event-ID": actor.owed[0].id}
    async with asyncio.timeout(FIRST_S):
        while True:
            reader, writer = await asyncio.open_connection(*stage.at)
            writer.write(request_bytes("GET", target, headers))
            first = b""
            while b"id: " not in first:
                first += await reader.read(4096)
            writer.transport.abort()
            if GAP.encode() in first:
                return
            await actor.publish(stage.at)


async def expiry(stage: Stage) -> None:
    """A grant ends under the stream, and the client comes back with it: the page is told, and goes on with a new one."""

    async def act(actor: Actor) -> None:
        actor.must_tell = EXPIRED
        actor.relay.edit = _granting(actor)
        await actor.start()
        await actor.has(await actor.publish(stage.at))
        driver, heads = actor.driver, len(actor.relay.heads)
        stream = actor.relay.answers[-1]
        assert await actor.within(FIRST_S, actor.relay.until, lambda: stream.over), "the grant did not end"
        await actor.returning(heads)
        await actor.within(SETTLE_S, driver.until, lambda: EXPIRED in driver.names())
        await actor.publish(stage.at, 2)
        streams = len(actor.relay.streams)
        actor.relay.edit = bytes
        await actor.replace(actor.url(actor.kept()))
        await actor.back(streams)
        await actor.fence(stage.at)

    await stage.each(act)


def _granting(actor: Actor) -> Callable[[bytes], bytes]:
    """Put a grant that ends soon into the requests of a client: it lives from the first one, however late it comes."""
    made: list[bytes] = []

    def edit(head: bytes) -> bytes:
        if b"signature=" not in head:
            return head
        if not made:
            made.append(v2("sub", *actor.channel, lives_s=GRANT_S).encode())
        return re.sub(rb"(?<=signature=)[^& ]+", made[0], head)

    return edit


async def overload(stage: Stage) -> None:
    """All streams that the hub may have are taken while the client is away, and given back when it was turned away."""

    async def leave(actor: Actor) -> None:
        await first_message(actor, stage.at)
        heads = len(actor.relay.heads)
        actor.relay.hold()
        await actor.returning(heads)

    async def come(actor: Actor) -> None:
        refused = len(actor.relay.answers) + REFUSALS
        actor.relay.open()
        await actor.within(BACK_S, actor.relay.until, lambda: len(actor.relay.answers) > refused)
        await actor.publish(stage.at, 2)

    await stage.each(leave)
    streams = _streams(stage)
    async with AsyncExitStack() as held:
        for _ in stage.actors:
            await held.enter_async_context(_holding_a_stream(stage))
        await stage.each(come)
    await _after(stage, streams)


@asynccontextmanager
async def _holding_a_stream(stage: Stage) -> AsyncIterator[None]:
    """Take one of the hub's streams, if need be as soon as it has noticed that another's client is gone."""
    channel = ("taken", "by-others")
    request = request_bytes("GET", subscribe_target(channel), signed(channel))
    async with asyncio.timeout(FIRST_S):
        while True:
            reader, writer = await asyncio.open_connection(*stage.at)
            writer.write(request)
            with contextlib.suppress(asyncio.IncompleteReadError):
                await reader.readuntil(b"id: ")
                break
            writer.close()
    try:
        yield
    finally:
        writer.transport.abort()


async def behind(stage: Stage) -> None:
    """What stands before the hub goes and comes again; the hub does not."""
    await stage.each(lambda actor: _with_first(actor, stage))
    streams = _streams(stage)
    assert stage.front is not None
    await asyncio.to_thread(stage.front.__exit__)
    await asyncio.to_thread(stage.front.__enter__)
    await _after(stage, streams)


async def hop(stage: Stage) -> None:
    """The client's node is lost to it, and it comes back at another one."""

    async def act(actor: Actor) -> None:
        await first_message(actor, stage.at)
        streams, heads = len(actor.relay.streams), len(actor.relay.heads)
        assert stage.other is not None
        actor.relay.hold()
        actor.relay.target = stage.other.public
        await actor.returning(heads)
        await actor.publish(stage.at, 2)
        actor.relay.open()
        await actor.back(streams)
        await actor.fence(stage.other.public)

    await stage.each(act)


OUTAGES = (
    Scenario(
        "drain",
        "drain",
        "The hub is stopped with SIGTERM, and started again with the same port and data.",
        a_hub(),
        drain,
    ),
    Scenario(
        "age",
        "connection age",
        "The hub ends each stream at a certain age. A message is published after each of three such ends.",
        a_hub(connection_age_s="1.2"),
        age,
    ),
    Scenario(
        "gap",
        "gap",
        "Retention removes most messages that were published while the client was away. A gap event must say so.",
        rigs.forgetful,
        gap,
    ),
    Scenario(
        "expiry",
        "expiry",
        "The signature ends during a stream, and the client comes back with it. An event must say so. The client goes on with a new one.",
        a_hub(limits__expired_retry_ms="100"),
        expiry,
    ),
    Scenario(
        "overload",
        "overload",
        "The hub is full when the client comes back, and sends it away. A little later it has room.",
        rigs.full,
        overload,
    ),
    Scenario(
        "nginx",
        "nginx restart",
        "The nginx in front of the hub is stopped, and started again.",
        rigs.behind_nginx,
        behind,
    ),
    Scenario(
        "hop",
        "another node",
        "The client's node is lost, and the client comes back to another node on the same Redis.",
        rigs.two_nodes,
        hop,
    ),
)
