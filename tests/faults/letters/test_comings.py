"""What is promised of counts over cuts: logged by clients <= written <= logged + in flight at each cut; acks are exact."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.faults.cluster.nodes import Log
from tests.faults.counts import COMINGS, Record, each_scale
from tests.faults.letters.comings import comings

pytestmark = pytest.mark.wire


def full(*values: object) -> object:
    """One that only the full counts try."""
    return pytest.param(*values, marks=pytest.mark.chaos)


@each_scale
@pytest.mark.parametrize("idle", [True, False], ids=["idle", "at-once"])
@pytest.mark.parametrize(
    ("store", "subscribers"),
    [("sqlite", 10), full("sqlite", 1), full("sqlite", 50), full("redis", 1), full("redis", 50)],
)
async def test_counts_are_exact_but_for_what_was_on_its_way(
    tmp_path: Path,
    log_on: Callable[[str], Log],
    scale: str,
    store: str,
    subscribers: int,
    idle: bool,
    record: Record,
) -> None:
    """Subscribers who leave idle are counted exactly, those who are cut off no more than once for each cut."""
    count = COMINGS[scale]
    counts = await comings(tmp_path, log_on(store), messages=count, subscribers=subscribers, idle=idle)
    record(
        f"{count:,} messages to {subscribers} subscribers who leave {'idle' if idle else 'at once'}, {store}",
        counts.figure,
    )
    counts.assert_right(idle=idle)
    counts.verdict.assert_sure()
    assert counts.comings > subscribers
