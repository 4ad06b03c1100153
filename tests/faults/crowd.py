"""The load of a fault test: publishers and subscribers over ten channels and every kind of wildcard.

Subscribers are there before the first message, and the run ends only when each has seen every publisher's last
acknowledged message: then, and only then, a message that is missing is lost and not late.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Self

from tests.faults.checker import Delivered, Published, Report, Subscription, check
from tests.support.http1 import Address
from tests.support.publisher import Message, Pair, Publisher, signed, subscribe_target
from tests.support.sse import Client, Seen

IDS = [f"car{number}" for number in range(5)]
TYPES = ["sold", "seen"]
CHANNELS: list[Pair] = [(event_id, event_type) for event_id in IDS for event_type in TYPES]
#: Twenty subscribers: ten exact, five (id,*), two (*,type), three (*,*).
PATTERNS: list[Pair] = [*CHANNELS, *((i, "*") for i in IDS), *(("*", t) for t in TYPES), *[("*", "*")] * 3]
#: What publishers publish to: mostly exact channels, sometimes a broadcast of each form.
TARGETS: list[Pair] = [*CHANNELS * 3, (IDS[0], "*"), ("*", TYPES[0]), ("*", "*")]


def payload_of(event: Seen) -> str:
    """The unique text of a message, whatever its publisher put around it."""
    data = event.payload
    return str(data["p"] if isinstance(data, dict) else data)


class Crowd:
    """Publishers and subscribers of one run. `async with` joins the subscribers and sends everybody home."""

    def __init__(
        self,
        address: Address,
        *,
        patterns: list[Pair] | None = None,
        publishers: int = 4,
        pad_bytes: int = 0,
        keyed: bool = True,
        leave_after: Callable[[], int] | None = None,
        wait_ms: int = 100,
        seed: int = 1,
    ) -> None:
        self.random = random.Random(seed)
        self.acknowledged = 0
        self.patterns = list(PATTERNS if patterns is None else patterns)
        self.publishers = [
            Publisher(f"p{number}", address, pad_bytes=pad_bytes, keyed=keyed) for number in range(publishers)
        ]
        self.clients = [
            Client(
                f"s{number}",
                address,
                subscribe_target(pattern),
                signed(pattern),
                leave_after=leave_after,
                wait_ms=wait_ms,
            )
            for number, pattern in enumerate(self.patterns)
        ]

    async def __aenter__(self) -> Self:
        for client in self.clients:
            client.start()
        for client in self.clients:
            await client.ready()
        return self

    async def __aexit__(self, *_: object) -> None:
        for publisher in self.publishers:
            publisher.close()
        await asyncio.gather(*(client.stop() for client in self.clients))

    @property
    def messages(self) -> list[Message]:
        """Everything that was published, by whom and with what outcome."""
        return [message for publisher in self.publishers for message in publisher.history]

    async def publish(self, messages: int, *, channels: list[Pair] | None = None) -> None:
        """All publishers together publish that many, each until it is ok, or unknown where there is no key to repeat it by."""
        left = iter(range(messages))

        async def work(publisher: Publisher) -> None:
            for _ in left:
                message = await publisher.publish_surely(self.random.choice(channels or TARGETS))
                self.acknowledged += message.outcome == "ok"

        async with asyncio.TaskGroup() as group:
            for publisher in self.publishers:
                group.create_task(work(publisher))

    async def drain(self, within_s: float = 30.0) -> bool:
        """Wait until every subscriber has seen each publisher's last ok; False when one never did."""
        done = await asyncio.gather(
            *(self._drain(client, within_s) for client in self.subscriptions_with_clients())
        )
        return all(done)

    async def join_late(self) -> None:
        """One more subscriber, who reads everything from the store: what others saw live may never have reached it."""
        target = subscribe_target(("*", "*")) + "?last_event_id=earliest"
        client = Client("late", self.publishers[0].address, target, signed(("*", "*")))
        self.patterns.append(("*", "*"))
        self.clients.append(client.start())
        await client.ready()

    def subscriptions_with_clients(self) -> list[tuple[Subscription, Client]]:
        """Each client and what it asked for."""
        return [
            (Subscription(client.name, [pattern]), client)
            for client, pattern in zip(self.clients, self.patterns, strict=True)
        ]

    async def _drain(self, pair: tuple[Subscription, Client], within_s: float) -> bool:
        subscription, client = pair
        missing = set()
        for publisher in self.publishers:
            wanted = [m for m in publisher.history if m.outcome == "ok" and subscription.wants(m.channel)]
            missing |= {message.payload for message in wanted[-1:]}
        at = 0

        def caught_up() -> bool:
            nonlocal at
            missing.difference_update(payload_of(event) for event in client.seen[at:] if event.is_message)
            at = len(client.seen)
            return not missing

        try:
            await client.until(caught_up, within_s)
        except TimeoutError:
            return False
        return True

    def report(self) -> Report:
        """The checker's judgement of this run."""
        return judge(self.messages, self.subscriptions_with_clients())


def judge(messages: list[Message], pairs: list[tuple[Subscription, Client]]) -> Report:
    """Histories of publishers and clients, put before the checker."""
    published = [
        Published(
            message.publisher,
            message.n,
            message.payload,
            message.channel,
            message.outcome,
            message.message_id,
        )
        for message in messages
    ]
    return check(published, heard(pairs))


def heard(pairs: list[tuple[Subscription, Client]]) -> list[Subscription]:
    """What each subscription was for, and what its client saw."""
    for subscription, client in pairs:
        subscription.delivered = [
            Delivered(event.connection, event.id, payload_of(event)) for event in client.events
        ]
        subscription.gaps = [gap.data for gap in client.gaps]
        subscription.finals = client.finals
    return [subscription for subscription, _ in pairs]
