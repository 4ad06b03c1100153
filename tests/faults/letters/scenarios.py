"""The runs, as functions: the tests ask that they come out clean, the broken builds that they do not."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.faults.cluster.nodes import Log
from tests.faults.letters.conducted import STORE_CLOCK, Order
from tests.faults.letters.judge import Verdict
from tests.faults.letters.run import LONELY, PRODUCT, TAKEN, Run, running, until
from tests.faults.stepped import OFFSET_FILE, Offset
from tests.support.redis_pair import paired
from tests.support.sse import Client


async def told_by_another(directory: Path, log: Log, *, messages: int, module: str = PRODUCT) -> Verdict:
    """Published on the first of three nodes, subscribed on the second; the first and the third decide."""

    def settings(number: int) -> dict[str, str]:
        return {"FAST_SSE_DEAD_LETTERS__ENABLED": "false"} if number == 1 else {}

    async with running(directory, log, 3, module=module, settings=settings) as run:
        client = await run.listen(1)
        await run.mix(messages)
        await run.handed(client)
        return await run.verdict()


async def nobody_anywhere(
    directory: Path, log: Log, *, messages: int, nodes: int = 3, module: str = PRODUCT
) -> Verdict:
    """Published in turn on all nodes, and nobody listens on any."""
    async with running(directory, log, nodes, module=module) as run:
        for number in range(messages):
            await run.publish(LONELY, 1, number % nodes)
        return await run.verdict()


async def one_is_off(directory: Path, log: Log, *, messages: int, module: str = PRODUCT) -> Verdict:
    """A node that makes no letters, with half of the grace, beside one that does."""

    def settings(number: int) -> dict[str, str]:
        off = {"FAST_SSE_DEAD_LETTERS__ENABLED": "false", "FAST_SSE_DEAD_LETTERS__GRACE_S": "0.5"}
        return {} if number else off

    async with running(directory, log, 2, module=module, settings=settings) as run:
        client = await run.listen(0)
        await run.mix(messages, node=1)
        await run.handed(client)
        return await run.verdict()


# -- killed -----------------------------------------------------------------------------------------


class Killed(NamedTuple):
    """What came of it, ids that were handed over and told by nobody, and ids of which a client came back."""

    verdict: Verdict
    untold: set[str]
    returned: set[str]


async def killed_before_its_turn(directory: Path, log: Log, *, messages: int) -> Killed:
    """The turn is held back while subscribers see what is published; then the process is killed.

    One of them never comes back. Another one comes back with the place that it had before.
    """
    nodes, returning = (1 if log.store == "sqlite" else 2), ("car1", "sold")
    async with running(directory, log, nodes) as run:
        victim = nodes - 1
        client = await run.listen(victim)
        (place,) = await run.publish(TAKEN, 1)
        await run.handed(client)
        for orders in run.orders:
            orders.give(Order.HOLD)  # grace stands still on the other one, too
        untold, again = {*await run.publish(TAKEN, messages)}, {*await run.publish(returning, messages)}
        await client.until(lambda: untold <= _ids(client))
        for number in (victim, 0):
            other = await run.listen(number, after=place, channel=returning)
            await other.until(lambda: again <= _ids(other))  # noqa: B023  awaited at once
            await other.stop()
            if number == victim and run.nodes[victim].starts == 1:
                await client.stop()
                await run.kill(victim)
                if nodes == 1:
                    await run.nodes[0].astart()
        run.orders[0].give(Order.PASS)
        return Killed(await run.verdict(0), untold, again)


async def killed_after_a_catch_up(
    directory: Path, log: Log, *, messages: int, module: str = PRODUCT
) -> Killed:
    """A node told that it looked at the messages, then handed them to a late comer, and was killed before it told of that."""
    async with running(directory, log, 2, module=module) as run:
        (place,) = await run.publish(LONELY, 1)
        for orders in run.orders:
            orders.give(Order.HOLD)
        untold = {*await run.publish(TAKEN, messages)}
        await run.turns_let_pass(1, 4)
        client = await run.listen(1, after=place)
        await run.handed(client)
        await client.stop()
        await run.kill(1)
        run.orders[0].give(Order.PASS)
        return Killed(await run.verdict(0), untold, set())


def _ids(client: Client) -> set[str]:
    return {event.id for event in client.events}


async def killed_after_its_turn(directory: Path, log: Log, *, messages: int) -> Verdict:
    """The store has just answered the turn that told of the last hand-over."""
    nodes = 1 if log.store == "sqlite" else 2
    async with running(directory, log, nodes) as run:
        victim = nodes - 1
        for orders in run.orders:
            orders.give(Order.HOLD)
        client = await run.listen(victim)
        await run.mix(2 * messages)
        await run.handed(client)
        await client.stop()
        run.orders[victim].give(Order.KILL_WHEN_TOLD, messages)
        assert await run.nodes[victim].await_exit() == -signal.SIGKILL
        run.orders[0].give(Order.PASS)
        if nodes == 1:
            await run.nodes[0].astart()
        return await run.verdict(0)


async def answers_lost(
    directory: Path, log: Log, *, messages: int, module: str = PRODUCT
) -> tuple[Verdict, list[int]]:
    """The store applies turns, and their answers never come: of hand-overs, then of decisions; then the node is killed.

    Returns the verdict, and what the other node (alone, the same) counts of sockets for each message that was taken.
    """
    nodes = 1 if log.store == "sqlite" else 2

    def settings(number: int) -> dict[str, str]:
        return {"FAST_SSE_DEAD_LETTERS__ENABLED": "false"} if number else {}  # so that the first one decides

    # Whoever takes no turn for three turns hears nothing of what is decided meanwhile. So turns are long, and what waits from
    # the beginning keeps all that is told until it is due.
    async with running(directory, log, nodes, grace_s=3.0, module=module, settings=settings) as run:
        victim, orders, desk = run.nodes[0], run.orders[0], run.desks[nodes - 1]
        client = await run.listen(0)

        async def lost() -> bool:
            return orders.struck >= 3

        orders.give(Order.LOSE_TOLD)
        await run.publish(LONELY, 1)
        await run.publish(TAKEN, messages)
        await run.handed(client)
        await until(lost, "three answers to one turn were lost")
        orders.give(Order.LOSE_DUE)
        await run.publish(LONELY, messages)
        for message_id in run.taken:
            await run.heard(nodes - 1, message_id)
        # The turn that was lost may be heard as the store took it first. What is told after it comes after all of them.
        await run.complete(nodes - 1, run.lonely[-1])
        written = [int(one["written"]) for one in (await desk.deliveries(run.taken)).values()]
        await until(lost, "three answers to a turn that decides were lost")
        victim.kill_now()
        await victim.await_exit()
        orders.give(Order.PASS)
        await victim.astart()
        return await run.verdict(), written


async def restarted_under_load(directory: Path, log: Log, *, messages: int, module: str = PRODUCT) -> Verdict:
    """Every second message has no taker, and all nodes are ended and started anew in the midst of them."""
    nodes = 1 if log.store == "sqlite" else 2
    async with running(directory, log, nodes, module=module) as run:
        client = await run.listen(nodes - 1)
        async with asyncio.TaskGroup() as group:
            publishing = group.create_task(run.mix(messages))
            while len(run.lonely) < messages // 4:  # noqa: ASYNC110
                await asyncio.sleep(0)
            await _restart(run)
            await publishing
        await run.handed(client)
        return await run.verdict()


async def _restart(run: Run) -> None:
    for node in run.nodes:
        node.terminate_now()
    await asyncio.gather(*(node.await_exit() for node in run.nodes))
    await asyncio.gather(*(node.astart() for node in run.nodes))


# -- stopped ----------------------------------------------------------------------------------------


async def stopped(directory: Path, log: Log, *, messages: int, grace_s: float, graces: float) -> Verdict:
    """SIGSTOP of the node that has the subscriber, for a part of the grace or until it has passed."""
    async with running(directory, log, 2, grace_s=grace_s) as run:
        client = await run.listen(1)
        (first,) = await run.publish(TAKEN, 1)
        await run.handed(client)
        await run.heard(0, first)
        os.kill(run.nodes[1].pid, signal.SIGSTOP)
        try:
            await run.mix(2 * messages)
            if graces > 1:
                await run.dead(0, 2 * messages)
            await asyncio.sleep(graces * grace_s / 2)
        finally:
            os.kill(run.nodes[1].pid, signal.SIGCONT)
        await run.handed(client)
        return await run.verdict()


async def purged_while_stopped(directory: Path, log: Log, *, messages: int, module: str = PRODUCT) -> Verdict:
    """Letters are made and purged while a node that still waits for their messages stands still.

    The node that decides has yet to load the log before its start, so that only its receipts say what it decided.
    """
    async with running(directory, log, 2, module=module) as run:
        await run.kill(1)
        run.orders[0].give(Order.HOLD)
        run.orders[1].give(Order.HOLD_LOAD)
        await run.publish(LONELY, 1)
        await run.nodes[1].astart()
        run.orders[1].give(Order.HOLD_ALL)
        await run.publish(LONELY, messages, node=1)
        await run.turns_let_pass(0, 4)
        assert await run.desks[0].waiting() == messages + 1
        os.kill(run.nodes[0].pid, signal.SIGSTOP)
        run.orders[1].give(Order.HOLD_LOAD)
        try:
            await run.dead(1, messages)
            run.purged = [letter.id for letter in await run.desks[1].letters()]
            assert await run.desks[1].purge() == len(run.purged) == messages
        finally:
            os.kill(run.nodes[0].pid, signal.SIGCONT)
        run.orders[0].give(Order.PASS)
        await run.swept_out(0)
        run.orders[1].give(Order.PASS)
        return await run.verdict()


# -- a store that is away, and clocks ---------------------------------------------------------------


async def store_away(
    directory: Path,
    log: Log,
    *,
    messages: int,
    grace_s: float,
    pause: Callable[[], None],
    resume: Callable[[], None],
    module: str = PRODUCT,
) -> Verdict:
    """The store stands still for twice the grace while messages wait; on its return, a few turns later, one half is taken."""
    async with running(directory, log, 2, grace_s=grace_s, module=module) as run:
        (place,) = await run.publish(LONELY, 1)
        for orders in run.orders:
            orders.give(Order.HOLD)
        await run.mix(2 * messages)
        await asyncio.gather(*(run.turns_let_pass(number, 2) for number in range(2)))
        pause()
        try:
            for orders in run.orders:
                orders.give(Order.PASS)  # they ask, and are not answered
            await asyncio.sleep(2 * grace_s)
        finally:
            resume()
        await asyncio.gather(*(run.turns_let_pass(number, 3) for number in range(2)))
        client = await run.listen(1, after=place)
        await run.handed(client)
        for orders in run.orders:
            orders.give(Order.PASS)
        return await run.verdict()


async def clocks_step(
    directory: Path,
    log: Log,
    *,
    messages: int,
    steps_s: Sequence[float],
    of_the_store: bool = False,
    module: str = PRODUCT,
) -> Verdict:
    """While messages wait, the wall clocks of the nodes are set; a few turns later, one half of the messages is taken.

    `steps_s`: by node. `of_the_store`: the store's clock is set with them, all by the first of the steps.
    """
    offsets = [Offset(directory / f"offset{number}") for number in range(len(steps_s))]

    def settings(number: int) -> dict[str, str]:
        if of_the_store:
            return {OFFSET_FILE: offsets[0].path, STORE_CLOCK: "1"}
        return {OFFSET_FILE: offsets[number].path}

    async with running(directory, log, len(steps_s), module=module, settings=settings) as run:
        (place,) = await run.publish(LONELY, 1)
        for orders in run.orders:
            orders.give(Order.HOLD)
        await run.mix(2 * messages)
        for offset, seconds in zip(offsets, steps_s, strict=True):
            offset.step(seconds)
        await asyncio.gather(*(run.turns_let_pass(number, 1) for number in range(len(steps_s))))
        await run.publish(LONELY, 1)  # so that a node that is alone has something to say
        await asyncio.gather(*(run.turns_let_pass(number, 1) for number in range(len(steps_s))))
        client = await run.listen(0, after=place)
        await run.handed(client)
        for orders in run.orders:
            orders.give(Order.PASS)
        return await run.verdict()


async def failed_over(directory: Path, *, messages: int) -> Verdict:
    """The replica has what was published and not the turns that told of it; messages behind them go with the primary."""
    async with paired(directory) as pair:
        log = Log("redis", {"FAST_SSE_REDIS__URL": pair.url})
        async with running(directory, log, 2, grace_s=2.0) as run:
            client = await run.listen(1)
            (first,) = await run.publish(TAKEN, 1)
            await run.handed(client)
            await run.heard(0, first)
            for orders in run.orders:
                orders.give(Order.HOLD)
            await run.mix(2 * messages)
            await run.handed(client)
            await pair.lag()
            lost = await run.publish(LONELY, 2)  # where the log ends on the replica is before them
            run.lonely = [one for one in run.lonely if one not in lost]
            await asyncio.gather(*(run.turns_let_pass(number, 3) for number in range(2)))
            await run.heard(0, run.taken[-1])
            await pair.fail_over()
            for orders in run.orders:
                orders.give(Order.PASS)
            return await run.verdict()
