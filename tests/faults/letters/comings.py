"""Subscribers who leave and come back while messages are published: what the nodes count against what everybody logged."""

from __future__ import annotations

import asyncio
import itertools
import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from tests.faults.checker import position
from tests.faults.cluster.nodes import Log
from tests.faults.letters.judge import Verdict
from tests.faults.letters.run import TAKEN, Run, running
from tests.support.http1 import Connection, request_bytes
from tests.support.publisher import Publisher, signed
from tests.support.sse import Client

_PUBLISHERS = 4
_ROUNDS = 5
#: Every so many messages, somebody says that it has one.
_ACK_EVERY = 10


class Counts(NamedTuple):
    """Sockets of each message, as nodes count them, and events of it, as subscribers log them; and what may lie between.

    `in_flight`: so often a subscriber was cut off with the message on its way. `acks`: names that were given, and that are told.
    """

    written: dict[str, int]
    logged: Counter[str]
    in_flight: Counter[str]
    acks: dict[str, tuple[set[str], set[str], int]]
    comings: int
    verdict: Verdict

    @property
    def figure(self) -> str:
        """In words."""
        written, logged, cut = (
            sum(self.written.values()),
            sum(self.logged.values()),
            sum(self.in_flight.values()),
        )
        return (
            f"clients logged {logged:,}, nodes wrote {written:,}, logged and in flight at a cut {logged + cut:,}; "
            f"clients came {self.comings:,} times; {sum(len(one[0]) for one in self.acks.values()):,} acks exact; "
            f"{self.verdict.figure}"
        )

    def assert_right(self, *, idle: bool) -> None:
        """The inequality for each message, equal where everybody left idle; acks exact."""
        for message_id, written in self.written.items():
            least = self.logged[message_id]
            most = least if idle else least + self.in_flight[message_id]
            assert least <= written <= most, f"{message_id}: {least} <= {written} <= {most}; {self.figure}"
        for message_id, (given, told, acked) in self.acks.items():
            assert (told, acked) == (given, len(given)), (
                f"{message_id} was acked by {given}, and shows {told}"
            )


async def comings(directory: Path, log: Log, *, messages: int, subscribers: int, idle: bool) -> Counts:
    """Publish in rounds; subscribers leave between rounds when they have seen all (idle), or in the midst of one."""
    nodes = 1 if log.store == "sqlite" else 2
    rng = random.Random(subscribers)
    async with running(directory, log, nodes, grace_s=2.0) as run:
        leave = None if idle else (lambda: rng.randrange(1, max(40, messages // 10)))
        clients = [await run.listen(number % nodes, leave_after=leave) for number in range(subscribers)]
        publishers = [
            Publisher(f"r{number}", run.nodes[number % nodes].public) for number in range(_PUBLISHERS)
        ]
        for _ in range(_ROUNDS):
            each = messages // _ROUNDS // _PUBLISHERS
            await asyncio.gather(*(_publish(run, publisher, each) for publisher in publishers))
            if idle:
                await _come_and_go(run, clients, publishers, rng)
        for client in clients:
            await run.handed(client)
            await client.stop()
        acks = await _acks(run)
        verdict = await run.verdict()
        await run.complete(0, run.lonely[-1])
        deliveries = await run.desks[0].deliveries(run.taken)
        for publisher in publishers:
            publisher.close()
        sent = sorted(
            (position(message.message_id), message.attempts[0].invoked_ns, message.message_id)
            for publisher in publishers
            for message in publisher.history
        )
        return Counts(
            {message_id: int(one["written"]) for message_id, one in deliveries.items()},
            Counter(event.id for client in clients for event in client.events),
            Counter(itertools.chain.from_iterable(_in_flight(client, sent) for client in clients)),
            acks,
            sum(len(client.opened) for client in clients),
            verdict,
        )


async def _publish(run: Run, publisher: Publisher, count: int) -> None:
    for _ in range(count):
        run.taken.append((await publisher.publish_surely(TAKEN)).message_id)


async def _come_and_go(
    run: Run, clients: list[Client], publishers: list[Publisher], rng: random.Random
) -> None:
    """Half of them, at least one, are away for a while: they leave when they have seen everything."""
    for client in clients:
        await run.handed(client)
    away = rng.sample(clients, max(1, len(clients) // 2))
    for client in away:
        await client.stop()
    # Else what is published now may be written to who has left.
    await run.streams(len(clients) - len(away))
    await _publish(run, publishers[0], 5)
    for client in away:
        await client.start().ready(len(client.opened) + 1)


def _in_flight(client: Client, sent: list[tuple[Any, int, str]]) -> Iterator[str]:
    """Of each cut, what was published before the subscriber was back and what it had not logged."""
    places = [place for place, *_ in sent]
    for back in client.opened[1:]:
        later = 0
        for _, invoked_ns, message_id in islice(sent, bisect_right(places, position(back.cursor)), None):
            if invoked_ns < back.ns:
                yield message_id
            elif (later := later + 1) > 2 * _PUBLISHERS:  # who publishes at once is stored in any order
                break


async def _acks(run: Run) -> dict[str, tuple[set[str], set[str], int]]:
    """Some of the messages are acked by some names, now and then twice; what was said, and what each node tells."""
    given: dict[str, set[str]] = {}
    wanted = run.taken[-(len(run.taken) // _ACK_EVERY) :]
    for number, message_id in enumerate(wanted):
        names = [f"phone-{one}" for one in range(number % 4 + 1)]
        address = run.nodes[number % len(run.nodes)].public
        async with await Connection.open(address) as connection:
            for name in [*names, names[0]]:
                headers = {"Content-Type": "application/json", **signed(TAKEN)}
                body = f'{{"client":"{name}"}}'.encode()
                raw = request_bytes("POST", f"/v1/messages/{message_id}/ack", headers, body)
                reply = await connection.exchange(raw)
                assert reply.status == 200, reply
                assert reply.json()["data"]["duplicate"] is (name in given.get(message_id, set()))
                given.setdefault(message_id, set()).add(name)
    found = {}
    for number, desk in enumerate(run.desks):
        for message_id in wanted:
            await run.acked(number, message_id, len(given[message_id]))
            shown = await desk.delivery(message_id)
            found[message_id] = (given[message_id], {*shown["clients"]}, int(shown["acked"]))
    return found
