"""Nodes with a short grace over one log, messages with takers and without, and what the nodes say of dead letters."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.faults.cluster.nodes import Cluster, Log, cluster, metric
from tests.faults.letters.conducted import ORDERS_FILE, Order, Orders
from tests.faults.letters.judge import Letter, Told, Verdict, judge
from tests.support.http1 import Connection, request, request_bytes
from tests.support.publisher import Pair, Publisher, signed, subscribe_target
from tests.support.server import Hub
from tests.support.sse import Client

PRODUCT = "tests.faults.letters.conducted"
#: A channel that subscribers of the run listen to, and one that nobody does.
TAKEN, LONELY = ("car0", "sold"), ("attic", "left")
WITHIN_S = 40.0
#: What a broken build does not decide within this time it never will.
BROKEN_S = 12.0
_LOOK_S = 0.04
_PAGE = 1000


class AwayError(Exception):
    """A node has no store at the moment."""


async def until(reached: Callable[[], Awaitable[bool]], what: str, within_s: float = WITHIN_S) -> None:
    """Ask the nodes again and again, also while their store is away; TimeoutError names `what` never came."""
    try:
        async with asyncio.timeout(within_s):
            while True:
                with contextlib.suppress(AwayError):
                    if await reached():
                        return
                await asyncio.sleep(_LOOK_S)
    except TimeoutError:
        raise TimeoutError(f"{what}: not within {within_s} s") from None


class Desk:
    """What one node says to operators."""

    def __init__(self, node: Hub) -> None:
        self.node = node

    async def ask(self, method: str, target: str) -> dict[str, Any]:
        """The data of an answer that must be 200. Raises AwayError."""
        reply = await request(self.node.admin, method, target)
        if reply.status == 503:
            raise AwayError(target)
        assert reply.status == 200, reply
        data: dict[str, Any] = reply.json()["data"]
        return data

    async def letters(self) -> list[Letter]:
        """All of them, page by page."""
        found, cursor = list[Letter](), ""
        while True:
            page = await self.ask("GET", f"/v1/dead-letters?order=oldest&limit={_PAGE}{cursor}")
            found += map(Letter.of, page["items"])
            if page["next"] is None:
                return found
            cursor = f"&cursor={page['next']}"

    async def total(self) -> int:
        """How many letters there are."""
        return int((await self.ask("GET", "/v1/dead-letters?limit=1"))["total"])

    async def waiting(self) -> int:
        """How many messages wait on this node."""
        return int((await self.ask("GET", "/v1/dead-letters?limit=1"))["waiting"])

    async def purge(self) -> int:
        """Remove all letters; how many."""
        return int((await self.ask("DELETE", "/v1/dead-letters?all=true"))["purged"])

    async def delivery(self, message_id: str) -> dict[str, Any]:
        """How far a message has come."""
        return await self.ask("GET", f"/v1/messages/{message_id}/delivery")

    async def deliveries(self, ids: list[str]) -> dict[str, dict[str, Any]]:
        """How far many messages have come, on one connection."""
        found = {}
        async with await Connection.open(self.node.admin) as connection:
            for one in ids:
                target = f"/v1/messages/{one}/delivery"
                reply = await connection.exchange(request_bytes("GET", target, {}))
                assert reply.status == 200, reply
                found[one] = reply.json()["data"]
        return found

    async def told(self) -> Told:
        """What the judge is shown."""
        names = ("made_total", "maybe_total", "late_total")
        counts = [
            int(await metric(self.node, f"fast_sse_dead_letters_{name}", always=True)) for name in names
        ]
        return Told(await self.letters(), *counts)


class Run:
    """One run: who published what, who was handed what.

    Attributes:
        nodes, desks, orders: by number of the node.
        lonely: ids of messages that no subscriber is to be handed.
        taken: ids of the others.
        purged: ids of letters that were purged.
        patience_s: how long the end may take.
    """

    def __init__(self, group: Cluster, orders: list[Orders], patience_s: float) -> None:
        self.patience_s = patience_s
        self.nodes = group.nodes
        self.desks = [Desk(node) for node in group.nodes]
        self.orders = orders
        self.publishers = [Publisher(f"p{number}", node.public) for number, node in enumerate(group.nodes)]
        self.clients: list[Client] = []
        self.lonely: list[str] = []
        self.taken: list[str] = []
        self.purged: list[str] = []

    # -- messages -----------------------------------------------------------------------------------

    async def publish(self, channel: Pair, count: int, node: int = 0) -> list[str]:
        """So many messages at one node; their ids."""
        published = [await self.publishers[node].publish_surely(channel) for _ in range(count)]
        ids = [message.message_id for message in published]
        (self.lonely if channel == LONELY else self.taken).extend(ids)
        return ids

    async def mix(self, count: int, node: int = 0) -> None:
        """So many messages, every second one without a taker."""
        for _ in range(count // 2):
            await self.publish(TAKEN, 1, node)
            await self.publish(LONELY, 1, node)

    async def listen(
        self,
        node: int,
        *,
        after: str = "",
        channel: Pair = TAKEN,
        leave_after: Callable[[], int] | None = None,
        receive_bytes: int = 0,
    ) -> Client:
        """A subscriber that is on its stream: from now on, or from `after`."""
        name = f"s{len(self.clients)}"
        target, headers = subscribe_target(channel), signed(channel)
        client = Client(
            name,
            self.nodes[node].public,
            target,
            headers,
            leave_after=leave_after,
            receive_bytes=receive_bytes,
        )
        client.last_event_id = after
        self.clients.append(client)
        return await client.start().ready()

    def seen(self) -> set[str]:
        """Ids that any subscriber saw."""
        return {event.id for client in self.clients for event in client.events}

    async def handed(self, client: Client) -> None:
        """Wait until a subscriber has seen all that its channel was sent so far."""
        wanted, at = set(self.taken), 0

        def seen() -> bool:
            nonlocal at
            wanted.difference_update(event.id for event in client.seen[at:])
            at = len(client.seen)
            return not wanted

        await client.until(seen, WITHIN_S)

    async def streams(self, count: int) -> None:
        """Wait until the nodes have so many streams open.

        The end of a socket reaches its node by itself, perhaps after what is sent to the node later.
        """

        async def are() -> bool:
            found = [await metric(node, "fast_sse_streams_open", always=True) for node in self.nodes]
            return sum(found) == count

        await until(are, f"{count} streams are open")

    # -- the end ------------------------------------------------------------------------------------

    async def at_rest(self, *numbers: int) -> None:
        """Wait until all these nodes (none: all that live) decided everything: the last of all messages is one that dies."""
        alive = [number for number, node in enumerate(self.nodes) if node.alive()]
        alive = [number for number in alive if not numbers or number in numbers]
        (last,) = await self.publish(LONELY, 1, alive[0])

        async def decided() -> bool:
            for number in alive:
                if await self.desks[number].waiting():
                    return False
                if last not in {letter.id for letter in await self.desks[number].letters()}:
                    return False
            return True

        with contextlib.suppress(TimeoutError):  # what is missing then, the judge says
            await until(decided, "everything is decided", self.patience_s)

    async def verdict(self, *numbers: int) -> Verdict:
        """Wait for the end, and judge."""
        await self.at_rest(*numbers)
        alive = [desk for number, desk in enumerate(self.desks) if not numbers or number in numbers]
        told = [await desk.told() for desk in alive if desk.node.alive()]
        return judge(self.lonely, self.seen(), told, purged=self.purged)

    async def end(self) -> None:
        """Send everybody home."""
        for publisher in self.publishers:
            publisher.close()
        await asyncio.gather(*(client.stop() for client in self.clients))

    # -- nodes --------------------------------------------------------------------------------------

    async def swept(self, number: int, count: int) -> None:
        """Wait until so many messages wait on a node."""

        async def wait() -> bool:
            return await self.desks[number].waiting() >= count

        await until(wait, f"{count} messages wait on n{number}")

    async def swept_out(self, number: int) -> None:
        """Wait until nothing waits on a node."""

        async def empty() -> bool:
            return not await self.desks[number].waiting()

        await until(empty, f"nothing waits on n{number}")

    async def turns_let_pass(self, number: int, count: int) -> None:
        """Let a node whose turns are to be held take so many, and hold the next one.

        Four turns are less than a grace, however slow they are: its clock goes on by two turns for each, at most.
        """
        orders = self.orders[number]
        orders.give(Order.HOLD, count)

        async def taken() -> bool:
            # A node on which nothing waits takes no turns.
            return orders.struck >= count or (orders.struck > 0 and not await self.desks[number].waiting())

        await until(taken, f"{count} turns of n{number}")

    async def heard(self, number: int, message_id: str) -> None:
        """Wait until a node knows of a hand-over, and nobody is to tell it of more."""

        async def known() -> bool:
            shown = await self.desks[number].delivery(message_id)
            return bool(shown["written"]) and bool(shown["complete"])

        await until(known, f"n{number} heard of {message_id}")

    async def complete(self, number: int, message_id: str) -> None:
        """Wait until a node heard of all hand-overs up to this message."""

        async def told() -> bool:
            return bool((await self.desks[number].delivery(message_id))["complete"])

        await until(told, f"n{number} heard of all up to {message_id}")

    async def acked(self, number: int, message_id: str, names: int) -> None:
        """Wait until a node knows of so many names."""

        async def told() -> bool:
            return int((await self.desks[number].delivery(message_id))["acked"]) >= names

        await until(told, f"n{number} heard of {names} acks of {message_id}")

    async def dead(self, number: int, count: int) -> None:
        """Wait until a node says that there are so many letters."""

        async def there() -> bool:
            return await self.desks[number].total() >= count

        await until(there, f"{count} letters on n{number}")

    async def kill(self, number: int) -> None:
        """Kill -9, and its end."""
        self.nodes[number].kill_now()
        await self.nodes[number].await_exit()


@asynccontextmanager
async def running(
    directory: Path,
    log: Log,
    count: int,
    *,
    grace_s: float = 1.0,
    module: str = PRODUCT,
    settings: Callable[[int], dict[str, str]] = lambda _number: {},
) -> AsyncIterator[Run]:
    """`count` nodes over one log, under orders."""
    orders = [Orders(directory / f"orders{number}") for number in range(count)]

    def of(number: int) -> dict[str, str]:
        grace = {"FAST_SSE_DEAD_LETTERS__GRACE_S": str(grace_s)}
        return {**grace, ORDERS_FILE: str(orders[number].path), **settings(number)}

    async with cluster(directory, log, count, module=module, settings=of) as group:
        run = Run(group, orders, WITHIN_S if module == PRODUCT else BROKEN_S)
        try:
            yield run
        finally:
            await run.end()
