"""Runs in which something stands still that other runs leave alone: a stream that takes nothing, the file of a log."""

from __future__ import annotations

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
    """Messages behind what the kernel held, letters on all nodes, and those that were left when the stream had read on.

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
        letters: set[str] = set()

        async def listed() -> bool:
            nonlocal letters
            found = [{letter.id for letter in await desk.letters()} for desk in run.desks]
            letters = set[str].intersection(*found)
            return behind <= letters

        await until(listed, "what is behind is dead on every node")
        client.resume()
        await run.handed(client)

        async def gone() -> bool:
            return not any([await desk.total() for desk in run.desks])

        await until(gone, "letters of what was handed over late are removed")
        told = [await desk.told() for desk in run.desks]
        left = {letter.id for one in told for letter in one.letters}
        return Paused(behind, letters, left, sum(one.made for one in told), sum(one.late for one in told))


async def log_moved_away(directory: Path, *, messages: int, grace_s: float) -> Verdict:
    """The file of the log is elsewhere while messages become due; who comes on its return, before the next turn, has them."""
    file, away = directory / "n0" / "data" / "log.db", directory / "away.db"
    async with running(directory, Log("sqlite", {}), 1, grace_s=grace_s) as run:
        (place,) = await run.publish(LONELY, 1)
        await run.mix(2 * messages)
        await run.swept(0, 2 * messages)
        file.rename(away)

        async def refused() -> bool:
            return await metric(run.nodes[0], "fast_sse_turns_total", 'outcome="failed"', always=True) > 0

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
