"""Work that goes on: after a return, an error or a defect, with waits that double, until the store is closed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.hub.support import Facts

from fast_sse.hub.supervised import supervised
from fast_sse.model.backoff import Backoff
from fast_sse.model.errors import StoreClosedError
from fast_sse.observe.observer import DefectSeen


class Work:
    """Attempts that do as the test says, one outcome each, and then find the store closed."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self.outcomes = [*outcomes, StoreClosedError("the store is closed")]
        self.attempts = 0
        self.come = 0
        self.waits: list[float] = []
        self.facts = Facts()

    async def attempt(self) -> None:
        """The next outcome."""
        self.attempts += 1
        outcome = self.outcomes.pop(0)
        if outcome is not None:
            raise outcome

    async def wait(self, seconds: float) -> None:
        """Take no time."""
        self.waits.append(seconds)

    async def run(self, **more: Any) -> None:
        """Until the store is closed, or for what `more` says."""
        await supervised("work", self.attempt, self.facts, Backoff(1.0, 3.0), wait=self.wait, **more)


async def test_a_defect_is_reported_and_ends_only_its_attempt() -> None:
    """Each is named with the place and the stack, and the next attempt follows; an attempt that returns is no defect."""
    work = Work(TypeError("one"), None, ValueError("two"))
    await work.run()
    assert work.attempts == 4
    told = work.facts.of(DefectSeen)
    assert [(fact.where, fact.error) for fact in told] == [
        ("work", "TypeError('one')"),
        ("work", "ValueError('two')"),
    ]
    assert all("attempt" in fact.traceback for fact in told)


async def test_waits_double_until_the_work_gets_on() -> None:
    """Up to the bound; an attempt that came further, however it ended, is followed by the first wait again."""
    work = Work(*[TypeError("a defect")] * 5)
    await work.run(progress=lambda: work.attempts >= 4)
    assert work.waits == [1.0, 2.0, 3.0, 1.0, 2.0]


async def test_a_closed_store_ends_the_work_without_a_word() -> None:
    """Nothing is left to attempt: no wait, and nothing is reported."""
    work = Work()
    await work.run()
    assert (work.attempts, work.waits, work.facts.told) == (1, [], [])


async def test_work_that_has_ended_is_attempted_no_more() -> None:
    """It is asked before each attempt, the first one too."""
    work = Work(None, None, None)
    await work.run(ended=lambda: work.attempts == 2)
    assert work.attempts == 2
    await work.run(ended=lambda: True)
    assert work.attempts == 2


async def test_a_cancelled_task_ends() -> None:
    """Cancellation is the hub's own wish, in an attempt as in a wait."""

    async def for_ever(*_: object) -> None:
        await asyncio.get_running_loop().create_future()

    work = Work(None)
    in_attempt = supervised("work", for_ever, work.facts, Backoff(1.0, 3.0))
    in_wait = supervised("work", work.attempt, work.facts, Backoff(1.0, 3.0), wait=for_ever)
    for task in [asyncio.ensure_future(one) for one in (in_attempt, in_wait)]:
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert work.facts.told == []
