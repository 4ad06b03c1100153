"""Builds that are broken on purpose must turn the checker red: a harness that cannot fail proves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.scenarios import kill_9, reconnects, retries

pytestmark = [pytest.mark.slow, pytest.mark.wire]

#: Long enough for what is coming, short enough for what never will.
DRAIN_S = 3.0


async def test_answer_before_commit_is_found(tmp_path: Path) -> None:
    """A hub that answers before its commit loses acknowledged messages at kill -9."""
    module = "tests.faults.broken.ack_before_commit"
    run = await kill_9(tmp_path, kills=3, messages=300, module=module, drain_s=DRAIN_S)
    assert "lost" in run.report.found, run.figure


async def test_resume_from_now_is_found(tmp_path: Path) -> None:
    """A hub that ignores Last-Event-ID loses what was published while a client was away."""
    module = "tests.faults.broken.resume_from_now"
    run = await reconnects(tmp_path, resumes=100, store="memory", module=module, drain_s=DRAIN_S)
    assert "lost" in run.report.found, run.figure


async def test_joining_without_levelling_is_found(tmp_path: Path) -> None:
    """A hub that takes a joiner into its live set as it comes loses what lies between."""
    module = "tests.faults.broken.no_levelling"
    run = await reconnects(tmp_path, resumes=100, store="memory", module=module, drain_s=DRAIN_S)
    assert "lost" in run.report.found, run.figure


async def test_missing_deduplication_is_found(tmp_path: Path) -> None:
    """A hub that forgets idempotency keys stores a retried message twice."""
    module = "tests.faults.broken.dedup_off"
    run = await retries(tmp_path, replies=20, store="memory", module=module, drain_s=DRAIN_S)
    assert "duplicate" in run.report.found, run.figure


async def test_wrong_order_is_found(tmp_path: Path) -> None:
    """A hub that sends a burst newest first is out of order."""
    module = "tests.faults.broken.out_of_order"
    run = await reconnects(tmp_path, resumes=100, store="sqlite", module=module, drain_s=DRAIN_S)
    assert "reorder" in run.report.found, run.figure


async def test_wrong_channel_is_found(tmp_path: Path) -> None:
    """A hub that looks at half of the channel shows streams what is not theirs."""
    module = "tests.faults.broken.wrong_channel"
    run = await reconnects(tmp_path, resumes=100, store="memory", module=module, drain_s=DRAIN_S)
    assert "leak" in run.report.found, run.figure


async def test_the_product_passes_the_same_runs(tmp_path: Path) -> None:
    """The very runs that find the broken builds are clean on the product, so it is the defect that is found."""
    for number, run in enumerate(
        [
            await kill_9(tmp_path, kills=3, messages=300),
            await reconnects(tmp_path, resumes=100, store="memory"),
            await retries(tmp_path, replies=20, store="memory"),
        ]
    ):
        assert run.report.clean, f"run {number}: {run.figure}"
