"""A lane: the same bytes to everybody, or to those in step, whoever joins and leaves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fast_sse.hub.lane import Lane

moves = st.lists(
    st.one_of(
        st.just(("join", 0)),
        st.tuples(st.just("leave"), st.integers(0, 20)),
        st.sampled_from([("together", 0), ("apart", 0)]),
    ),
    max_size=40,
)


class Wire:
    """A transport and its member in one; a closed one raises, as uvloop's does."""

    def __init__(self) -> None:
        self.transport = self
        self.place = -1
        self.closed = False
        self.got: list[bytes] = []

    def write(self, data: bytes) -> None:
        if self.closed:
            raise RuntimeError("the handler is closed")
        self.got.append(data)


@given(moves)
def test_each_part_is_written_what_is_its_own(steps: list[tuple[str, int]]) -> None:
    """Members in step get one text and the others another, whatever the order of joining and leaving; places are true."""
    lane = Lane()
    in_step: list[Wire] = []
    others: list[Wire] = []
    for move, number in steps:
        both = [*in_step, *others]
        if move == "join":
            others.append(Wire())
            lane.add(others[-1])
        elif move == "leave" and both:
            gone = both[number % len(both)]
            lane.remove(gone)
            assert gone.place == -1
            (in_step if gone in in_step else others).remove(gone)
        elif move == "together":
            in_step, others = both, []
            lane.in_step = len(lane.members)
        elif move == "apart":
            in_step, others = [], both
            lane.in_step = 0
        for wire in [*in_step, *others]:
            wire.got.clear()
            assert lane.members[wire.place] is wire
        assert lane.write_in_step(b"epoch") == len(in_step)
        assert lane.write_out_of_step(b"alone") == len(others)
        assert lane.write(b"all") == len(in_step) + len(others)
        assert all(wire.got == [b"epoch", b"all"] for wire in in_step)
        assert all(wire.got == [b"alone", b"all"] for wire in others)


def test_who_is_closed_is_passed_over_in_every_part() -> None:
    """The others get their bytes, and the count is of those who took them."""
    lane = Lane()
    wires = [Wire() for _ in range(6)]
    for wire in wires:
        lane.add(wire)
    lane.in_step = 3
    for number in (0, 2, 3, 5):
        wires[number].closed = True
    assert lane.write_in_step(b"a") == lane.write_out_of_step(b"b") == 1
    assert lane.write(b"c") == 2
    assert wires[1].got == [b"a", b"c"]
    assert wires[4].got == [b"b", b"c"]
