"""The open streams of this node: how one begins, how some are ended, and how all of them end in a drain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from fast_sse.hub.catch_up import CatchUp
from fast_sse.hub.ground import Ground
from fast_sse.hub.outgoing import ENDED
from fast_sse.hub.subscriber import MoveOn, Subscriber
from fast_sse.hub.subscription import Start, Subscription
from fast_sse.hub.wheel import Wheel
from fast_sse.model.channel import Channel, Filter
from fast_sse.model.cursor import Cursor, choose_cursor
from fast_sse.observe.access import Ended

#: Share of a drain's window in which streams are ended; in the rest they take their last words.
_ENDING_SHARE = 0.9


class Streams:
    """Registry of the subscribers.

    Attributes:
        ending: set once streams are being ended, and new ones are told to come back.
    """

    def __init__(self, ground: Ground) -> None:
        self.ending = asyncio.Event()
        self._ground = ground
        self._wheel: Wheel[Subscriber] = ground.wheel
        self._tasks: set[asyncio.Task[None]] = set()
        #: Bound once: an idle stream keeps no method object of its own.
        self._move_on: MoveOn = self._start_catch_up

    @property
    def draining(self) -> bool:
        """Whether streams are being ended."""
        return self.ending.is_set()

    @property
    def full(self) -> bool:
        """Whether a new stream would be told to come back later."""
        return self.draining or 0 < self._ground.limits.streams_max <= self._ground.open_count

    # -- beginning ----------------------------------------------------------------------------------

    def open(self, transport: Any, subscription: Subscription, head: bytes = b"") -> Subscriber:
        """Begin a stream, `head` (of the response) before its first bytes.

        Only the opening is written here: until the transport is handed over, its pauses do not reach the stream.
        """
        ground, limits, start = self._ground, self._ground.limits, subscription.start
        head += subscription.form.preamble
        transport.set_write_buffer_limits(high=limits.write_buffer_bytes_max)
        level = ground.fanout.level
        own = choose_cursor(start.after, level) if start.after else None
        subscriber = Subscriber(
            ground,
            transport,
            subscription,
            own or level,
            self._move_on,
            resumed=own is not None,
            shown="" if own is not None else "earliest" if start.earliest else start.after or "",
        )
        refused: Ended | None = subscription.refused or (
            "drain" if self.draining else "overload" if self.full else None
        )
        self._wheel.add(subscriber)
        ground.opened += 1
        ground.open_count += 1
        if subscription.expired:
            subscriber.expire("expired", head, ground.jittered_ms(limits.expired_retry_ms, 1 / 3))
            return subscriber
        if refused:
            subscriber.come_back(refused, ground.jittered_ms(limits.overload_retry_ms), head)
            return subscriber
        if subscription.expires_in_s is not None:
            subscriber.end_in(subscription.expires_in_s, subscriber.expire)
        if subscription.age_s is not None:
            subscriber.retire_in(subscription.age_s)
        ground.starts[_place_of(start, own)] += 1
        # A cursor ahead of this node may be ahead of the log: then the gap is the first that the client is told.
        known = start.is_now or (own is not None and not _ahead(own, level))
        subscriber.open(ground.jittered_ms(limits.retry_ms), head, known=known)
        if start.is_now or own is not None:
            ground.loop.call_soon(subscriber.start)
        else:
            subscriber.begin(start)
        return subscriber

    def _start_catch_up(self, subscriber: Subscriber, start: Start | None) -> asyncio.Task[None]:
        task = self._ground.loop.create_task(CatchUp(subscriber, self._ground).run(start))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # -- ending -------------------------------------------------------------------------------------

    def end_channel(self, target: Channel) -> None:
        """End the streams of exactly this channel, whose history is gone: they come back to what is published from now on."""
        wanted = Filter.of(target)
        for subscriber in self._wheel:
            if subscriber.filter == wanted:
                subscriber.retire("erased")

    def revoke(self, stands: Callable[[object, Filter], bool]) -> int:
        """End every stream whose right no longer stands, as an expired one; the number that was ended."""
        ended = 0
        for subscriber in self._wheel:
            if subscriber.state != ENDED and not stands(subscriber.right, subscriber.filter):
                subscriber.expire("revoked")
                ended += 1
        return ended

    async def drain(self, window_s: float) -> int:
        """End every stream at a random moment of the window, each told when to come back; the number that was ended.

        A stream that does not take its last words within the window is cut.
        """
        self.ending.set()
        ground = self._ground
        ended = ground.open_count
        for subscriber in self._wheel:
            delay_s = ground.rng.uniform(0, window_s * _ENDING_SHARE)
            subscriber.end_in(delay_s, partial(subscriber.retire, "drain"))
        try:
            await asyncio.wait_for(self._wheel.emptied.wait(), window_s)
        except TimeoutError:
            self._cut_all("drain")
        return ended

    def _cut_all(self, why: Ended) -> None:
        """Cut what is still open, also those that have not taken their last words."""
        for subscriber in self._wheel:
            subscriber.cut(why)

    async def close(self) -> None:
        """Cut everything, take nothing new, and wait for the catch-ups to end."""
        self.ending.set()
        self._wheel.stop()
        self._cut_all("shutdown")
        if self._tasks:
            await asyncio.wait(self._tasks)


def _place_of(start: Start, own: Cursor | None) -> str:
    """Where a stream begins, in one word for the operators."""
    if start.after is not None:
        return "unreadable" if own is None else "cursor"
    if start.earliest:
        return "earliest"
    if start.since is not None:
        return "since"
    return "last" if start.last else "now"


def _ahead(cursor: Cursor, level: Cursor) -> bool:
    """Whether a cursor of this log is past what this node has seen of it."""
    return (cursor.kind, cursor.epoch) == (level.kind, level.epoch) and cursor.position > level.position
