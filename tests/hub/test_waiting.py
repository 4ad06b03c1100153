"""What waits: in log order, each with its moment, and no more of it than the bound."""

from __future__ import annotations

from fast_sse.hub.waiting import Wait, Waiting


def waiting(older: dict[int, float], newer: dict[int, float], records_max: int = 100) -> Waiting:
    """Positions, and since when each waits."""
    made = Waiting(records_max)
    made.older = {place: Wait(since_s) for place, since_s in older.items()}
    made.newer = {place: Wait(since_s) for place, since_s in newer.items()}
    return made


def test_what_was_loaded_later_holds_up_nothing_that_came_meanwhile() -> None:
    """Both parts are due by their own moments, and a call takes the oldest first, up to its bound."""
    some = waiting({1: 5.0, 2: 9.0}, {7: 6.0, 8: 7.0, 9: 8.0})
    assert some.first == 1
    assert some.since_s == 5.0
    assert list(some.take_due(7.0, 2, 1)) == [1, 7]
    assert some.is_due(7.0)
    assert list(some.take_due(7.0, 2, 1)) == [8]
    assert not some.is_due(7.0)
    assert list(some.take_due(7.0, 2, 1)) == []
    assert (some.first, some.since_s, len(some)) == (2, 8.0, 2)


def test_what_is_due_is_taken_up_to_its_size() -> None:
    """One at least, however large; what is left is taken next, in its order."""
    some = Waiting(100)
    some.older = {1: Wait(0.0, "", 9), 2: Wait(0.0, "", 3)}
    some.newer = {7: Wait(0.0, "", 2), 8: Wait(0.0, "", 0), 9: Wait(0.0, "", 1)}
    assert list(some.take_due(0.0, 9, 5)) == [1]
    assert list(some.take_due(0.0, 9, 5)) == [2, 7, 8]
    assert list(some.take_due(0.0, 9, 5)) == [9]


def test_what_was_taken_can_be_put_back() -> None:
    """In the part it came from, before all that is left of it."""
    some = waiting({1: 5.0, 2: 6.0, 3: 9.0}, {7: 6.0, 8: 9.0})
    taken = some.take_due(6.0, 9, 1)
    del taken[2]
    some.put_back(taken, 3)
    assert [list(part.items()) for part in (some.older, some.newer)] == [
        [(1, Wait(5.0)), (3, Wait(9.0))],
        [(7, Wait(6.0)), (8, Wait(9.0))],
    ]


def test_above_its_bound_the_oldest_are_let_go_and_counted() -> None:
    """As letters the newer ones would push them out anyway."""
    some = waiting({1: 0.0, 2: 0.0}, {7: 0.0, 8: 0.0, 9: 0.0}, records_max=2)
    assert some.let_go() == 3
    assert some.let_go() == 0
    assert [place in some for place in (1, 2, 7, 8, 9)] == [False, False, False, True, True]
    assert some.dropped == {"overflow": 3, "trimmed": 0}


def test_what_is_trimmed_waits_no_more_and_is_counted() -> None:
    """The mark is the last place that is gone."""
    some = waiting({1: 0.0, 2: 0.0}, {7: 0.0, 8: 0.0})
    assert some.trimmed(7) == 3
    assert some.first == 8
    assert some.dropped["trimmed"] == 3


def test_what_is_settled_waits_no_more() -> None:
    """Once; whichever part it is in."""
    some = waiting({1: 0.0}, {7: 0.0})
    assert [list(part) for part in some.places] == [[1], [7]]
    assert [some.settle(place) for place in (1, 7, 1, 2)] == [True, True, False, False]
    assert (some.first, some.since_s) == (None, None)
