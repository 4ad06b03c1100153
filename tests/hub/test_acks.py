"""Acks: a name counts once a message, and there are only so many."""

from __future__ import annotations

import msgspec
import pytest
from tests.hub.support import LIMITS

from fast_sse.hub.acks import Acks
from fast_sse.model.errors import RateLimitedError
from fast_sse.store.letters import Ack


def acks(names_max: int = 3, acks_max: int = 5) -> Acks:
    """With small bounds."""
    return Acks(msgspec.structs.replace(LIMITS, ack_names_max=names_max, acks_max=acks_max))


def test_a_name_counts_once() -> None:
    """From wherever it came first; it is told once, by the node that took it."""
    some = acks()
    assert some.take(1, "a")
    assert not some.take(1, "a")
    some.hear(Ack(1, "b"))
    assert not some.take(1, "b")
    assert list(some.of(1)) == ["a", "b"]
    assert list(some.of(2)) == []
    assert some.take_untold(10) == [Ack(1, "a")]
    assert some.take_untold(10) == []
    assert some.total == 1


def test_one_name_more_than_a_message_may_have_is_refused() -> None:
    """From a client with an error, from another node in silence."""
    some = acks()
    for name in "abc":
        some.take(1, name)
    with pytest.raises(RateLimitedError, match="3 clients"):
        some.take(1, "d")
    some.hear(Ack(1, "e"))
    assert list(some.of(1)) == ["a", "b", "c"]


def test_above_the_bound_the_message_that_was_acked_first_goes() -> None:
    """All its names at once; what is to be told is bounded alike."""
    some = acks()
    for position in range(1, 8):
        some.take(position, "a")
    assert [bool(some.of(position)) for position in range(1, 8)] == [False] * 2 + [True] * 5
    assert [ack.position for ack in some.take_untold(4)] == [3, 4, 5, 6]


def test_another_log_begins_without_acks() -> None:
    """No position means what it meant, and nothing is left to be told."""
    some = acks()
    some.take(1, "a")
    some.clear()
    assert list(some.of(1)) == []
    assert some.take_untold(9) == []
    for position in range(1, 6):
        some.take(position, "a")
    assert some.of(1)
