"""Waits between tries double up to a bound."""

from __future__ import annotations

from fast_sse.model.backoff import Backoff


def test_waits_double_up_to_the_longest() -> None:
    """Each wait is twice the one before, and none is longer than the longest."""
    backoff = Backoff(0.5, 3.0)
    assert [backoff.next_s() for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_a_success_starts_again() -> None:
    """After `restart` the first wait comes again, and doubles again."""
    backoff = Backoff(0.5, 3.0)
    for _ in range(4):
        backoff.next_s()
    backoff.restart()
    assert [backoff.next_s() for _ in range(2)] == [0.5, 1.0]


def test_chance_takes_up_to_half() -> None:
    """Chance 0 gives half of the wait, 1 the whole of it; the doubling does not depend on it."""
    backoff = Backoff(1.0, 8.0)
    assert [backoff.next_s(chance) for chance in (0.0, 1.0, 0.5)] == [0.5, 2.0, 3.0]


def test_a_server_may_ask_for_another_wait() -> None:
    """A wait that was set is waited once, even above the longest; then the bound holds again."""
    backoff = Backoff(1.0, 8.0)
    backoff.wait_s = 60.0
    assert [backoff.next_s() for _ in range(2)] == [60.0, 8.0]
