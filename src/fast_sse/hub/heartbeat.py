"""One timer wheel for all streams: heartbeats, deadlines of peers that stand still, and ids for quiet channels.

Each stream sits in a random slot (that is the jitter) and is visited once a revolution. The wheel is also the
registry of open streams.

A quiet live set whose last id is older than the middle of the retained log, or an hour old, is sent one
position block with the follower's cursor: its members' next Last-Event-ID then lies inside the log, and a quiet channel
never turns into a false gap (guarantee G6).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Iterator

from fast_sse.hub.fanout import Fanout
from fast_sse.hub.live_set import LiveSet
from fast_sse.hub.subscriber import Subscriber
from fast_sse.model.cursor import Position
from fast_sse.model.limits import Limits

#: Streams of one slot are visited in one go: with many slots, 100,000 streams are some hundreds at a time.
SLOTS_MAX = 256
#: Seconds a turn takes at least: uvloop's timers count in milliseconds, and a delay that rounds to 0 never rests.
TURN_S_MIN = 0.005


class Wheel:
    """All open streams of this node, by slot."""

    def __init__(self, limits: Limits, loop: asyncio.AbstractEventLoop, rng: random.Random) -> None:
        # A stream is visited often enough to be cut near its deadline, too.
        self.period_s = min(limits.heartbeat_s, limits.stall_s / 2)
        slots = max(1, min(SLOTS_MAX, int(self.period_s / TURN_S_MIN)))
        self._turn_s = self.period_s / slots
        self._loop = loop
        self._rng = rng
        self._slots: list[set[Subscriber]] = [set() for _ in range(slots)]
        self._count = 0
        self._hand = 0
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Subscriber]:
        for slot in self._slots:
            yield from list(slot)

    def add(self, subscriber: Subscriber) -> None:
        """Take in a new stream."""
        subscriber.slot = int(self._rng.random() * len(self._slots))
        self._slots[subscriber.slot].add(subscriber)
        self._count += 1

    def remove(self, subscriber: Subscriber) -> None:
        """Let a stream go whose transport is gone."""
        if subscriber.slot >= 0:
            self._slots[subscriber.slot].discard(subscriber)
            self._count -= 1
            subscriber.slot = -1

    def start(self) -> None:
        """Begin to turn."""
        self._timer = self._loop.call_later(self._turn_s, self.turn)

    def stop(self) -> None:
        """Turn no more."""
        if self._timer is not None:
            self._timer.cancel()

    def turn(self) -> None:
        """Visit one slot and go on to the next."""
        self.start()
        slot = self._slots[self._hand]
        self._hand = (self._hand + 1) % len(self._slots)  # first: whatever a visit meets, the wheel goes on
        now_s = self._loop.time()
        for subscriber in list(slot):
            subscriber.visit(now_s)


def advance_quiet(
    fanout: Fanout, live_sets: Iterable[LiveSet], middle: Position, now_s: float, quiet_id_s: float
) -> None:
    """Send a position block to every quiet one of `live_sets` whose last id is about to grow too old."""
    level = fanout.level
    for live_set in live_sets:
        sent = live_set.sent.position
        if live_set.pending or sent >= level.position or not live_set.form.tells_positions:
            continue
        if sent <= middle or now_s - live_set.advanced_s >= quiet_id_s:
            live_set.tell_position(level, now_s)
            fanout.settle(live_set)
            fanout.discard_if_deserted(live_set)
