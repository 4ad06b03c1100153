"""The open streams of this node: how one begins, asks the store, is evicted, and how all of them end in a drain."""

from __future__ import annotations

import asyncio
import random
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import msgspec

from fast_sse.hub.catch_up import Start, begin, follow_up
from fast_sse.hub.fanout import Fanout
from fast_sse.hub.form import Form
from fast_sse.hub.heartbeat import Wheel
from fast_sse.hub.outgoing import ENDED
from fast_sse.hub.subscriber import Subscriber
from fast_sse.model.channel import Channel, Filter
from fast_sse.model.cursor import Cursor, choose_cursor
from fast_sse.model.errors import StoreClosedError, UnavailableError
from fast_sse.model.limits import Limits
from fast_sse.observe.observer import DefectSeen, Observer, StreamEvicted
from fast_sse.store.base import Page, Store

T = TypeVar("T")

#: Turns of the wheel within which an age is kept by a timer: looked at once a turn, it would be kept late by up to one.
_TIMED_TURNS = 20

#: From a transport: bytes the peer has acknowledged so far, or None when nothing is outstanding (or nobody knows).
Unacknowledged = Callable[[Any], int | None]


class Subscription(msgspec.Struct, frozen=True):
    """What a granted request asks for.

    Attributes:
        expires_in_s: the rest of its grant; None for a right that never ends.
        age_s: after which the client is told to come back, so that long streams spread over nodes; None for never.
        right: what it was granted by, opaque to the hub; `Streams.revoke` asks about it.
        refused: a bound of its client is reached: it is told to come back at once.
        expired: its grant was right and has ended: it is told so at once.
        on_end: called once when the stream has ended.
    """

    filter: Filter
    form: Form
    start: Start = Start()
    expires_in_s: float | None = None
    age_s: float | None = None
    right: object = None
    refused: bool = False
    expired: bool = False
    on_end: Callable[[], None] | None = None


class Streams:
    """Registry and services of the subscribers."""

    def __init__(
        self,
        store: Store,
        limits: Limits,
        observer: Observer,
        *,
        now_ms: Callable[[], int],
        rng: random.Random,
        unacknowledged: Unacknowledged,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.clock = self.loop.time
        self.store = store
        self.limits = limits
        self.now_ms = now_ms
        self.unacknowledged = unacknowledged
        self.fanout = Fanout(limits, self.loop)
        self.wheel = Wheel(limits, self.loop, rng)
        self.draining = False
        #: Counted since the start: gaps and evictions by reason, records replayed by pages, members that fell behind and came back.
        self.gaps: Counter[str] = Counter()
        self.evicted: Counter[str] = Counter()
        self.replayed = self.fell_behind = self.came_back = self.opened = self.expired = 0
        #: Streams that have not ended; the wheel also holds those whose last bytes are still on their way.
        self.open_count = 0
        self._observer = observer
        self._rng = rng
        self._reads = asyncio.Semaphore(limits.reads_concurrent_max)
        self._tasks: set[asyncio.Task[None]] = set()
        self._emptied = asyncio.Event()

    # -- beginning ----------------------------------------------------------------------------------

    def open(self, transport: Any, subscription: Subscription, head: bytes = b"") -> Subscriber:
        """Begin a stream, `head` (of the response) before its first bytes.

        Only the opening is written here: until the transport is handed over, its pauses are told to somebody else.
        """
        transport.set_write_buffer_limits(high=self.limits.write_buffer_bytes_max)
        start, wanted, form = subscription.start, subscription.filter, subscription.form
        level = self.fanout.level
        own = choose_cursor(start.after, level) if start.after else None
        subscriber = Subscriber(
            self,
            transport,
            wanted,
            form,
            own or level,
            resumed=own is not None,
            shown="" if own is not None else "earliest" if start.earliest else start.after or "",
        )
        self.wheel.add(subscriber)
        self.opened += 1
        self.open_count += 1
        subscriber.right, subscriber.on_end = subscription.right, subscription.on_end
        if subscription.expired:
            subscriber.expire(head, self.jittered_ms(self.limits.expired_retry_ms, 1 / 3))
            return subscriber
        if subscription.refused or self.draining or 0 < self.limits.streams_max < self.open_count:
            subscriber.come_back(self.jittered_ms(self.limits.overload_retry_ms), head)
            return subscriber
        if subscription.expires_in_s is not None:
            subscriber.expire_in(subscription.expires_in_s)
        if subscription.age_s is not None:
            self._retire_in(subscriber, subscription.age_s)
        # A cursor ahead of this node may be ahead of the log: then the gap is the first that the client is told.
        known = start.is_now or (own is not None and not _ahead(own, level))
        subscriber.open(self.jittered_ms(self.limits.retry_ms), head, known=known)
        if start.is_now or own is not None:
            self.loop.call_soon(subscriber.start)
        else:
            subscriber.task = self._spawn(subscriber, partial(begin, subscriber, self, start))
        return subscriber

    def start_catch_up(self, subscriber: Subscriber) -> None:
        """Let a task move the subscriber on, unless one is at it already."""
        if subscriber.task is None:
            subscriber.task = self._spawn(subscriber, partial(follow_up, subscriber, self))

    def _spawn(self, subscriber: Subscriber, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        task = self.loop.create_task(self._guard(subscriber, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _guard(self, subscriber: Subscriber, work: Callable[[], Awaitable[None]]) -> None:
        """Run a catch-up; what it cannot survive ends this one stream, loudly, and the client resumes elsewhere."""
        try:
            await work()
        except StoreClosedError:
            subscriber.cut()
        except Exception as error:  # noqa: BLE001  a defect of ours must not leave a stream that silently stands still
            self.give_up(subscriber, error)
        finally:
            subscriber.task = None

    # -- services -----------------------------------------------------------------------------------

    def jittered_ms(self, base_ms: int, share: float = 0.5) -> int:
        """`base_ms` plus or minus a share of it, so that clients do not come back in step."""
        return int(base_ms * (1 - share + 2 * share * self._rng.random()))

    async def read(self, wanted: Filter, after: Cursor, on_absent: Callable[[], None] = lambda: None) -> Page:
        """One page for a catch-up. Arguments as in `Store.read` and `ask`."""
        limits = self.limits
        return await self.ask(
            lambda: self.store.read(wanted, after, limits.page_records_max, limits.page_bytes_max), on_absent
        )

    async def ask(
        self, question: Callable[[], Awaitable[T]], on_absent: Callable[[], None] = lambda: None
    ) -> T:
        """Ask the store, a few questions at a time, and wait out its absence: a stream is not cut for that.

        `on_absent` is called each time that the store could not be asked.
        """
        wait_s = self.limits.retry_store_s
        while True:
            try:
                async with self._reads:
                    return await question()
            except StoreClosedError:
                raise
            except UnavailableError:
                on_absent()
                await asyncio.sleep(self._rng.uniform(0.5, 1) * wait_s)
                wait_s = min(wait_s * 2, self.limits.retry_store_s_max)

    def give_up(self, subscriber: Subscriber, error: Exception) -> None:
        """Cut a stream that met a defect of ours."""
        text = "".join(traceback.format_exception(error))
        self._observer.notify(DefectSeen("catch-up", repr(error), text))
        self.evict(subscriber, "defect", 0.0)

    def evict(self, subscriber: Subscriber, reason: str, after_s: float) -> None:
        """Cut a stream and say so, unless it has ended already."""
        if subscriber.state == ENDED:
            return
        self.evicted[reason] += 1
        peer = subscriber.transport.get_extra_info("peername")
        self._observer.notify(StreamEvicted(reason, str(peer[0]) if isinstance(peer, tuple) else "", after_s))
        subscriber.cut()

    def ended(self) -> None:
        """One stream fewer is open."""
        self.open_count -= 1

    def forget(self, subscriber: Subscriber) -> None:
        """An ended stream whose transport is gone leaves the registry."""
        self.wheel.remove(subscriber)
        if not len(self.wheel):
            self._emptied.set()

    # -- ending -------------------------------------------------------------------------------------

    def _retire_in(self, subscriber: Subscriber, age_s: float) -> None:
        """End a stream at its age: at its visit then, or by a timer of its own where a turn of the wheel is too coarse."""
        if age_s < _TIMED_TURNS * self.wheel.period_s:
            subscriber.end_in(age_s, self.jittered_ms(self.limits.retry_ms))
        else:
            subscriber.retires_s = self.clock() + age_s

    def retire(self, subscriber: Subscriber) -> None:
        """A stream reached its age: the client comes back soon, perhaps to another node."""
        subscriber.come_back(self.jittered_ms(self.limits.retry_ms))

    def end_channel(self, target: Channel) -> None:
        """End the streams of exactly this channel, whose history is gone: they come back to what is published from now on."""
        wanted = Filter.of(target)
        for subscriber in self.wheel:
            if subscriber.filter == wanted:
                self.retire(subscriber)

    def revoke(self, stands: Callable[[object, Filter], bool]) -> int:
        """End every stream whose right no longer stands, as an expired one; the number that was ended."""
        ended = 0
        for subscriber in self.wheel:
            if subscriber.state != ENDED and not stands(subscriber.right, subscriber.filter):
                subscriber.expire()
                ended += 1
        return ended

    async def drain(self, window_s: float) -> int:
        """End every stream at a random moment of the window, each told when to come back; the number that was ended.

        A stream that does not take its last words within the window is cut.
        """
        self.draining = True
        ended = self.open_count
        for subscriber in self.wheel:
            delay_s = self._rng.uniform(0, window_s * 0.9)
            subscriber.end_in(delay_s, self.jittered_ms(self.limits.retry_ms))
        self._emptied.clear()
        if len(self.wheel):
            try:
                await asyncio.wait_for(self._emptied.wait(), window_s)
            except TimeoutError:
                self.cut_all()
        return ended

    def cut_all(self) -> None:
        """Cut what is still open, also those that have not taken their last words."""
        for subscriber in self.wheel:
            subscriber.cut()

    async def close(self) -> None:
        """Cut everything, take nothing new, and wait for the catch-ups to end."""
        self.draining = True
        self.wheel.stop()
        self.cut_all()
        if self._tasks:
            await asyncio.wait(self._tasks)


def _ahead(cursor: Cursor, level: Cursor) -> bool:
    """Whether a cursor of this log is past what this node has seen of it."""
    return (cursor.kind, cursor.epoch) == (level.kind, level.epoch) and cursor.position > level.position
