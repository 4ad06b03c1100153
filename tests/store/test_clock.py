"""The time of a store, carried on by a clock that nobody sets."""

from __future__ import annotations

import time

import pytest
from tests.support.clock import ManualClock

from fast_sse.store.clock import StoreClock


def test_the_store_s_time_goes_on_between_its_words() -> None:
    """Each word of the store counts from when it was heard, and moves with the monotonic clock."""
    monotonic = ManualClock(100.0)
    clock = StoreClock(monotonic)
    clock.heard(5_000)
    monotonic.now += 1.5
    assert clock.now_ms() == 6_500
    clock.heard(9_000)
    assert clock.now_ms() == 9_000


def test_a_step_of_the_wall_clock_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator who sets the clock of a node does not expire a message."""
    clock = StoreClock(ManualClock(100.0))
    clock.heard(5_000)
    monkeypatch.setattr(time, "time_ns", lambda: 3_600 * 10**9)
    assert clock.now_ms() == 5_000


def test_before_the_store_spoke_this_machine_does() -> None:
    """Somebody has to say what time it is."""
    assert StoreClock().now_ms() == pytest.approx(time.time() * 1000, abs=1000)
