"""Nodes that are killed by their turns, and nodes that are started anew (guarantee G8)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.faults.cluster.nodes import Log
from tests.faults.counts import LETTERS, Record, at_scales
from tests.faults.letters.scenarios import (
    Killed,
    answers_lost,
    killed_after_a_catch_up,
    killed_after_its_turn,
    killed_before_its_turn,
    restarted_under_load,
)

pytestmark = pytest.mark.wire

STORES = ["sqlite", "redis", "kafka"]
each_store = at_scales("store", ci=STORES, chaos=STORES)


@each_store
async def test_a_kill_between_the_write_and_the_turn_leaves_a_letter_in_doubt(
    tmp_path: Path, log_on: Callable[[str], Log], scale: str, store: str, record: Record
) -> None:
    """Nobody but the dead knew; who comes back with an old place is handed it again, and that is none."""
    count = LETTERS[scale]
    killed = await killed_before_its_turn(tmp_path, log_on(store), messages=count)
    record(
        f"{count:,} messages handed over and not told, {count:,} taken again, {store}", killed.verdict.figure
    )
    in_doubt(killed)


def in_doubt(killed: Killed) -> None:
    """All that was told by nobody says that it may have been delivered, and nothing of what a client came back for died."""
    killed.verdict.assert_clean()
    assert killed.untold <= killed.verdict.marked, "what was handed over untold is to be a letter, in doubt"
    assert not killed.returned & killed.verdict.letters.keys()


@at_scales("store", ci=["kafka"], chaos=["redis", "kafka"])
async def test_a_kill_after_a_late_hand_over_leaves_a_letter_in_doubt(
    tmp_path: Path, log_on: Callable[[str], Log], scale: str, store: str, record: Record
) -> None:
    """That it had looked there and told so is no proof that it handed nothing over afterwards."""
    count = LETTERS[scale]
    killed = await killed_after_a_catch_up(tmp_path, log_on(store), messages=count)
    record(f"{count:,} messages handed to a late comer and not told, {store}", killed.verdict.figure)
    in_doubt(killed)


@at_scales("store", ci=["sqlite", "redis"], chaos=STORES)
async def test_a_kill_right_after_the_turn_leaves_no_letter(
    tmp_path: Path, log_on: Callable[[str], Log], scale: str, store: str, record: Record
) -> None:
    """The store knows what was handed over; whoever decides now, next or after a restart learns it there."""
    count = LETTERS[scale]
    verdict = await killed_after_its_turn(tmp_path, log_on(store), messages=count)
    record(f"{count:,} messages told just before the kill, {store}", verdict.figure)
    verdict.assert_sure()


@each_store
async def test_a_turn_whose_answer_is_lost_counts_once(
    tmp_path: Path, log_on: Callable[[str], Log], scale: str, store: str, record: Record
) -> None:
    """It is sent again as it was, and changes nothing more: each socket counts once, and each message dies once."""
    count = LETTERS[scale]
    verdict, written = await answers_lost(tmp_path, log_on(store), messages=count)
    record(
        f"{count:,} messages told and {count:,} decided, each by 3 turns or more without an answer, {store}",
        verdict.figure,
    )
    verdict.assert_sure()
    assert written == [1] * count


@each_store
async def test_a_restart_of_all_nodes_changes_nothing(
    tmp_path: Path, log_on: Callable[[str], Log], scale: str, store: str, record: Record
) -> None:
    """In the midst of publishes, half of them without takers: exactly that half dies."""
    count = LETTERS[scale]
    verdict = await restarted_under_load(tmp_path, log_on(store), messages=2 * count)
    record(f"{2 * count:,} messages, all nodes restarted, {store}", verdict.figure)
    verdict.assert_sure()
