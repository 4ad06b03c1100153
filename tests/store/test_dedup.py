"""Keys against what is known."""

from __future__ import annotations

from tests.contract.backends import draft

from fast_sse.model.errors import KeyConflictError
from fast_sse.store.dedup import Known, resolve, to_remember

ONE = draft(keys=("k1", "k2", "k3"), body=b"sha")
K1, K2, K3 = (key.digest for key in ONE.keys)


def test_of_several_known_keys_the_earliest_message_counts() -> None:
    """Two messages with the same body may each have one of the keys: the answer is the earlier."""
    known = {K1: Known(7, b"sha", 100), K2: Known(3, b"sha", 100)}
    assert resolve(ONE, known.get, 50) == known[K2]


def test_a_key_past_its_window_is_not_known() -> None:
    """At its end a key no longer counts, neither as a repeat nor as a conflict."""
    known = {K1: Known(7, b"other", 100)}
    assert isinstance(resolve(ONE, known.get, 99), KeyConflictError)
    assert resolve(ONE, known.get, 100) is None


def test_only_unknown_keys_are_remembered() -> None:
    """A known key keeps its message and its window; the rest stand for the position given, each for its window."""
    known = {K1: Known(7, b"sha", 100), K2: Known(1, b"sha", 40)}
    assert to_remember(ONE, 7, known.get, 50, 1000) == [
        (K2, Known(7, b"sha", 1050)),
        (K3, Known(7, b"sha", 1050)),
    ]
    own = draft(keys=("k",), body=b"sha", window_ms=5)
    assert [found.expires_ms for _, found in to_remember(own, 1, known.get, 50, 1000)] == [55]
