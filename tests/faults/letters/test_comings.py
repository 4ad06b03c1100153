"""What is promised of counts over cuts: logged by clients <= written <= logged + in flight at each cut; acks are exact."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.faults.cluster.nodes import Log
from tests.faults.counts import COMINGS, Record, at_scales
from tests.faults.letters.comings import comings

pytestmark = pytest.mark.wire


FULL = [("sqlite", 1), ("sqlite", 10), ("sqlite", 50), ("redis", 1), ("redis", 50)]


@at_scales("crowd", ci=[("sqlite", 10)], chaos=FULL, ids=lambda crowd: f"{crowd[0]}-{crowd[1]}")  # type: ignore[index]
@pytest.mark.parametrize("idle", [True, False], ids=["idle", "at-once"])
async def test_counts_are_exact_but_for_what_was_on_its_way(
    tmp_path: Path,
    log_on: Callable[[str], Log],
    scale: str,
    crowd: tuple[str, int],
    idle: bool,
    record: Record,
) -> None:
    """Subscribers who leave idle are counted exactly, those who are cut off no more than once for each cut."""
    count, (store, subscribers) = COMINGS[scale], crowd
    counts = await comings(tmp_path, log_on(store), messages=count, subscribers=subscribers, idle=idle)
    record(
        f"{count:,} messages to {subscribers} subscribers who leave {'idle' if idle else 'at once'}, {store}",
        counts.figure,
    )
    counts.assert_right(idle=idle)
    counts.verdict.assert_sure()
    assert counts.comings > subscribers
