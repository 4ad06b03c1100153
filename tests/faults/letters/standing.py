"""Runs in which something stands still that other runs leave alone: a stream that takes nothing, the file of a log."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import NamedTuple

from tests.faults.cluster.nodes import Log, metric
from tests.faults.letters.conducted import Order
from tests.faults.letters.judge import Verdict
from tests.faults.letters.run import LONELY, TAKEN, running, until
from tests.support.publisher import Publisher

#: More than the kernel holds for one connection, in messages of this size.
_FILL = 200
_FILL_BYTES = 50_000


class Paused(NamedTuple):
    """Of the messages behind what the kernel held: their ids, those that were letters, and those left when the stream read on.

    `made` and `late` are what all nodes counted.
    """

    behind: set[str]
    letters: set[str]
    left: set[str]
    made: int
    late: int


async def stream_stands_still(directory: Path, log: Log, *, messages: int) -> Paused:
    """A client takes nothing for longer than the grace while messages come for it; then it reads on."""
    nodes = 1 if log.store == "sqlite" else 2
    async with running(directory, log, nodes) as run:
        client = await run.listen(nodes - 1, receive_bytes=1)
        client.pause()
        filler = Publisher("filler", run.nodes[0].public, pad_bytes=_FILL_BYTES)
        run.taken += [(await filler.publish_surely(TAKEN)).message_id for _ in range(_FILL)]
        filler.close()
        behind = {*await run.publish(TAKEN, messages)}
        await asyncio.gather(*(run.dead(number, messages) for number in range(nodes)))
        await asyncio.gather(*(run.swept_out(number) for number in range(nodes)))
        letters = {letter.id for letter in await run.desks[0].letters()}
        client.resume()
        await run.handed(client)

        async def gone() -> bool:
            return not any([await desk.total() for desk in run.desks])

        await until(gone, "letters of what was handed over late are removed")
        told = [await desk.told() for desk in run.desks]
        left = {letter.id for one in told for letter in one.letters}
        return Paused(behind, letters, left, sum(one.made for one in told), sum(one.late for one in told))


async def log_moved_away(directory: Path, *, messages: int) -> Verdict:
    """The file of the log is elsewhere while messages become due; who comes on its return, before the next turn, has them."""
    file, away = directory / "n0" / "data" / "log.db", directory / "away.db"
    async with running(directory, Log("sqlite", {}), 1) as run:
        (place,) = await run.publish(LONELY, 1)
        await run.mix(2 * messages)
        await run.swept(0, 2 * messages)
        file.rename(away)

        async def refused() -> bool:
            return await metric(run.nodes[0], "fast_sse_turns_total", 'outcome="failed"') > 0

        try:
            await until(refused, "a turn that decides is refused")
            assert await run.desks[0].waiting() == 2 * messages + 1
            run.orders[0].give(Order.HOLD)
        finally:
            away.rename(file)
        client = await run.listen(0, after=place)
        await run.handed(client)
        run.orders[0].give(Order.PASS)
        return await run.verdict()
