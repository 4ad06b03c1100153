"""The hub: publish, subscribe, start, drain, close.

A publish ends at the store's append; every delivery is a cursor moving along the log. There is no second path
from publisher to subscriber.
"""

from __future__ import annotations

import asyncio
import random
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fast_sse.hub.follower import Follower
from fast_sse.hub.heartbeat import advance_quiet
from fast_sse.hub.numbers import fanout_samples, follower_samples, newest, publish_samples, stream_samples
from fast_sse.hub.publishes import Publishes
from fast_sse.hub.streams import Streams, Subscription, Unacknowledged
from fast_sse.hub.subscriber import Subscriber
from fast_sse.model.channel import Channel, Filter
from fast_sse.model.cursor import Cursor, Position
from fast_sse.model.errors import NotStoredError, StoreClosedError, UnavailableError
from fast_sse.model.limits import Limits
from fast_sse.model.message import Draft
from fast_sse.observe.metrics import Sample
from fast_sse.observe.observer import (
    DefectSeen,
    Drained,
    HubStarted,
    HubStopped,
    Observer,
    StoreFailed,
    StoreRecovered,
    Trimmed,
)
from fast_sse.store.base import Outcome, Store

#: The store's write probe is asked at most this often.
PROBE_INTERVAL_S = 1.0
#: Quiet live sets that are looked at in one turn of the loop.
_SLICE = 256


class Hub:
    """One node's hub over one open store. Create it on a running loop, `start` it, `drain` and `close` it."""

    def __init__(
        self,
        store: Store,
        limits: Limits,
        observer: Observer,
        *,
        now_ms: Callable[[], int],
        rng: random.Random,
        unacknowledged: Unacknowledged = lambda _transport: None,
    ) -> None:
        self.store = store
        self.limits = limits
        self._observer = observer
        self._loop = asyncio.get_running_loop()
        self._streams = Streams(
            store, limits, observer, now_ms=now_ms, rng=rng, unacknowledged=unacknowledged
        )
        self._follower = Follower(
            store,
            self._streams.fanout,
            limits,
            observer,
            now_ms=now_ms,
            on_erased=self._streams.end_channel,
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._publishes = Publishes(store, limits, self._loop, observer)
        self._probed_s = float("-inf")
        self._probe: asyncio.Task[None] | None = None
        self._probe_error: UnavailableError | None = None
        self._newest: Cursor | None = None
        self._store_up = False
        self._trimmed = 0

    # -- facts --------------------------------------------------------------------------------------

    @property
    def following(self) -> bool:
        """Whether this node is reading the log."""
        return self._follower.following

    @property
    def streams(self) -> int:
        """Open streams."""
        return self._streams.open_count

    @property
    def full(self) -> bool:
        """Whether a new stream would be told to come back later."""
        return self._streams.draining or 0 < self.limits.streams_max <= self._streams.open_count

    @property
    def draining(self) -> bool:
        """Whether streams are being ended; new ones are told to come back."""
        return self._streams.draining

    # -- life ---------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to follow the open store. Raises UnavailableError when it cannot say where its log ends."""
        bounds = await self.store.bounds()
        self._streams.fanout.start_at(bounds.newest)
        self._tasks = [
            self._loop.create_task(self._follower.run(), name="follower"),
            self._loop.create_task(self._keep_trimmed(), name="trimmer"),
            self._loop.create_task(self._publishes.watch(), name="publish deadlines"),
        ]
        self._streams.wheel.start()
        self._observer.notify(HubStarted(bounds.newest.text, self.store.durability))

    async def drain(self, window_s: float) -> None:
        """End all streams, spread over the window; new ones are told to come back."""
        ended = await self._streams.drain(window_s)
        self._observer.notify(Drained(ended))

    async def close(self) -> None:
        """Stop every task. The store stays open."""
        await self._streams.close()
        tasks = [*self._tasks, self._probe] if self._probe is not None else self._tasks
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._tasks = []
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

    async def erase(self, target: Channel) -> int:
        """Erase what was published to exactly this channel so far, on every node, and end its streams.

        Returns how many entries went. Raises UnavailableError; asking again goes on.
        """
        return await self.store.erase(target)

    def revoke(self, stands: Callable[[object, Filter], bool]) -> int:
        """End every stream whose right (`Subscription.right`) or filter no longer stands; how many ended."""
        return self._streams.revoke(stands)

    async def probe_publish(self) -> None:
        """Prove that a publish would be stored; asks the store at most once a second. Raises UnavailableError."""
        if self._loop.time() - self._probed_s >= PROBE_INTERVAL_S and self._probe is None:
            self._probe = self._loop.create_task(self._ping())
        if self._probe is not None:
            await asyncio.shield(self._probe)
        if self._probe_error is not None:
            raise self._probe_error

    async def look(self, within_s: float) -> None:
        """Ask the store what `samples` tells of it; one that is silent for that long is down."""
        probe = asyncio.ensure_future(self.probe_publish())
        self._newest = await newest(self.store, within_s)
        await asyncio.wait({probe}, timeout=within_s)
        self._store_up = probe.done() and probe.exception() is None
        probe.cancel()

    def samples(self) -> Iterator[Sample]:
        """The numbers of this hub and, as far as `look` could see, of its store; none unless it runs."""
        if not self._tasks:
            return
        fanout = self._streams.fanout
        yield from stream_samples(self._streams)
        yield from fanout_samples(fanout)
        yield from follower_samples(self._follower, fanout.level, self._newest)
        yield from publish_samples(self._publishes)
        yield Sample("trimmed_total", "counter", "Entries that retention removed.", self._trimmed)
        yield Sample("store_up", "gauge", "0 when a publish would not be stored just now.", self._store_up)

    async def _ping(self) -> None:
        before = self._probe_error
        try:
            async with asyncio.timeout(self.limits.append_s):
                await self.store.ping()
            self._probe_error = None
        except TimeoutError:
            self._probe_error = NotStoredError("the store does not answer")
        except UnavailableError as error:
            self._probe_error = error
        finally:
            self._probed_s = self._loop.time()
            self._probe = None
        if (before is None) != (self._probe_error is None):
            fact = StoreRecovered() if self._probe_error is None else StoreFailed(self._probe_error.message)
            self._observer.notify(fact)

    # -- housekeeping -------------------------------------------------------------------------------

    async def _keep_trimmed(self) -> None:
        """Trim in small steps; before and after each, ids of quiet channels move ahead of the trim mark."""
        while True:
            await asyncio.sleep(self.limits.trim_interval_s)
            try:
                safe = await self._advance_quiet()
                while entries := await self.store.trim():
                    self._trimmed += entries
                    self._observer.notify(Trimmed(entries))
                    trimmed = (await self.store.bounds()).trimmed.position
                    self._streams.fanout.tail.trim_to(trimmed)
                    if trimmed + self.limits.trim_records_max >= safe:  # the next step may reach it
                        safe = await self._advance_quiet()
                    await asyncio.sleep(0)
            except StoreClosedError:
                return
            except UnavailableError as error:
                self._observer.notify(StoreFailed(error.message))
            except Exception as error:  # noqa: BLE001  retention must go on whatever one step met
                self._observer.notify(DefectSeen("trimmer", repr(error), traceback.format_exc()))

    async def _advance_quiet(self) -> Position:
        """One pass over all live sets, in slices; no id of theirs is below the returned position afterwards."""
        bounds = await self.store.bounds()
        fanout = self._streams.fanout
        trimmed, newest = bounds.trimmed.position, bounds.newest.position
        # Of a short log, one trim step may take more than half.
        short = newest - trimmed <= 2 * self.limits.trim_records_max
        middle = newest if short else (trimmed + newest) // 2
        if bounds.newest.epoch != fanout.level.epoch:
            return middle  # the follower is about to notice, and every stream is told
        live_sets = list(fanout.sets)
        for first in range(0, len(live_sets), _SLICE):
            some = live_sets[first : first + _SLICE]
            advance_quiet(fanout, some, middle, self._loop.time(), self.limits.quiet_id_s)
            await asyncio.sleep(0)
        return middle
