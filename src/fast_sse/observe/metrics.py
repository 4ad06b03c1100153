"""What a part of the hub lets operators count: numbers that it keeps anyway, read when an operator asks.

A part has a method that yields samples, and the node takes that method as a sampler. Nothing is pushed, and
nothing is done per delivery for a number's sake: the work is done by the reader, a few times a minute.

Labels are words of ours from a short list (a reason, a code, an outcome). Text that a client chose, such as a channel,
is never one: each new value would be a new series that stays for the life of the monitoring (CWE-770).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Literal, NamedTuple

Kind = Literal["counter", "gauge", "histogram"]
#: Pairs of a name and one of a few words of ours.
Labels = tuple[tuple[str, str], ...]

#: Bounds for a time in seconds: from what a flush takes to what a person gives up at.
SECONDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
#: Bounds for how many records something took at once.
RECORDS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)


class Bucket(NamedTuple):
    """How many observations were at most `bound`, since the start; the last bound is infinite, and counts all."""

    bound: float
    total: int


class Sample(NamedTuple):
    """One number of this moment, or one histogram.

    Attributes:
        name: without prefix, units last: `follower_lag_positions`. A counter's ends in `_total`.
        kind: `counter` only grows while the process lives; `gauge` goes up and down; a `histogram` counts observations
            by their size.
        help: one sentence for a reader of the exposition.
        value: of a histogram the sum of what was observed.
        labels: pairs of a name and one of a few words of ours.
        buckets: of a histogram, by ascending bound; empty for the others.
    """

    name: str
    kind: Kind
    help: str
    value: float
    labels: Labels = ()
    buckets: tuple[Bucket, ...] = ()


#: Yields its samples when it is asked, on the event loop's thread; never blocks.
Sampler = Callable[[], Iterable[Sample]]


class Histogram:
    """Observations, counted in the first bucket whose bound is not below them. `counts` has one more than there are bounds."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self._bounds = tuple(bounds)
        self.counts = [0] * (len(self._bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one observation."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    def sample(self, name: str, text: str, labels: Labels = ()) -> Sample:
        """What was observed since the start."""
        bounds = (*self._bounds, math.inf)
        buckets = tuple(map(Bucket, bounds, accumulate(self.counts)))
        return Sample(name, "histogram", text, self.total, labels, buckets)


def counted(name: str, text: str, label: str, counts: Mapping[str, int]) -> Iterable[Sample]:
    """One counter for each word of a table."""
    return [Sample(name, "counter", text, count, ((label, word),)) for word, count in sorted(counts.items())]


def distribution(name: str, text: str, label: str, histograms: Mapping[str, Histogram]) -> Iterable[Sample]:
    """One histogram for each word of a table."""
    return [one.sample(name, text, ((label, word),)) for word, one in sorted(histograms.items())]


def read_all(samplers: Iterable[Sampler]) -> tuple[list[Sample], int]:
    """What every part says, and how many parts failed to: one that fails costs its own numbers and no other's."""
    samples: list[Sample] = []
    failed = 0
    for sampler in samplers:
        try:
            samples.extend(list(sampler()))
        except Exception:  # noqa: BLE001  one part's defect must not blind the operators to all others
            failed += 1
    return samples, failed


def quantile(bounds: Sequence[float], counts: Sequence[int], share: float) -> float | None:
    """The value that a share (0 to 1) of observations do not exceed, interpolated within its bucket; None without any.

    `counts`: one for each bound and one above the last. In the first bucket values are taken to begin at 0, above the last
    bound the answer is that bound: the rules of Prometheus' histogram_quantile.
    """
    wanted = share * sum(counts)
    if not any(counts):
        return None
    below, passed = 0.0, 0
    for bound, count in zip(bounds, counts, strict=False):
        if count and passed + count >= wanted:
            return below + (bound - below) * (wanted - passed) / count
        below, passed = bound, passed + count
    return bounds[-1]
