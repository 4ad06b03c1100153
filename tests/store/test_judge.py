"""Which cursors can be continued."""

from __future__ import annotations

import pytest

from fast_sse.model.cursor import Cursor
from fast_sse.store.base import Gap
from fast_sse.store.judge import Ends, judge

LOG = Cursor("s1", "0123456789abc", 0)
ENDS = Ends(trimmed=10, newest=50, losses=((20, 30), (35, 40)))


@pytest.mark.parametrize("place", [10, 11, 20, 30, 35, 40, 50])
def test_a_cursor_inside_the_log_continues(place: int) -> None:
    """From the trim mark to the newest, and at either end of a loss, nothing was missed."""
    assert judge(LOG.at(place), LOG, ENDS) is None


@pytest.mark.parametrize(
    ("place", "reason", "resumed_at"),
    [
        (0, "trimmed", 10),
        (9, "trimmed", 10),
        (21, "lost_tail", 30),
        (29, "lost_tail", 30),
        (36, "lost_tail", 40),
        (51, "ahead", 50),
    ],
)
def test_a_cursor_that_cannot_continue_is_named(place: int, reason: str, resumed_at: int) -> None:
    """The reason, and the exclusive cursor from which the stream goes on."""
    assert judge(LOG.at(place), LOG, ENDS) == Gap(reason, LOG.at(resumed_at))


@pytest.mark.parametrize("cursor", [Cursor("s1", "zzzzzzzzzzzzz", 20), Cursor("m1", LOG.epoch, 20)])
def test_a_cursor_of_another_log_goes_on_from_the_trim_mark(cursor: Cursor) -> None:
    """Another epoch or another kind of store says nothing about this log: all that is retained follows."""
    assert judge(cursor, LOG, ENDS) == Gap("epoch", LOG.at(10))
