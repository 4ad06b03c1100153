"""A foreign queue full of messages and poison, and a hub that is killed while it reads it.

The judge is the checker of the other fault tests: each lane of the queue (a stream, a partition) is a publisher whose
every entry is ok the moment it is in the queue, and whose order is the order of the log. The kill comes when a
subscriber has seen its share of the queue, and it counts as one that bit when the queue still holds entries that were
not acknowledged. A hub can be done before the kill reaches it; then more is queued and the kill is tried again.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, Protocol, Self

import redis
from confluent_kafka import Producer
from tests.faults.checker import Published, Report, Subscription, check
from tests.faults.cluster.nodes import Log
from tests.faults.crowd import IDS, TYPES, heard, payload_of
from tests.faults.held import Held
from tests.faults.scenarios import PRODUCT, Run
from tests.ingest.kafka import Topic
from tests.support.http1 import Address, request
from tests.support.publisher import Pair, signed, subscribe_target
from tests.support.redis_server import RedisServer
from tests.support.server import Hub
from tests.support.sse import Client

#: One of them is poison, in the middle of the others.
POISON_EVERY = 100
#: Who listens: exact channels, and each kind of wildcard.
PATTERNS: list[Pair] = [("car0", "sold"), ("car3", "seen"), ("car1", "*"), ("*", "seen"), ("*", "*")]
_AT_ONCE = 1000
#: Entries in hand at a time.
BATCH = 20
#: A log of the hub's own.
ON_SQLITE = Log("sqlite", {})


class Queued(NamedTuple):
    """One entry on its way into a queue."""

    lane: int
    channel: Pair
    package: bytes


class Left(NamedTuple):
    """What a queue still holds: taken and not acknowledged (where it can say so), and the rest."""

    in_hand: int
    waiting: int


class Queue(Protocol):
    """A queue as its producers and its operator see it."""

    #: How many orders it keeps.
    lanes: int
    #: Of the hub that reads it.
    settings: dict[str, str]

    def fill(self, entries: list[Queued]) -> None:
        """Put entries into it, in order, the way its producers do."""

    def left(self) -> Left:
        """What is not done with."""


class RedisQueue:
    """The original's: plain XADD of one field, the event id, whose value is the package."""

    lanes = 1

    def __init__(self, server: RedisServer, name: str = "sse:events") -> None:
        self.name = name
        self.server = server
        self.settings: dict[str, str] = {}
        self.at(server.url)

    def at(self, url: str) -> None:
        """Where hubs find it: the server, or a proxy before it."""
        self.settings = {
            "FAST_SSE_INGEST__REDIS_STREAM__URL": url,
            "FAST_SSE_INGEST__REDIS_STREAM__QUEUE_NAME": self.name,
        }

    def fill(self, entries: list[Queued]) -> None:
        with redis.Redis.from_url(self.server.url) as client:
            for first in range(0, len(entries), _AT_ONCE):
                with client.pipeline(transaction=False) as pipeline:
                    for entry in entries[first : first + _AT_ONCE]:
                        pipeline.execute_command("XADD", self.name, "*", entry.channel[0], entry.package)
                    pipeline.execute()

    def left(self) -> Left:
        with redis.Redis.from_url(self.server.url) as client:
            (group,) = client.xinfo_groups(self.name)
            return Left(group["pending"], group["lag"])


class KafkaQueue:
    """A topic with several partitions, filled in turn."""

    lanes = 4

    def __init__(self, topic: Topic) -> None:
        self.topic = topic
        self.group = topic.name
        self.settings: dict[str, str] = {}
        self.at(topic.broker.bootstrap)

    def at(self, bootstrap: str) -> None:
        """Where hubs find it: the broker, or a proxy before it."""
        options = {"session.timeout.ms": "1500", "heartbeat.interval.ms": "300"}
        self.settings = {
            "FAST_SSE_INGEST__KAFKA_TOPIC__TOPIC": self.topic.name,
            "FAST_SSE_INGEST__KAFKA_TOPIC__GROUP": self.group,
            "FAST_SSE_INGEST__KAFKA_TOPIC__BOOTSTRAP_SERVERS": bootstrap,
            "FAST_SSE_INGEST__KAFKA_TOPIC__OPTIONS": json.dumps(options),
        }

    def fill(self, entries: list[Queued]) -> None:
        producer = Producer({**self.topic.settings, "linger.ms": 5})
        for entry in entries:
            producer.produce(self.topic.name, value=entry.package, partition=entry.lane)
        assert producer.flush(60) == 0

    def left(self) -> Left:
        stands = (max(0, self.topic.committed(self.group, lane)) for lane in range(self.lanes))
        return Left(0, sum(self.topic.end(lane) - stand for lane, stand in enumerate(stands)))


class Filling(NamedTuple):
    """What goes into a queue, what should come out of it, and what should be a dead letter."""

    queued: list[Queued]
    published: list[Published]
    poison: list[bytes]

    def plus(self, more: Filling) -> Filling:
        """Both, one after the other."""
        return Filling(self.queued + more.queued, self.published + more.published, self.poison + more.poison)


def filled(entries: int, lanes: int, first: int = 0) -> Filling:
    """The entries from number `first` on, with a poison among every hundred."""
    chance = random.Random(first)
    made = Filling([], [], [])
    for n in range(first, first + entries):
        lane = n % lanes
        channel = (chance.choice(IDS), chance.choice(TYPES))
        package: dict[str, object] = {"event_id": channel[0], "event_type": channel[1], "event_name": "Load"}
        if n % POISON_EVERY == POISON_EVERY // 2:
            package["number"] = n
            made.poison.append(json.dumps(package).encode())
        else:
            made.published.append(Published(f"q{lane}", n, f"q-{n}", channel, "ok"))
            package["data"] = {"p": f"q-{n}", "pad": "x" * 150}
        made.queued.append(Queued(lane, channel, json.dumps(package).encode()))
    return made


class Listeners:
    """Subscribers to everything that the queue is about. `async with` lets them listen from the beginning of the log."""

    def __init__(self, address: Address, name: str = "s") -> None:
        self.pairs = [
            (
                Subscription(f"{name}{n}", [pattern]),
                Client(
                    f"{name}{n}",
                    address,
                    subscribe_target(pattern) + "?last_event_id=earliest",
                    signed(pattern),
                ),
            )
            for n, pattern in enumerate(PATTERNS)
        ]
        self.whole = self.pairs[-1][1]

    async def seen(self, messages: int, within_s: float) -> None:
        """Wait until the one that hears everything has seen that many."""
        await self.whole.until(lambda: len(self.whole.seen) >= messages, within_s)

    async def seen_last(self, published: list[Published], within_s: float) -> bool:
        """Wait until each has seen the last message of every lane that is for it; False when one never did."""
        try:
            for subscription, client in self.pairs:
                last = {
                    message.publisher: message.payload
                    for message in published
                    if subscription.wants(message.channel)
                }
                for payload in last.values():
                    await client.until(partial(has_seen, client, {payload}, [0]), within_s)
        except TimeoutError:
            return False  # what never came is the checker's to name
        return True

    async def __aenter__(self) -> Self:
        for _, client in self.pairs:
            client.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(client.stop() for _, client in self.pairs))


def has_seen(client: Client, missing: set[str], at: list[int]) -> bool:
    """Whether nothing is missing any more; looks at each event once."""
    fresh, at[0] = client.seen[at[0] :], len(client.seen)
    missing.difference_update(payload_of(event) for event in fresh if event.is_message)
    return not missing


class Drain:
    """A queue, a hub that reads it, who listens, and the kills so far."""

    def __init__(self, queue: Queue, hub: Hub, listeners: Listeners, within_s: float, end_s: float) -> None:
        self.queue = queue
        self.hub = hub
        self.listeners = listeners
        self.within_s = within_s
        self.end_s = end_s
        self.all = Filling([], [], [])
        self.left: list[Left] = []

    async def fill(self, entries: int) -> None:
        """Put that many more into the queue."""
        more = filled(entries, self.queue.lanes, first=len(self.all.queued))
        self.all = self.all.plus(more)
        await asyncio.to_thread(self.queue.fill, more.queued)

    async def kill(self, seen: int, before_kill: Callable[[], None]) -> bool:
        """Kill the hub when that many messages were seen, and start it again; whether it was on its way just then."""
        await self.listeners.seen(seen, self.within_s)
        before_kill()
        return await self.strike()

    async def strike(self) -> bool:
        """Kill the hub and start it again; whether it was on its way just then."""
        self.hub.kill_now()
        await self.hub.await_exit()
        self.left.append(await asyncio.to_thread(self.queue.left))
        await self.hub.astart()
        return self.bit(-1)

    def bit(self, kill: int) -> bool:
        """Whether the queue held something after a kill."""
        return sum(self.left[kill]) > 0

    async def kills(self, entries: int, kills: int, late_max: int, before_kill: Callable[[], None]) -> None:
        """Fill the queue and kill on the way, evenly; after a kill that came too late, at the head of a longer queue."""
        await self.fill(entries)
        share = len(self.all.published) // (kills + 1)
        seen = late = 0
        while len(self.left) < kills + late:
            seen += share
            if not await self.kill(seen, before_kill) and late < late_max:
                late += 1
                seen = len(self.all.published)
                await self.fill(entries << late)

    async def kills_at(self, held: Held, entries: int) -> None:
        """Kill whenever an acknowledgement is held, be it while the queue is still being filled."""
        kills = held.times
        async with asyncio.TaskGroup() as group:
            group.create_task(self.fill(entries))
            for _ in range(kills):
                await held.next(self.within_s)
                await self.strike()

    async def finish(self) -> Report:
        """Wait until everything came and was acknowledged, and judge."""
        if await self.listeners.seen_last(self.all.published, self.end_s):
            await done(self.queue, self.end_s)
        report = check(self.all.published, heard(self.listeners.pairs))
        on_the_way = sum(self.bit(kill) for kill in range(len(self.left)))
        return report.require(kills=len(self.left), kills_on_the_way=on_the_way)


async def drained(
    directory: Path,
    queue: Queue,
    *,
    entries: int,
    kills: int = 0,
    held: Held | None = None,
    log: Log = ON_SQLITE,
    module: str = PRODUCT,
    within_s: float = 120.0,
    end_s: float = 120.0,
    late_max: int = 6,
    before_kill: Callable[[], None] = lambda: None,
) -> Run:
    """Fill a queue, let a hub whose log is elsewhere read it, and kill it again and again on the way.

    Up to `late_max` kills may come when the hub is done already; the queue is twice as long after each. With `held`
    the kills are when an acknowledgement is, and none of them can be late. `within_s` bounds each wait on the way, `end_s`
    the last one: a broken hub never comes to it.
    """
    # Small batches and a short lease: more places for a kill to land in, and less to wait for after it.
    limits = {"FAST_SSE_LIMITS__INGEST_LEASE_S": "0.5", "FAST_SSE_LIMITS__INGEST_ENTRIES_MAX": str(BATCH)}
    settings = {**limits, **log.settings, **queue.settings}
    hub = Hub(directory, store=log.store, settings=settings, module=module)
    async with hub, Listeners(hub.public) as listeners:
        drain = Drain(queue, hub, listeners, within_s, end_s)
        if held is None:
            await drain.kills(entries, kills, late_max, before_kill)
        else:
            await drain.kills_at(held, entries)
        report = await drain.finish()
        dead = await poison_kept(hub.admin)
    poison = Counter(sha256(raw).hexdigest() for raw in drain.all.poison)
    if missing := (poison - dead).total():
        report.defects["lost"].append(f"poison: {missing} of {poison.total()} entries are no dead letter")
    if more := (dead - poison).total():
        report.defects["duplicate"].append(f"poison: {more} dead letters more than entries")
    in_hand = sum(left.in_hand > 0 for left in drain.left)
    known = f"; {in_hand} kills with entries taken and not acknowledged" if in_hand else ""
    kept = f"{poison.total()} entries were poison and {dead.total()} are dead letters"
    return Run(report, f"{report.text()}{known}; {kept}")


async def poison_kept(admin: Address) -> Counter[str]:
    """The hashes of all poison among the dead letters, as operators are told of them."""
    found, cursor = Counter[str](), ""
    while True:
        reply = await request(admin, "GET", f"/v1/dead-letters?reason=poison&limit=1000{cursor}")
        assert reply.status == 200, reply
        page = reply.json()["data"]
        found.update(head["sha256"] for head in page["items"])
        if page["next"] is None:
            return found
        cursor = f"&cursor={page['next']}"


async def done(queue: Queue, within_s: float) -> None:
    """Wait until the queue has nothing left to do."""
    async with asyncio.timeout(within_s):
        while any(await asyncio.to_thread(queue.left)):  # noqa: ASYNC110  nothing announces an acknowledgement
            await asyncio.sleep(0.05)
