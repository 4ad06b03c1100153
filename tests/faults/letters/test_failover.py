"""A Redis fails over to a replica that lagged: what was told since the copy is gone, and no letter is false without a doubt."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.counts import LETTERS, Record, each_scale
from tests.faults.letters.scenarios import failed_over

pytestmark = pytest.mark.wire


@each_scale
async def test_a_failover_that_loses_turns_tells_no_lie(tmp_path: Path, scale: str, record: Record) -> None:
    """The replica has the messages and not the turns that told of them, and the log's tail is gone."""
    count = LETTERS[scale]
    verdict = await failed_over(tmp_path, messages=count)
    record(f"{count:,} hand-overs told to a Redis that died, 2 nodes", verdict.figure)
    verdict.assert_clean()
