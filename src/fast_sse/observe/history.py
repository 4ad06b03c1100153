"""The last quarter of an hour in numbers, kept in memory: what a page of charts shows without a Prometheus beside the hub.

One point a second, made of the same samples that Prometheus reads, bounded in number. Rates and percentiles come from
differences of counters and buckets, so that nothing is counted twice and no part of the hub knows of this.
"""

from __future__ import annotations

import asyncio
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import msgspec

from fast_sse.observe.metrics import Sample, Sampler, quantile, read_all

#: Seconds between two points, points that are kept, and seconds that a rate or a percentile looks back.
STEP_S = 1.0
POINTS_MAX = 900
WINDOW_S = 5


class Series(NamedTuple):
    """One line of a chart.

    Attributes:
        name: of the line.
        unit: `/s`, `s`, `B`, `cores`, or empty for a count.
        metric: the samples that it is made of; those of several labels are added up.
        kind: `rate` of a counter, `level` of a gauge, `quantile` of a histogram.
        only, but: where given, words of which one must, or must not, be among a sample's labels.
        share: of a quantile, 0 to 1.
    """

    name: str
    unit: str
    metric: str
    kind: Literal["rate", "level", "quantile"]
    only: frozenset[str] = frozenset()
    but: frozenset[str] = frozenset()
    share: float = 0.0


_KEPT = frozenset({"stored", "duplicate"})
_RATES = {
    "delivered": "deliveries_total",
    "replayed": "replayed_total",
    "opened": "streams_opened_total",
    "fell_behind": "fell_behind_total",
    "evicted": "streams_evicted_total",
    "gaps": "gaps_total",
    "auth_failed": "auth_failures_total",
    "died": "dead_letters_made_total",
    "acked": "acks_total",
}
_LEVELS = {
    "streams": "streams_open",
    "live_sets": "live_sets",
    "publishing": "publishes_pending",
    "waiting": "dead_letters_waiting",
    "dead_letters": "dead_letters",
    "ingest_lag": "ingest_lag",
    "follower_lag": "follower_lag_positions",
    "store_up": "store_up",
    "following": "following",
}
#: The histograms, by the names of their percentiles.
TIMES = {
    "flushed": "publish_flushed_seconds",
    "commit": "commit_seconds",
    "loop_lag": "loop_lag_seconds",
    "replay_page": "replay_page_seconds",
}
SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}

#: Every line, in the order of a point's values.
SERIES = (
    Series("published", "/s", "publishes_total", "rate", only=frozenset({"stored"})),
    Series("publish_failed", "/s", "publishes_total", "rate", but=_KEPT),
    *(Series(name, "/s", metric, "rate") for name, metric in _RATES.items()),
    *(Series(name, "", metric, "level") for name, metric in _LEVELS.items()),
    Series("pending_bytes", "B", "pending_bytes", "level"),
    Series("memory", "B", "process_resident_memory_bytes", "level"),
    Series("cpu", "cores", "process_cpu_seconds_total", "rate"),
    *(
        Series(f"{name}_{word}", "s", metric, "quantile", share=share)
        for name, metric in TIMES.items()
        for word, share in SHARES.items()
    ),
)


class Point(msgspec.Struct, frozen=True, gc=False):
    """The lines at one moment. `number` grows by one from 0; `at_ms` is the wall clock; None: not known, or nothing happened."""

    number: int
    at_ms: int
    values: tuple[float | None, ...]


class Spread(msgspec.Struct, frozen=True, gc=False):
    """Percentiles in seconds of `count` observations; None without any."""

    count: int
    p50: float | None
    p95: float | None
    p99: float | None


class _Reading(NamedTuple):
    """What was counted by a moment of the monotonic clock: sums by name of a line, buckets by name of a metric."""

    at_s: float
    sums: dict[str, float]
    buckets: dict[str, array[int]]


class History:
    """The points of one node. `samplers` is read at each point, so parts may be added to it later.

    Attributes:
        names, units: of the lines, in the order of a point's values.
        listeners: called with each new point, on the loop's thread; they must not raise.
    """

    def __init__(self, samplers: Sequence[Sampler], clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds that no step of the wall clock moves."""
        self.names = tuple(one.name for one in SERIES)
        self.units = {one.name: one.unit for one in SERIES}
        self.listeners: set[Callable[[Point], None]] = set()
        self._samplers = samplers
        self._clock = clock
        self._points: deque[Point] = deque(maxlen=POINTS_MAX)
        self._window: deque[_Reading] = deque(maxlen=WINDOW_S)
        self._buckets: deque[dict[str, array[int]]] = deque(maxlen=POINTS_MAX + 1)
        self._bounds: dict[str, tuple[float, ...]] = {}
        self._number = 0

    async def run(self, now_ms: Callable[[], int]) -> None:
        """Take a point each second until cancelled. `now_ms`: the wall clock in milliseconds since 1970."""
        while True:
            self.take(now_ms())
            await asyncio.sleep(STEP_S)

    def take(self, at_ms: int) -> Point:
        """Read every part once, keep the point, and tell the listeners."""
        new = self._read()
        old = self._window[0] if self._window else None
        point = Point(self._number, at_ms, tuple(self._value(one, new, old) for one in SERIES))
        self._number += 1
        self._window.append(new)
        self._buckets.append(new.buckets)
        self._points.append(point)
        for listener in tuple(self.listeners):
            listener(point)
        return point

    def points(self, after: int = -1) -> list[Point]:
        """Those that are kept of the points behind number `after`, the oldest first."""
        return [point for point in self._points if point.number > after]

    def spread(self) -> dict[str, Spread]:
        """The percentiles of each histogram over all points, by the names of TIMES."""
        return {name: self._spread(metric) for name, metric in TIMES.items()}

    def _spread(self, metric: str) -> Spread:
        counts: list[int] = []
        if self._buckets:
            counts = _grown(self._buckets[-1].get(metric), self._buckets[0].get(metric))
        bounds = self._bounds.get(metric, ())
        return Spread(sum(counts), *(quantile(bounds, counts, share) for share in SHARES.values()))

    def _read(self) -> _Reading:
        samples, _ = read_all(self._samplers)
        by_name: dict[str, list[Sample]] = {}
        for sample in samples:
            by_name.setdefault(sample.name, []).append(sample)
        sums, buckets = {}, {}
        for one in SERIES:
            found = list(_chosen(one, by_name.get(one.metric, ())))
            if found and one.kind == "quantile":
                buckets[one.metric] = self._added(one.metric, found)
            elif found:
                sums[one.name] = sum(sample.value for sample in found)
        return _Reading(self._clock(), sums, buckets)

    def _added(self, metric: str, found: Sequence[Sample]) -> array[int]:
        """Observations in each bucket, those of all labels together."""
        self._bounds[metric] = tuple(bucket.bound for bucket in found[0].buckets[:-1])
        passed = [
            sum(column)
            for column in zip(*([bucket.total for bucket in one.buckets] for one in found), strict=True)
        ]
        return array("Q", (upper - lower for lower, upper in pairwise((0, *passed))))

    def _value(self, one: Series, new: _Reading, old: _Reading | None) -> float | None:
        if one.kind == "level":
            return new.sums.get(one.name)
        if old is None:
            return None
        if one.kind == "quantile":
            counts = _grown(new.buckets.get(one.metric), old.buckets.get(one.metric))
            return quantile(self._bounds.get(one.metric, ()), counts, one.share)
        # A counter that is not there yet has counted nothing.
        grown = new.sums.get(one.name, 0.0) - old.sums.get(one.name, 0.0)
        return grown / max(new.at_s - old.at_s, 1e-9)


def _chosen(one: Series, samples: Sequence[Sample]) -> Iterator[Sample]:
    for sample in samples:
        words = {word for _, word in sample.labels}
        if (not one.only or words & one.only) and not words & one.but:
            yield sample


def _grown(new: Sequence[int] | None, old: Sequence[int] | None) -> list[int]:
    """What each bucket counted between two readings; one that was not there yet had counted nothing."""
    if new is None:
        return []
    return [count - before for count, before in zip(new, old or [0] * len(new), strict=True)]
