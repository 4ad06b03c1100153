"""The judge of the client table, judged itself with what somebody might have seen."""

from __future__ import annotations

import json

import pytest
from tests.clients.driver import Told
from tests.clients.verdict import Cell, Observation, Owed, judge

LOG = "s1.0000000000000"
OWED = [Owed(f"m{n}", f"{LOG}.{n}") for n in range(1, 5)]


def message(n: int) -> Told:
    """A message as its user gets it."""
    return Told("message", f"{LOG}.{n}", json.dumps({"data": f"m{n}", "headers": {}}))


def gap(resumed_at: int) -> Told:
    """A gap that names everything up to a place."""
    detail = {"reason": "trimmed", "from": f"{LOG}.0", "resumed_at": f"{LOG}.{resumed_at}"}
    return Told("fast-sse.gap", f"{LOG}.{resumed_at}", json.dumps(detail))


ALL = [message(n) for n in range(1, 5)]
START = Told("fast-sse.start", f"{LOG}.0", '{"cursor":"x","resumed":false}')


@pytest.mark.parametrize(
    ("told", "cell"),
    [
        (ALL, Cell(4)),
        ([START, *ALL, START], Cell(4)),
        (ALL[2:], Cell(4, lost=2)),
        ([], Cell(4, lost=4)),
        ([gap(2), *ALL[2:]], Cell(4)),
        ([gap(2), ALL[3]], Cell(4, lost=1)),
        ([*ALL, ALL[0], ALL[0]], Cell(4, doubled=2)),
        ([*ALL, Told("message", None, "")], Cell(4, phantom=1)),
        ([*ALL, Told("message", None, ALL[0].data[:9])], Cell(4, phantom=1)),
        ([*ALL, message(9)], Cell(4, phantom=1)),
        ([*ALL[:3], Told("tick", None, ALL[3].data)], Cell(4)),
    ],
)
def test_the_judge_sees_what_is_wrong(told: list[Told], cell: Cell) -> None:
    """A message that is missing, comes twice, or was never published is counted, and nothing else is."""
    assert judge(Observation(OWED, told)) == cell
    assert cell.clean == (cell == Cell(4))


def test_who_never_came_back_has_lost_nothing_that_it_was_sent() -> None:
    """A client that gave up is told by that: what it was never sent is no loss of the hub's."""
    cell = judge(Observation(OWED, ALL[:1], came_back=False))
    assert cell == Cell(4, came_back=False)
    assert not cell.clean


def test_what_must_be_told_is_missed() -> None:
    """A scenario that owes its user an event is not clean without it."""
    assert judge(Observation(OWED, ALL, must_tell="fast-sse.gap")) == Cell(4, untold="fast-sse.gap")
    assert judge(Observation(OWED, [gap(0), *ALL], must_tell="fast-sse.gap")).clean
