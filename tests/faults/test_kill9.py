"""kill -9 in the middle of publishing, on SQLite (guarantees G1, G3, G4, G5)."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.counts import KILL_9, Record, each_scale
from tests.faults.scenarios import kill_9

pytestmark = pytest.mark.wire


@each_scale
async def test_kill_9_loses_repeats_and_reorders_nothing(tmp_path: Path, scale: str, record: Record) -> None:
    """Whatever was acknowledged survives kill -9; a retried unknown is one message; resumes are exact; one order."""
    count = KILL_9[scale]
    run = await kill_9(tmp_path, kills=count.kills, messages=count.messages)
    record(f"{count.messages:,} messages, {count.kills} kills", run.figure)
    run.report.assert_clean()
    assert run.report.counts["kills"] == count.kills
    assert run.report.counts["messages"] >= count.messages
    assert run.report.counts["kills_in_flight"] > 0.9 * count.kills, run.figure
