"""Rules of `ingest.source`: how a source lives beside its hub."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import msgspec
from tests.ingest.conftest import LIMITS, Facts, until

from fast_sse.ingest.forward import PoisonEntry
from fast_sse.ingest.package import QueueEntry
from fast_sse.ingest.source import QueueError, QueueSource
from fast_sse.model.errors import BadRequestError, NotStoredError, StoreClosedError
from fast_sse.model.limits import Limits
from fast_sse.observe.observer import (
    DefectSeen,
    IngestFailed,
    IngestPoisoned,
    IngestRecovered,
    IngestStarted,
    IngestStopped,
)

Step = Callable[["Scripted"], Awaitable[None]]


class Scripted(QueueSource):
    """A source that does what the test says, one step a session; after the last it waits."""

    kind = "redis_stream"

    def __init__(self, facts: Facts, *steps: Step, limits: Limits = LIMITS) -> None:
        super().__init__("q", limits, facts)
        self.steps = list(steps)
        self.sessions = 0

    async def _read(self) -> None:
        self.sessions += 1
        if self.steps:
            await self.steps.pop(0)(self)
        else:
            await self._wait(asyncio.Event().wait)


def fails(error: Exception) -> Step:
    async def step(_source: Scripted) -> None:
        raise error

    return step


async def test_start_and_stop_are_told(facts: Facts) -> None:
    """Both ends of a source's life are facts, the second with what it did; stopping twice is stopping once."""
    source = Scripted(facts)
    source.start()
    await until(lambda: source.sessions)
    source.figures.taken = 7
    await source.stop()
    await source.stop()
    assert facts.told == [IngestStarted("redis_stream", "q"), IngestStopped("redis_stream", "q", 7)]


async def test_a_source_that_was_never_started_stops(facts: Facts) -> None:
    """A drain may come before the start."""
    await Scripted(facts).stop()
    assert facts.told == []


async def test_a_cancellation_that_is_swallowed_is_repeated(facts: Facts) -> None:
    """A client's `asyncio.wait_for` may swallow one that comes together with its result: the hub must end all the same."""

    async def deaf(_source: Scripted) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    source = Scripted(facts, deaf, limits=msgspec.structs.replace(LIMITS, ingest_stop_s=0.01))
    source.start()
    await until(lambda: source.sessions)
    (task,) = [one for one in asyncio.all_tasks() if one.get_name() == "ingest q"]
    async with asyncio.timeout(5):
        await source.stop()
    assert task.done()


async def test_trouble_is_told_once_and_tried_again(facts: Facts) -> None:
    """The same trouble at every attempt is one line; another is another."""
    down = QueueError("down")
    source = Scripted(facts, fails(down), fails(down), fails(down), fails(QueueError("other")))
    source.start()
    await until(lambda: source.sessions == 5)
    await source.stop()
    assert [fact.error for fact in facts.of(IngestFailed)] == ["down", "other"]
    assert facts.of(IngestRecovered) == []


async def test_recovery_is_told(facts: Facts) -> None:
    """Well after trouble is one line; well after well is none; the next trouble is told anew."""

    async def well(source: Scripted) -> None:
        source._well()
        source._well()
        raise QueueError("down")

    source = Scripted(facts, well, well, well)
    source.start()
    await until(lambda: source.sessions == 4)
    await source.stop()
    kinds = [type(fact) for fact in facts.told[1:-1]]
    assert kinds == [IngestFailed, IngestRecovered, IngestFailed, IngestRecovered, IngestFailed]


async def test_a_hub_that_does_not_store_is_a_trouble(facts: Facts) -> None:
    """It is counted at each attempt and told once, as the hub's and not the queue's."""
    source = Scripted(facts)
    source._held_up(NotStoredError("the store is down"))
    source._held_up(NotStoredError("the store is down"))
    assert source.figures.held_up == 2
    assert [fact.error for fact in facts.of(IngestFailed)] == ["the hub does not store: the store is down"]


async def test_a_defect_does_not_end_a_source(facts: Facts) -> None:
    """An error that nobody foresaw is told with its traceback, and the queue is read on."""
    source = Scripted(facts, fails(ZeroDivisionError("x")))
    source.start()
    await until(lambda: source.sessions == 2)
    await source.stop()
    (defect,) = facts.of(DefectSeen)
    assert "ZeroDivisionError" in defect.traceback


async def test_a_closed_store_ends_a_source(facts: Facts) -> None:
    """When the hub is closed there is nowhere to put anything."""
    source = Scripted(facts, fails(StoreClosedError()))
    source.start()
    assert source._task is not None
    await source._task
    assert source.sessions == 1


async def test_a_stop_lets_what_is_in_hand_finish(facts: Facts) -> None:
    """Work under way when the stop comes is done to its end; no other begins."""
    held, done = asyncio.Event(), []

    async def work(_source: Scripted) -> None:
        await held.wait()
        done.append(1)

    source = Scripted(facts, work)
    source.start()
    await until(lambda: source.sessions)
    stopping = asyncio.create_task(source.stop())
    await asyncio.sleep(0)
    held.set()
    await stopping
    assert (done, source.sessions) == ([1], 1)


async def test_a_stop_does_not_wait_for_ever(facts: Facts) -> None:
    """Work that does not end, because the store is down, is left in the queue."""
    source = Scripted(facts, lambda _source: asyncio.Event().wait())  # type: ignore[arg-type, return-value]
    source._limits = Limits(ingest_stop_s=0.01)
    source.start()
    await until(lambda: source.sessions)
    await source.stop()
    assert len(facts.of(IngestStopped)) == 1


async def test_a_stop_cuts_a_wait_short(facts: Facts) -> None:
    """A wait with nothing in hand ends with the stop."""
    source = Scripted(facts)
    source._limits = Limits(ingest_stop_s=60)
    source.start()
    await until(lambda: source._idle)
    async with asyncio.timeout(5):
        await source.stop()


async def test_after_a_stop_no_wait_begins(facts: Facts) -> None:
    """Work that comes to a wait only after the stop does not wait any more."""

    async def work(source: Scripted) -> None:
        await until(lambda: source._ending)
        await source._wait(asyncio.Event().wait)

    source = Scripted(facts, work)
    source._limits = Limits(ingest_stop_s=60)
    source.start()
    await until(lambda: source.sessions)
    async with asyncio.timeout(5):
        await source.stop()


async def test_poison_is_named_without_its_content(facts: Facts) -> None:
    """An operator learns where it is and why, and nothing that a stranger wrote."""
    source = Scripted(facts)
    source._poisoned([PoisonEntry(QueueEntry("1-0", b"secret stuff"), BadRequestError("not JSON"))])
    assert facts.told == [IngestPoisoned("redis_stream", "q", "1-0", "not JSON")]
    assert source.figures.poison == 1
