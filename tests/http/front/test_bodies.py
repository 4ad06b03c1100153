"""What bodies hold that nobody vouches for."""

from __future__ import annotations

from fast_sse.http.front.bodies import Bodies


class Holder:
    def __init__(self) -> None:
        self.made_room = 0

    def make_room(self) -> None:
        self.made_room += 1


def test_the_oldest_makes_room() -> None:
    """Over the bound the bodies that began first are given up, as many as it takes, and counted."""
    bodies, holders = Bodies(100), [Holder() for _ in range(4)]
    for holder in holders[:3]:
        bodies.hold(holder, 30)
    bodies.hold(holders[0], 40)  # it goes on, and stays the oldest
    assert [holder.made_room for holder in holders] == [0, 0, 0, 0]
    bodies.hold(holders[3], 60)
    assert [holder.made_room for holder in holders] == [1, 1, 0, 0]
    assert (bodies.held_bytes, bodies.given_up) == (90, 2)


def test_one_alone_is_within_its_own_limit() -> None:
    """A single body never makes room for itself, whatever the bound."""
    bodies, holder = Bodies(10), Holder()
    bodies.hold(holder, 11)
    assert (holder.made_room, bodies.held_bytes) == (0, 11)


def test_who_grows_over_the_bound_may_be_the_one_to_go() -> None:
    """The oldest goes although it is the one that asks for more."""
    bodies, old, young = Bodies(10), Holder(), Holder()
    bodies.hold(old, 5)
    bodies.hold(young, 5)
    bodies.hold(old, 6)
    assert (old.made_room, young.made_room, bodies.held_bytes) == (1, 0, 5)


def test_nothing_is_left_of_a_body_that_is_complete() -> None:
    """Its bytes are free again, and a second release is nothing."""
    bodies, holder = Bodies(10), Holder()
    bodies.hold(holder, 5)
    bodies.release(holder)
    bodies.release(holder)
    assert bodies.held_bytes == 0
