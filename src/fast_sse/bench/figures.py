"""Arithmetic of a report: percentiles, sums over processes, and what counts as lost.

Percentiles are nearest-rank: the smallest value that at least that share of all values does not exceed. Every one
is a value that was measured.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from math import ceil
from typing import Any

import msgspec

#: Values travel between processes rounded to this many significant bits: 0.1 %.
SIGNIFICANT_BITS = 11


class Samples:
    """Durations in nanoseconds; adding one is an append and nothing else."""

    def __init__(self) -> None:
        self._values = array("q")
        self.add = self._values.append

    def __len__(self) -> int:
        return len(self._values)

    def counts(self) -> list[tuple[int, int]]:
        """Rounded values and how often each came."""
        rounded: Counter[int] = Counter()
        for value, times in Counter(self._values).items():
            shift = max(0, value.bit_length() - SIGNIFICANT_BITS)
            rounded[value >> shift << shift] += times
        return sorted(rounded.items())


class Spread:
    """Where values lie, from those of several processes."""

    def __init__(self, counts: Iterable[Iterable[tuple[int, int]]]) -> None:
        every: Counter[int] = Counter()
        for part in counts:
            for value, times in part:
                every[value] += times
        self._ordered = sorted(every.items())
        self.count = every.total()

    def at(self, share: float) -> float:
        """The nearest-rank percentile in milliseconds."""
        rank, seen = max(1, ceil(share * self.count)), 0
        for value, times in self._ordered:
            seen += times
            if seen >= rank:
                return value / 1e6
        raise ValueError("no values have no percentile")

    def figures(self, name: str) -> dict[str, Any]:
        """`<name>_ms` as avg, min, med, max, p90, p95, p99, p50 of how many; only the count where there are none."""
        if not self.count:
            return {f"{name}_samples": 0}
        total = sum(value * times for value, times in self._ordered)
        shares = {"min": 0.0, "p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "max": 1.0}
        found = {f"{name}_{key}_ms": self.at(share) for key, share in shares.items()}
        return {f"{name}_avg_ms": total / self.count / 1e6} | found | {f"{name}_samples": self.count}


class Part(msgspec.Struct):
    """What one process saw of its subscribers.

    Attributes:
        expected: deliveries that accepted publishes owe to its subscribers.
        lost: of these, never delivered; counted per subscriber, so one's surplus hides no other's loss.
        duplicates: delivered beyond what was owed.
        witness_agrees: the one stream that was kept whole says the same, and holds no id twice.
        last_s: when its last delivery came, `time.monotonic`.
    """

    expected: int = 0
    delivered: int = 0
    lost: int = 0
    duplicates: int = 0
    closed_by_server: int = 0
    bytes_received: int = 0
    witness_agrees: bool = True
    generator_share: float = 0.0
    generator_waited_share: float = 0.0
    last_s: float = 0.0
    latency: list[tuple[int, int]] = []

    def owe(self, counts: Iterable[int], owed: Iterable[int]) -> None:
        """Compare what each subscriber got with what it was owed."""
        for got, want in zip(counts, owed, strict=True):
            self.expected += want
            self.delivered += got
            self.lost += max(0, want - got)
            self.duplicates += max(0, got - want)


#: The generator, not the server, may have set the figure above this share of its core.
GENERATOR_SHARE_MAX = 0.90

_SUMMED = ("expected", "delivered", "lost", "duplicates", "closed_by_server")


def together(parts: Iterable[Any]) -> dict[str, Any]:
    """The parts of all processes as figures: sums, and the busiest process for the generator's share."""
    every = [msgspec.convert(part, Part) for part in parts]
    figures: dict[str, Any] = {name: sum(getattr(part, name) for part in every) for name in _SUMMED}
    share = max(part.generator_share for part in every)
    figures |= {
        "bytes_per_delivery": sum(part.bytes_received for part in every) / max(1, figures["delivered"]),
        "witness_agrees": all(part.witness_agrees for part in every),
        "generator_processes": len(every),
        "generator_share": share,
        "generator_waited_share": max(part.generator_waited_share for part in every),
        "generator_was_limit": share > GENERATOR_SHARE_MAX,
    }
    return figures | Spread(part.latency for part in every).figures("latency")


class PublishTally:
    """What publishers were answered: messages accepted per route, answers by status."""

    def __init__(self, routes: int = 1) -> None:
        self.accepted = [0] * routes
        self.answered = 0
        self.refused = 0
        self.statuses: dict[int, int] = {}

    def answer(self, status: int, route: int = 0, stored: int = 1, of: int = 1) -> None:
        """Count one answer to a request that published `of` messages, `stored` of which were."""
        self.answered += 1
        self.statuses[status] = self.statuses.get(status, 0) + 1
        stored = stored if 200 <= status < 300 else 0
        self.accepted[route] += stored
        self.refused += of - stored

    @property
    def total(self) -> int:
        """Messages accepted."""
        return sum(self.accepted)
