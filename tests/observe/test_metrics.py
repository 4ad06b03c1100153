"""Samples: what a part says when it is asked."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast_sse.observe.metrics import (
    SECONDS,
    Bucket,
    Histogram,
    Sample,
    counted,
    distribution,
    quantile,
    read_all,
)


def test_a_table_of_counts_is_one_series_a_word() -> None:
    """Each word is a label's value, in an order that does not change from scrape to scrape."""
    samples = list(counted("gaps_total", "Gaps.", "reason", Counter(trimmed=2, epoch=1)))
    assert samples == [
        Sample("gaps_total", "counter", "Gaps.", 1, (("reason", "epoch"),)),
        Sample("gaps_total", "counter", "Gaps.", 2, (("reason", "trimmed"),)),
    ]


def test_an_observation_counts_in_each_bucket_whose_bound_is_not_below_it() -> None:
    """A bound belongs to its bucket (`le`), the last bucket holds all, and the value is the sum."""
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 7.0):
        histogram.observe(value)
    assert histogram.sample("x_seconds", "X.", (("since", "arrival"),)) == Sample(
        "x_seconds",
        "histogram",
        "X.",
        12.0,
        (("since", "arrival"),),
        (Bucket(1.0, 2), Bucket(2.0, 4), Bucket(math.inf, 5)),
    )


def test_a_table_of_histograms_is_one_a_word() -> None:
    """Each word is a label's value, in an order that does not change from scrape to scrape."""
    samples = distribution("x_seconds", "X.", "how", {"b": Histogram(), "a": Histogram()})
    assert [sample.labels for sample in samples] == [(("how", "a"),), (("how", "b"),)]


def test_a_part_that_fails_is_counted() -> None:
    """What it said before it failed is not half a truth: nothing of it is kept, and all of the others."""

    def broken() -> Iterable[Sample]:
        yield Sample("half", "gauge", "Half.", 1)
        raise RuntimeError("broken")

    samples, failed = read_all([broken, lambda: [Sample("x", "gauge", "X.", 1)]])
    assert ([sample.name for sample in samples], failed) == (["x"], 1)


@pytest.mark.parametrize(
    ("counts", "share", "value"),
    [
        ([0, 0, 0], 0.5, None),
        ([4, 0, 0], 0.5, 0.5),  # of values from 0 to 1 the middle
        ([0, 4, 0], 0.25, 1.5),
        ([2, 2, 0], 0.5, 1.0),
        ([1, 0, 1], 0.99, 3.0),  # above the last bound nothing is known but that
        ([0, 0, 5], 0.5, 3.0),
    ],
)
def test_a_quantile_is_interpolated_as_prometheus_does(
    counts: list[int], share: float, value: float | None
) -> None:
    """Within its bucket, from 0 in the first one, and at most the last bound."""
    assert quantile((1.0, 3.0), counts, share) == value


@given(st.lists(st.floats(0, 9.9), min_size=1), st.floats(0.01, 1))
def test_a_quantile_lies_in_the_bucket_of_the_true_one(values: list[float], share: float) -> None:
    """However the observations lie: buckets lose where in the bucket, and never which bucket."""
    histogram = Histogram()
    for value in values:
        histogram.observe(value)
    true = sorted(values)[math.ceil(share * len(values) - 1e-9) - 1]
    upper = next(bound for bound in SECONDS if bound >= true)
    lower = max((bound for bound in SECONDS if bound < true), default=0.0)
    found = quantile(SECONDS, histogram.counts, share)
    assert found is not None
    assert lower <= found <= upper + 1e-9
