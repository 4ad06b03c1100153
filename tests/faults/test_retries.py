"""Publishers that never got their answer (guarantees G2, G3)."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.counts import REPLIES_CUT, Record, each_scale
from tests.faults.scenarios import retries

pytestmark = pytest.mark.wire


@each_scale
@pytest.mark.parametrize("store", ["sqlite", "memory"])
async def test_cut_replies_make_no_second_message(
    tmp_path: Path, store: str, scale: str, record: Record
) -> None:
    """A reply cut off after the commit and a retry with the same key: one message, same id, `duplicate: true`."""
    wanted = REPLIES_CUT[scale]
    run = await retries(tmp_path, replies=wanted, store=store)
    record(f"{wanted:,} replies cut, {store}", run.figure)
    run.report.assert_clean()
    assert run.report.counts["replies_cut"] == run.report.counts["answered_as_duplicate"] == wanted
