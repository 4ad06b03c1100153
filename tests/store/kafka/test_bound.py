"""Of all keys the `count` that end last count, whatever was cleared away below them."""

from __future__ import annotations

from fast_sse.store.kafka.bound import Bound


def test_a_key_too_many_cuts_the_one_that_ends_first() -> None:
    """Among equals the digest decides."""
    bound = Bound([(5, b"b"), (5, b"c")], 0)
    assert bound.floor is None
    bound.add((5, b"d"), None)
    assert [bound.cuts((5, digest)) for digest in (b"a", b"b", b"c", b"d")] == [True, True, False, False]


def test_what_ends_before_the_floor_is_cut_as_it_comes() -> None:
    """And the floor does not sink for it."""
    bound = Bound([(5, b"a"), (6, b"a"), (7, b"a")], 1)
    bound.add((1, b"b"), None)
    assert bound.floor == (5, b"a")


def test_a_key_given_anew_counts_once() -> None:
    """Ended, it makes way for itself and cuts nobody; cut, it takes the place of the next."""
    bound = Bound([(4, b"a"), (5, b"b"), (6, b"c")], 0)
    bound.add((9, b"a"), (4, b"a"))
    assert bound.floor is None
    bound.add((9, b"d"), None)
    assert bound.floor == (5, b"b")
    bound.add((9, b"b"), (5, b"b"))
    assert bound.floor == (6, b"c")
