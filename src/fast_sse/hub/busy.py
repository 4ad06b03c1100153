"""Which channels are busy: their rates over about the last minute, for a bounded number of them.

Channels are clients' words, and there may be millions. So the busiest are found by a sketch (Misra and Gries, 1982; made
cheap by clearing many at once, as Anderson and others do, 2017). It counts all of them until there are twice as many as
may be kept. Then what the first one that must go has is taken from each, and those with nothing left are forgotten. So a
rate is never too high, and too low by no more than what was taken from each: that is told beside it. A channel that has
more than its share of all messages is always among those that are kept.

What is old counts less, by an exponential of WINDOW_S. Instead of making all counts smaller with time, new ones are made
larger (forward decay), so that a second costs only the channels that it brought. A record costs one step in a dictionary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from heapq import nlargest

import msgspec

from fast_sse.model.channel import Channel
from fast_sse.model.message import Record

#: Channels that are kept when many must go, and that have a rate at most.
KEPT_MAX = 1000
COUNTED_MAX = 2 * KEPT_MAX
#: How long a message counts, in the mean.
WINDOW_S = 60.0
#: Seconds whose messages count as one moment.
_STEP_S = 1.0
#: The exponent of a weight at which all of them are made small again.
_EXPONENT_MAX = 64.0
_NOTHING = 1e-6


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """Messages a second. Each of them, and of a channel that is not among them, is too low by at most `error`."""

    per_s: Mapping[Channel, float]
    error: float


class BusyChannels:
    """The sketch of one node. `clock`: seconds that only go forward."""

    def __init__(self, clock: Callable[[], float], kept_max: int = KEPT_MAX) -> None:
        self._clock = clock
        self._kept_max = kept_max
        self._began_s = self._base_s = self._step_s = clock()
        #: Of this step, not weighed yet.
        self._new: dict[Channel, int] = {}
        #: Weighed: so many messages at `_base_s` would count as much.
        self._kept: dict[Channel, float] = {}
        self._taken = 0.0

    def take(self, records: Iterable[Record]) -> None:
        """Count records of the log."""
        now_s = self._clock()
        if now_s - self._step_s >= _STEP_S or len(self._new) > self._kept_max:
            self._weigh()
            self._step_s = now_s
        new = self._new
        for record in records:
            if not record.is_control:
                new[record.channel] = new.get(record.channel, 0) + 1

    def rates(self) -> Rates:
        """Those that are kept, as of now."""
        self._weigh()
        now_s = self._step_s = self._clock()
        # In the first minute less than a minute was counted.
        seconds = WINDOW_S * max(1e-9, -math.expm1(-(now_s - self._began_s) / WINDOW_S))
        share = 1 / (self._weight() * seconds)
        return Rates(
            per_s={channel: weight * share for channel, weight in self._kept.items()},
            error=self._taken * share,
        )

    def _weigh(self) -> None:
        weight, kept = self._weight(), self._kept
        for channel, count in self._new.items():
            kept[channel] = kept.get(channel, 0.0) + count * weight
        self._new = {}
        if len(kept) > 2 * self._kept_max:
            first_to_go = nlargest(self._kept_max + 1, kept.values())[-1]
            self._kept = {one: found - first_to_go for one, found in kept.items() if found > first_to_go}
            self._taken += first_to_go

    def _weight(self) -> float:
        """Of a message of this step. From time to time all counts are made small again, and those of nothing forgotten."""
        exponent = (self._step_s - self._base_s) / WINDOW_S
        if exponent > _EXPONENT_MAX:
            share = math.exp(-exponent)
            self._kept = {one: found * share for one, found in self._kept.items() if found * share > _NOTHING}
            self._taken *= share
            self._base_s, exponent = self._step_s, 0.0
        return math.exp(exponent)
