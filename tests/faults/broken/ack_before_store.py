"""Broken on purpose: entries of a foreign queue are acknowledged first and stored a moment later, as the original did."""

from __future__ import annotations

import asyncio
from typing import Any

from fast_sse.cli.main import app_main
from fast_sse.ingest.redis_stream import RedisStream

#: How long storing a batch takes.
STORING_S = 0.02

deal_with = RedisStream._deal_with
taken_so_far: list[Any] = []
tasks: list[asyncio.Task[None]] = []


async def store_in_turn(self: RedisStream) -> None:
    """What was acknowledged already, batch by batch."""
    while True:
        await asyncio.sleep(STORING_S)
        if taken_so_far:
            await deal_with(self, taken_so_far.pop(0))


async def acknowledge(self: RedisStream, taken: Any) -> None:
    """`RedisStream._deal_with` the wrong way round."""
    if not taken:
        return
    await self._lease.run(("XACK", self.queue, self._group, *(place for place, _ in taken)))
    taken_so_far.append(taken)
    if not tasks:
        tasks.append(asyncio.get_running_loop().create_task(store_in_turn(self)))


if __name__ == "__main__":
    RedisStream._deal_with = acknowledge  # type: ignore[method-assign]
    app_main()
