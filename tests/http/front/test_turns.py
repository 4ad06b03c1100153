"""Connections that wait for a turn."""

from __future__ import annotations

import asyncio

import pytest

from fast_sse.http.front.turns import Turns


class Patient:
    """Asks again as often as it has something left."""

    def __init__(self, turns: Turns, left: int = 0) -> None:
        self.turns = turns
        self.left = left
        self.served = 0

    def go_on(self) -> None:
        self.served += 1
        if self.left:
            self.left -= 1
            self.turns.ask(self)


async def test_a_turn_serves_a_few_however_many_wait() -> None:
    """A thousand that pipeline take no more of a turn than four, and all are served in the end (CWE-400)."""
    turns = Turns()
    crowd = [Patient(turns) for _ in range(1000)]
    for patient in crowd:
        turns.ask(patient)
    assert sum(patient.served for patient in crowd) == 0
    for turn in range(1, 251):
        await asyncio.sleep(0)
        assert sum(patient.served for patient in crowd) == 4 * turn
    assert all(patient.served for patient in crowd)


async def test_one_alone_has_one_turn_a_turn() -> None:
    """Who asks again is served in the next turn, not in this one."""
    turns = Turns()
    patient = Patient(turns, left=2)
    turns.ask(patient)
    for turn in range(1, 4):
        await asyncio.sleep(0)
        assert patient.served == turn
    await asyncio.sleep(0)
    assert patient.served == 3


async def test_who_asks_again_stands_behind_the_others() -> None:
    """The queue is fair: nobody has a second turn before all that waited had their first."""
    turns = Turns()
    greedy, crowd = Patient(turns, left=100), [Patient(turns) for _ in range(9)]
    for patient in (greedy, *crowd):
        turns.ask(patient)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (greedy.served, sum(patient.served for patient in crowd)) == (1, 7)


async def test_a_defect_of_one_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception goes to the loop, and the queue goes on."""
    turns, broken, other = Turns(), [], None
    asyncio.get_running_loop().set_exception_handler(lambda _, context: broken.append(context["exception"]))
    first, other = Patient(turns), Patient(turns)
    monkeypatch.setattr(first, "go_on", lambda: 1 // 0)
    turns.ask(first)
    turns.ask(other)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert other.served == 1
    assert [type(error) for error in broken] == [ZeroDivisionError]
