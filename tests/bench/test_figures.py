"""The arithmetic of a report, by hand-made data."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast_sse.bench.figures import Part, PublishTally, Samples, Spread, together


def spread(*values: int) -> Spread:
    """Of these nanoseconds, from one process each."""
    parts = []
    for value in values:
        samples = Samples()
        samples.add(value)
        parts.append(samples.counts())
    return Spread(parts)


def test_percentiles_are_nearest_rank() -> None:
    """Of 1 to 20 ms the median is the tenth, p95 the nineteenth, p99 and max the twentieth; none is invented."""
    of = spread(*(1_048_576 * n for n in range(20, 0, -1)))
    ranks = [round(of.at(share) / 1.048576) for share in (0.0, 0.05, 0.5, 0.9, 0.95, 0.99, 1.0)]
    assert ranks == [1, 1, 10, 18, 19, 20, 20]


def test_figures_name_how_many() -> None:
    """A spread has its count beside it, and no percentile where there is none."""
    figures = spread(1_048_576, 3_145_728).figures("latency")
    assert figures["latency_samples"] == 2
    assert figures["latency_avg_ms"] == pytest.approx(2.097152)
    assert Spread([]).figures("latency") == {"latency_samples": 0}
    with pytest.raises(ValueError, match="no values"):
        Spread([]).at(0.5)


@given(st.lists(st.integers(min_value=0, max_value=2**40), min_size=1, max_size=50))
def test_rounding_is_small_and_loses_no_sample(values: list[int]) -> None:
    """Values keep 0.1 % and their number on the way between processes."""
    samples = Samples()
    for value in values:
        samples.add(value)
    counts = samples.counts()
    assert sum(times for _, times in counts) == len(values) == len(samples)
    assert max(values) * 0.999 <= counts[-1][0] <= max(values)


def test_loss_is_counted_per_subscriber() -> None:
    """What one subscriber got twice does not make up for what another did not get."""
    part = Part()
    part.owe([10, 9, 12], [10, 10, 10])
    assert (part.expected, part.delivered, part.lost, part.duplicates) == (30, 31, 1, 2)


def test_parts_come_together() -> None:
    """Deliveries are added up, the generator's share is the busiest process's, one witness can disagree for all."""
    one = Part(
        expected=10, delivered=9, lost=1, bytes_received=900, generator_share=0.95, latency=[(1_000, 2)]
    )
    two = Part(expected=10, delivered=10, bytes_received=1000, witness_agrees=False, latency=[(1_000, 1)])
    figures = together([msgspec.to_builtins(one), msgspec.to_builtins(two)])
    assert (figures["expected"], figures["delivered"], figures["lost"]) == (20, 19, 1)
    assert figures["bytes_per_delivery"] == 100
    assert figures["generator_share"] == 0.95
    assert figures["generator_was_limit"]
    assert not figures["witness_agrees"]
    assert figures["latency_samples"] == 3


def test_a_tally_counts_messages_and_not_requests() -> None:
    """Of a batch each line counts; an answer that is not 2xx stored nothing, whatever it says."""
    tally = PublishTally(2)
    tally.answer(200, 1, stored=98, of=100)
    tally.answer(503, 0)
    tally.answer(200, 0)
    assert (tally.accepted, tally.total, tally.refused, tally.answered) == ([1, 98], 99, 3, 3)
    assert tally.statuses == {200: 2, 503: 1}
