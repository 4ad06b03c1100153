"""The hub: publish, subscribe, start, drain, close.

A publish ends at the store's append; every delivery is a cursor moving along the log. There is no second path
from publisher to subscriber.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from fast_sse.hub.acks import Acks
from fast_sse.hub.busy import BusyChannels
from fast_sse.hub.dead_letter import DeadLetters
from fast_sse.hub.delivery import Delivery
from fast_sse.hub.follower import Follower
from fast_sse.hub.ground import AcknowledgedBytes, Ground
from fast_sse.hub.probe import Probe
from fast_sse.hub.publishes import Publishes
from fast_sse.hub.retained import RetainedPages
from fast_sse.hub.retention import Trimmer
from fast_sse.hub.streams import Streams
from fast_sse.hub.subscriber import Subscriber
from fast_sse.hub.subscription import Subscription
from fast_sse.hub.telling import LetterRules
from fast_sse.hub.watch import Watch
from fast_sse.model.channel import Channel, Filter
from fast_sse.model.cursor import Cursor
from fast_sse.model.limits import Limits
from fast_sse.model.message import Draft
from fast_sse.observe.metrics import Sample
from fast_sse.observe.observer import Drained, HubStarted, HubStopped, Observer
from fast_sse.store.base import Outcome, Store
from fast_sse.store.letters import Turner


class Erased(NamedTuple):
    """What went when a channel was erased: entries of the log, and dead letters."""

    entries: int
    letters: int


class Hub:
    """One node's hub over one open store. Create it on a running loop, `start` it, `drain` and `close` it.

    Attributes:
        store, limits, now_ms: as given; the last is the clock of the log.
        delivery: how far messages have come.
        dead_letters: the turns of this node.
        watch: what operators see of its streams and channels.
        retained: what they see of the log.
    """

    def __init__(
        self,
        store: Store,
        limits: Limits,
        observer: Observer,
        *,
        now_ms: Callable[[], int],
        rng: random.Random,
        acknowledged_bytes: AcknowledgedBytes = lambda _transport: None,
        node: str = "node",
        rules: LetterRules = LetterRules(),  # noqa: B008 - frozen
    ) -> None:
        """`node`: the name of this process among those that share the store. `rules`: of its dead letters."""
        self.store = store
        self.limits = limits
        self.now_ms = now_ms
        self._observer = observer
        self._loop = loop = asyncio.get_running_loop()
        self._ground = ground = Ground(
            store, limits, observer, now_ms=now_ms, rng=rng, acknowledged_bytes=acknowledged_bytes
        )
        self._streams = Streams(ground)
        busy = BusyChannels(loop.time)
        self._follower = Follower(
            store,
            ground.fanout,
            limits,
            observer,
            now_ms=now_ms,
            on_erased=self._streams.end_channel,
            on_taken=busy.take,
        )
        acks, who = Acks(limits), (node, secrets.token_hex(8))
        self.watch, self.retained = Watch(ground, busy, secrets.token_hex(4)), RetainedPages(store)
        self.dead_letters = DeadLetters(store, ground.fanout, acks, rules, limits, observer, who, now_ms)
        self.delivery = Delivery(
            store, ground.fanout, acks, self.dead_letters.telling, clock=loop.time, now_ms=now_ms
        )
        self._trimmer = Trimmer(
            store, ground.fanout, limits, observer, loop.time, lambda: self.dead_letters.keep_after
        )
        self._probe = Probe(store, limits, observer, loop)
        self._publishes = Publishes(store, limits, loop, observer, ground.arrivals, self._probe.suspect)
        self._tasks: list[asyncio.Task[None]] = []

    # -- facts --------------------------------------------------------------------------------------

    @property
    def following(self) -> bool:
        """Whether this node is reading the log."""
        return self._follower.following

    @property
    def level(self) -> Cursor:
        """The last record that this node has taken from the log. The hub has started."""
        return self._ground.fanout.level

    def nodes(self) -> Sequence[Turner] | None:
        """The processes that share the log, as their store named them with the last turn; None where none was answered.

        Whoever asks gets an answer of now with the next turn: a node that has nothing to tell takes one for it.
        """
        self.dead_letters.telling.wanted = True
        return self.dead_letters.telling.turners

    @property
    def streams(self) -> int:
        """Open streams."""
        return self._ground.open_count

    @property
    def full(self) -> bool:
        """Whether a new stream would be told to come back later."""
        return self._streams.full

    @property
    def draining(self) -> bool:
        """Whether streams are being ended; new ones are told to come back."""
        return self._streams.draining

    @property
    def ending(self) -> asyncio.Event:
        """Set once it is."""
        return self._streams.ending

    async def probe_publish(self) -> None:
        """Prove that a publish would be stored; asks the store at most once a second. Raises UnavailableError."""
        await self._probe.check()

    async def look(self, within_s: float) -> None:
        """Ask the store what `samples` says of it, for at most that long."""
        await asyncio.gather(self._probe.look(within_s), self._follower.look(within_s))

    def samples(self) -> Iterator[Sample]:
        """The numbers of this hub and, as far as `look` could see, of its store; none unless it runs."""
        if self._tasks:
            fanout = self._ground.fanout
            for part in (self._ground, fanout, self._follower, self._publishes, self._trimmer, self._probe):
                yield from part.samples()
            yield from self.dead_letters.samples()

    # -- life ---------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to follow the open store.

        Raises:
            UnavailableError: it cannot say where its log ends.
            HeldError: another process of this node's name shares the store.
        """
        await self.dead_letters.begin()
        bounds = await self.store.bounds()
        self._ground.fanout.start_at(bounds.newest)
        self._tasks = [
            self._loop.create_task(self._follower.run(), name="follower"),
            self._loop.create_task(self._trimmer.run(), name="trimmer"),
            self._loop.create_task(self._publishes.run(), name="publish deadlines"),
            self._loop.create_task(self._probe.run(), name="store watch"),
        ]
        self._ground.wheel.start()
        self.dead_letters.start()
        self._observer.notify(HubStarted(bounds.newest.text, self.store.durability))

    async def drain(self, window_s: float) -> None:
        """End all streams, spread over the window; new ones are told to come back."""
        ended = await self._streams.drain(window_s)
        self._observer.notify(Drained(ended))

    async def close(self) -> None:
        """Stop every task. The store stays open."""
        await self._streams.close()
        await self._probe.close()
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self.dead_letters.close()
        self._observer.notify(HubStopped())

    # -- publish and subscribe ----------------------------------------------------------------------

    def publish(self, drafts: Sequence[Draft]) -> asyncio.Future[list[Outcome]]:
        """Append drafts; the future resolves entry by entry, at the latest (as unknown) at the append deadline.

        Raises:
            OverloadedError: too much is waiting for the store already; nothing was stored.
        """
        return self._publishes.append(drafts)

    def subscribe(self, transport: Any, subscription: Subscription, head: bytes = b"") -> Subscriber:
        """Begin a stream, `head` before its first bytes; the protocol to hand the transport to."""
        return self._streams.open(transport, subscription, head)

    async def erase(self, target: Channel) -> Erased:
        """Erase what was published to exactly this channel so far, on every node, and end its streams.

        The log first: what still waits there can then become no dead letter. Raises UnavailableError; asking again goes on.
        """
        entries = await self.store.erase(target)
        erased = Erased(entries, await self.store.letters.erase(target))
        self.dead_letters.notify(erased)
        return erased

    def revoke(self, stands: Callable[[object, Filter], bool]) -> int:
        """End every stream whose right (`Subscription.right`) or filter no longer stands; how many ended."""
        return self._streams.revoke(stands)
