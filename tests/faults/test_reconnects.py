"""Resuming while messages keep coming (guarantees G5, G6)."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.counts import RECONNECTS, Record, each_scale
from tests.faults.scenarios import reconnects

pytestmark = pytest.mark.wire


@each_scale
@pytest.mark.parametrize("tail", [0, 4], ids=["tail", "store"])
@pytest.mark.parametrize("store", ["sqlite", "memory"])
async def test_random_reconnects_miss_and_repeat_nothing(
    tmp_path: Path, store: str, tail: int, scale: str, record: Record
) -> None:
    """A client that leaves after any event and comes back misses nothing and sees nothing twice, from memory or disk."""
    wanted = RECONNECTS[scale]
    run = await reconnects(tmp_path, resumes=wanted, store=store, tail=tail)
    where = "with a tail of 4 records" if tail else "from the tail"
    record(f"{run.report.counts['resumes']:,} reconnects, {store}, {where}", run.figure)
    run.report.assert_clean()
    assert run.report.counts["resumes"] >= wanted
