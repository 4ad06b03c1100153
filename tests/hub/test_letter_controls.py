"""Builds whose dead letters are broken on purpose turn red the very tests that the product passes beside this file.

Those that only real nodes find are in `tests/faults/letters`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from tests.faults.broken import (
    letters_dropped_first,
    letters_endless_run,
    letters_never_late,
    letters_no_ahead,
    letters_no_key,
    letters_queue_counts,
    letters_trimmed,
    letters_unswept,
)
from tests.hub import test_dead_letter, test_handover, test_letters, test_several_nodes

from fast_sse.model.errors import NotFoundError

Spoil = Callable[[pytest.MonkeyPatch], None]
Proof = Callable[[], Awaitable[None]]


async def finds(test: Proof, spoil: Spoil, patch: pytest.MonkeyPatch) -> None:
    """The test is green, and red once the product is broken."""
    await test()
    spoil(patch)
    with pytest.raises((AssertionError, NotFoundError)):
        await test()


@pytest.mark.parametrize(
    "test",
    [
        test_dead_letter.test_a_transport_that_raises_was_handed_nothing,
        test_handover.test_a_flush_of_an_empty_set_hands_nothing_over,
    ],
)
async def test_counting_at_the_queue_is_found(test: Proof, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was to be written took nothing, or had left: the message was handed to nobody."""
    await finds(test, letters_queue_counts.spoil, monkeypatch)


@pytest.mark.parametrize(
    "test", [test_dead_letter.test_a_small_tail_loses_nothing, test_handover.test_nothing_is_dropped_unswept]
)
async def test_a_tail_that_drops_what_was_not_swept_is_found(
    test: Proof, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody looked at never dies."""
    await finds(test, letters_unswept.spoil, monkeypatch)


async def test_letters_that_stay_when_their_message_is_handed_over_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The tail holds the message no more, so only the letter's id tells that it is late."""
    test = (
        test_dead_letter.test_a_letter_whose_message_the_tail_holds_no_more_is_removed_when_it_is_handed_over
    )
    await finds(test, letters_never_late.spoil, monkeypatch)


async def test_a_node_that_forgets_what_it_was_told_too_early_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It lags, and lets die what another one handed over."""
    test = test_several_nodes.test_a_node_that_lags_lets_nothing_die_that_others_handed_over
    await finds(test, letters_no_ahead.spoil, monkeypatch)


async def test_trimming_that_takes_what_waits_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is gone from the log can be no letter."""
    await finds(test_dead_letter.test_trimming_spares_what_waits, letters_trimmed.spoil, monkeypatch)


async def test_dropping_before_the_publish_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A publish that fails takes the letter with it."""
    await finds(
        test_letters.test_a_publish_that_fails_leaves_the_letter, letters_dropped_first.spoil, monkeypatch
    )


@pytest.mark.parametrize(
    "test",
    [
        test_letters.test_a_crash_after_the_publish_leaves_the_letter_and_makes_no_second_message,
        test_letters.test_two_nodes_at_once_make_one_message,
        test_letters.test_the_key_of_a_replay_outlives_the_window_of_the_store,
    ],
)
async def test_replays_without_a_key_are_found(test: Proof, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them is another message."""
    await finds(test, letters_no_key.spoil, monkeypatch)


async def test_a_run_without_an_end_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """It follows its own tail."""
    await finds(
        test_letters.test_a_run_over_letters_that_die_at_once_ends, letters_endless_run.spoil, monkeypatch
    )
