"""The first start on a log that never had dead letters: nothing of what is in it dies."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.cluster.nodes import Log
from tests.faults.counts import UPGRADED, Record, each_scale
from tests.faults.letters.run import running
from tests.faults.letters.upgraded import fill

pytestmark = pytest.mark.wire


@each_scale
async def test_an_upgraded_log_floods_nothing(tmp_path: Path, scale: str, record: Record) -> None:
    """What was there is decided; what is published from then on is not, and only that dies."""
    count = UPGRADED[scale]
    old = tmp_path / "old"
    newest = fill(old, count)
    keep = {"FAST_SSE_DATA_DIR": str(old), "FAST_SSE_RETENTION__MAX_AGE_S": "0"}
    async with running(tmp_path, Log("sqlite", {}), 1, settings=lambda _: keep) as run:
        client = await run.listen(0)
        await run.mix(20)
        assert run.taken[0].endswith(f".{newest + 1}"), "the old log is there"
        await run.handed(client)
        verdict = await run.verdict()
    record(f"{count:,} messages of an earlier version", verdict.figure)
    verdict.assert_sure()
