"""How far one step of retention goes."""

from __future__ import annotations

import pytest

from fast_sse.store.base import Retention
from fast_sse.store.rows.log import Totals
from fast_sse.store.sqlite.trim import Plan, plan

#: Position, the time that its age counts from, and weight.
OLDEST = [(3, 1_000, 10), (5, 2_000, 20), (9, 3_000, 30)]
WHOLE = Totals(100, 1000)


@pytest.mark.parametrize(
    ("kept", "gone"),
    [
        (Retention(max_age_s=None, max_bytes=None), 0),
        (Retention(max_age_s=7.0, max_bytes=None), 2),
        (Retention(max_age_s=8.0, max_bytes=None), 1),
        (Retention(max_age_s=None, max_bytes=985), 2),
        (Retention(max_age_s=None, max_bytes=None, max_messages=99), 1),
        (Retention(max_age_s=None, max_bytes=0), 3),
    ],
    ids=["no bound", "age", "exactly that age stays", "bytes", "messages", "no more than was looked at"],
)
def test_the_oldest_go_until_every_bound_holds(kept: Retention, gone: int) -> None:
    """From the first on, as many as any bound asks for, and what stays is counted."""
    expected = Plan(
        [0, 3, 5, 9][gone], gone, Totals(100 - gone, 1000 - sum(weight for *_, weight in OLDEST[:gone]))
    )
    assert plan(OLDEST, WHOLE, kept, 10_000 - 1) == expected
