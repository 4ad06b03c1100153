"""Samples: what a part says when it is asked."""

from __future__ import annotations

from collections import Counter

from fast_sse.observe.metrics import Sample, counted


def test_a_table_of_counts_is_one_series_a_word() -> None:
    """Each word is a label's value, in an order that does not change from scrape to scrape."""
    samples = list(counted("gaps_total", "Gaps.", "reason", Counter(trimmed=2, epoch=1)))
    assert samples == [
        Sample("gaps_total", "counter", "Gaps.", 1, (("reason", "epoch"),)),
        Sample("gaps_total", "counter", "Gaps.", 2, (("reason", "trimmed"),)),
    ]
