"""Several nodes on one store: what one hands over no other lets die, and what nobody did dies once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.faults.cluster.nodes import Log
from tests.faults.counts import LETTERS, Record, at_scales
from tests.faults.letters.scenarios import nobody_anywhere, one_is_off, told_by_another

pytestmark = pytest.mark.wire

each_shared = at_scales("store", ci=["redis", "kafka"], chaos=["redis", "kafka"])


@each_shared
async def test_what_another_node_hands_over_is_no_letter(
    tmp_path: Path, log_on: Callable[[str], Log], scale: str, store: str, record: Record
) -> None:
    """Published on A, subscribed on B, and A and C decide: only what nobody listens to dies."""
    count = LETTERS[scale]
    verdict = await told_by_another(tmp_path, log_on(store), messages=count)
    record(f"{count:,} messages, half of them taken on another of 3 nodes on {store}", verdict.figure)
    verdict.assert_sure()


@each_shared
async def test_what_nobody_takes_dies_exactly_once(
    tmp_path: Path, log_on: Callable[[str], Log], scale: str, store: str, record: Record
) -> None:
    """All of three nodes find it due; one decides, and all list the same letters."""
    count = LETTERS[scale]
    verdict = await nobody_anywhere(tmp_path, log_on(store), messages=count)
    record(f"{count:,} messages without a taker, 3 nodes on {store}", verdict.figure)
    verdict.assert_sure()
    assert len(verdict.letters) == count + 1


@at_scales("store", ci=["redis"], chaos=["redis", "kafka"])
async def test_a_node_that_makes_no_letters_neither_decides_nor_hides(
    tmp_path: Path, log_on: Callable[[str], Log], scale: str, store: str, record: Record
) -> None:
    """It is off, and lets go after half of the grace; what it handed over is told, and all the rest dies by the other."""
    count = LETTERS[scale]
    verdict = await one_is_off(tmp_path, log_on(store), messages=count)
    record(f"{count:,} messages, one of 2 nodes on {store} makes no letters", verdict.figure)
    verdict.assert_sure()
