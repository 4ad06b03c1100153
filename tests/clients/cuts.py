"""Scenarios of one connection: cut before its first event, in the middle of a block, at every byte, between blocks."""

from __future__ import annotations

import asyncio

from tests.clients.actor import Actor
from tests.clients.answers import Cut
from tests.clients.stage import Scenario, Stage, a_hub
from tests.support.http1 import Address
from tests.support.publisher import publish_once

#: Past the end of any block.
WHOLE = 1 << 20
#: By family: cuts after which the client is made anew, because its waits grow with each and do not shrink in minutes.
CUTS_A_LIFE = {"launchdarkly-eventsource": 3, "github.com/r3labs/sse/v2": 4}

#: Messages before a test that counts bytes: from here on ids are equally long, so that a cut that a client cannot survive, just
#: before its block's last byte, comes once and not again where an id has become a digit longer.
FILLER = 1000
AT_ONCE = 50


async def widen_ids(at: Address) -> None:
    """Let the log be so long that its positions keep their number of digits for the rest of a test."""
    for first in range(0, FILLER, AT_ONCE):
        batch = range(first, first + AT_ONCE)
        await asyncio.gather(*(publish_once(at, ("filler", "filler"), number) for number in batch))


async def meanwhile(actor: Actor, at: Address, *, streams: int, heads: int) -> None:
    """Two messages while the client is away and on its way back, a third when it has a stream again."""
    if not await actor.returning(heads):
        actor.came_back = False
        return
    await actor.publish(at, 2)
    actor.relay.open()
    if await actor.back(streams):
        await actor.publish(at)


async def before_first(stage: Stage) -> None:
    """A stream that is cut before it carried any message."""

    async def act(actor: Actor) -> None:
        await actor.start()
        streams, heads = len(actor.relay.streams), len(actor.relay.heads)
        actor.relay.hold()
        await meanwhile(actor, stage.at, streams=streams, heads=heads)
        await actor.fence(stage.at)

    await stage.each(act)


async def first_message(actor: Actor, at: Address) -> int:
    """Start, publish one message and see it; the bytes of its block."""
    await actor.start()
    payload = await actor.publish(at)
    assert await actor.has(payload), f"the first message did not arrive\n{actor.describe()}"
    return len(actor.relay.streams[-1].block_with(payload.encode()))


async def struck(actor: Actor, at: Address, after_bytes: int) -> bool:
    """Publish, and cut so many bytes into the block of it; whether the whole block was there before the cut."""
    stream, cuts = actor.relay.answers[-1], actor.relay.cuts
    payload = f"m{len(actor.owed):05d}".encode()
    actor.relay.cut = Cut(payload, after_bytes)
    await actor.publish(at)
    await actor.relay.until(lambda: actor.relay.cuts > cuts)
    return any(payload in block for block in stream.blocks)


async def cut_once(actor: Actor, at: Address, after_bytes: int) -> None:
    """Cut in the next message's block, and hold the client until two more are there."""
    streams, heads = len(actor.relay.streams), len(actor.relay.heads)
    actor.relay.mode = "away"
    await struck(actor, at, after_bytes)
    await meanwhile(actor, at, streams=streams, heads=heads)
    await actor.fence(at)


async def mid_block(stage: Stage) -> None:
    """A stream that is cut in the middle of a message."""

    async def act(actor: Actor) -> None:
        await cut_once(actor, stage.at, await first_message(actor, stage.at) // 2)

    await stage.each(act)


async def between(stage: Stage) -> None:
    """A stream that is cut just behind a message."""

    async def act(actor: Actor) -> None:
        await first_message(actor, stage.at)
        await cut_once(actor, stage.at, WHOLE)

    await stage.each(act)


async def reset(stage: Stage) -> None:
    """A stream that is reset, not ended, in the middle of a message."""

    async def act(actor: Actor) -> None:
        actor.relay.reset = True
        await cut_once(actor, stage.at, await first_message(actor, stage.at) // 2)

    await stage.each(act)


async def every_byte(stage: Stage) -> None:
    """A stream that is cut again and again, each time a byte further into a message's block."""
    await widen_ids(stage.at)

    async def act(actor: Actor) -> None:
        await first_message(actor, stage.at)
        lives = CUTS_A_LIFE.get(actor.client.family, WHOLE)
        for after in range(WHOLE):
            streams = len(actor.relay.streams)
            whole = await struck(actor, stage.at, after)
            if not await actor.back(streams) or whole:
                break
            if after % lives == lives - 1:
                await actor.has(actor.owed[-1].payload)
                await actor.replace(actor.url(actor.kept()))
        await actor.fence(stage.at)

    await stage.each(act)


CUTS = (
    Scenario(
        "before-first",
        "before the first event",
        "The connection ends before any message came. Two messages are published while the client is away, and one after.",
        a_hub(),
        before_first,
    ),
    Scenario(
        "mid-block",
        "in a block",
        "The connection ends in the middle of a message's block. Two more messages are published meanwhile.",
        a_hub(),
        mid_block,
    ),
    Scenario(
        "reset",
        "reset in a block",
        "The same, with a reset (RST) in place of an orderly end (FIN).",
        a_hub(),
        reset,
    ),
    Scenario(
        "every-byte",
        "at every byte",
        "One connection for each byte of a block. It ends after that byte.",
        a_hub(),
        every_byte,
    ),
    Scenario(
        "between",
        "between blocks",
        "The connection ends after the blank line of a message. Two more messages are published meanwhile.",
        a_hub(),
        between,
    ),
)
