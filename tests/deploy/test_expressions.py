"""The check of expressions complains of each way to be wrong."""

from __future__ import annotations

import pytest
from tests.deploy.expressions import complaints


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("fast_sse_nothing > 0", "there is no fast_sse_nothing"),
        ("fast_sse_commit_seconds > 0", "there is no fast_sse_commit_seconds"),
        ("rate(fast_sse_gaps_total_bucket[5m])", "there is no fast_sse_gaps_total_bucket"),
        ("fast_sse_gaps_total > 0", "fast_sse_gaps_total is a counter"),
        ("rate(fast_sse_streams_open[5m])", "fast_sse_streams_open is a gauge"),
        ('rate(fast_sse_gaps_total{code="epoch"}[5m])', "fast_sse_gaps_total has no label code"),
        ('rate(fast_sse_gaps_total{reason=~"epoch|whim"}[5m])', "fast_sse_gaps_total has no reason whim"),
        ("sum by (queue) (rate(fast_sse_gaps_total[5m]))", "nothing has the label queue"),
        (
            "histogram_quantile(0.5, sum by (node) (rate(fast_sse_commit_seconds_bucket[5m])))",
            "the buckets of fast_sse_commit_seconds are added up",
        ),
    ],
)
def test_what_is_wrong_is_said(expression: str, complaint: str) -> None:
    """A number or a word that is not there, a counter read as a gauge, buckets that lose their bound."""
    assert complaint in [*complaints(expression)]


@pytest.mark.parametrize(
    "expression",
    [
        'sum by (job, node, reason) (rate(fast_sse_gaps_total{reason=~"epoch|trimmed"}[5m])) > 0',
        "histogram_quantile(0.9, sum by (node, le) (rate(fast_sse_commit_seconds_bucket[5m]))) > 1",
        "max by (job) (delta(fast_sse_dead_letters[1h])) > 0",
    ],
)
def test_what_is_right_is_left_alone(expression: str) -> None:
    """A rate of a counter, a quantile over its buckets, a difference of a gauge."""
    assert [*complaints(expression)] == []
