"""Publishes in flight: bounded, and answered by their deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from tests.hub.loops import manual
from tests.hub.support import Bench, bench, drafted, now_ms

from fast_sse.model.errors import OverloadedError, StoreClosedError, UnknownOutcomeError
from fast_sse.model.message import Draft
from fast_sse.observe.observer import DefectSeen
from fast_sse.store.base import Appended, Outcome
from fast_sse.store.memory.store import MemoryStore

Answer = asyncio.Future[list[Outcome]]


class Hanging(MemoryStore):
    """A store that answers an append when the test says so."""

    def __init__(self) -> None:
        super().__init__(now_ms=now_ms)
        self.asked: list[tuple[Answer, Sequence[Draft]]] = []

    def append(self, drafts: Sequence[Draft]) -> Answer:
        """Keep the drafts waiting."""
        self.asked.append((asyncio.get_running_loop().create_future(), drafts))
        return self.asked[-1][0]

    def answer(self, number: int) -> None:
        """Store them now."""
        future, drafts = self.asked[number]
        future.set_result(super().append(drafts).result())


async def test_a_store_that_does_not_answer_leaves_the_outcome_unknown() -> None:
    """At its deadline each entry is answered 504; the store's own future is left to the store."""
    store = Hanging()
    await store.open()
    async with bench(store, append_s=2.0) as hub:
        future = hub.hub.publish([drafted("a/t"), drafted("a/t")])
        await manual().elapse(1.9)
        assert not future.done()
        await manual().elapse(0.6)
        assert [type(outcome) for outcome in future.result()] == [UnknownOutcomeError] * 2
        store.answer(0)
        await manual().idle()
        assert store.asked[0][0].done()
    await store.close()


async def test_answers_come_as_the_store_gives_them() -> None:
    """Results and failures pass through, in whatever order the store answers."""
    store = Hanging()
    await store.open()
    async with bench(store) as hub:
        first, second, third = [hub.hub.publish([drafted("a/t", number)]) for number in range(3)]
        store.answer(1)
        await manual().idle()
        (outcome,) = second.result()
        assert isinstance(outcome, Appended)
        assert not first.done()
        store.asked[0][0].set_exception(StoreClosedError("closed"))
        store.asked[2][0].cancel()
        await manual().idle()
        assert isinstance(first.exception(), StoreClosedError)
        assert third.cancelled()
    await store.close()


@pytest.mark.parametrize("limits", [{"publishes_pending_max": 4}, {"publish_bytes_pending_max": 1100}])
async def test_what_waits_for_the_store_is_bounded_in_drafts_and_bytes(limits: dict[str, Any]) -> None:
    """Past a bound a publish is refused as certainly not stored; the store never hears of it."""
    store = Hanging()
    await store.open()
    async with bench(store, **limits) as hub:
        hub.hub.publish([drafted("a/t"), drafted("a/t")])
        hub.hub.publish([drafted("a/t"), drafted("a/t")])
        with pytest.raises(OverloadedError):
            hub.hub.publish([drafted("a/t")])
        assert len(store.asked) == 2
        store.answer(1)
        await manual().idle()
        hub.hub.publish([drafted("a/t")])
        store.answer(0)
        store.answer(2)
        await manual().idle()
        assert hub.hub._publishes.drafts == hub.hub._publishes.bytes == 0
    await store.close()


async def test_a_store_that_hangs_fills_the_bounds_only_once() -> None:
    """What was answered as unknown still lies in the store: it counts until the store answers, so nothing piles up."""
    store = Hanging()
    await store.open()
    async with bench(store, publishes_pending_max=3, append_s=1.0) as hub:
        for _ in range(3):
            hub.hub.publish([drafted("a/t")])
        await manual().elapse(30)
        with pytest.raises(OverloadedError):
            hub.hub.publish([drafted("a/t")])
        assert not hub.hub._publishes._waiting
        store.answer(0)
        await manual().idle()
        hub.hub.publish([drafted("a/t")])
        for number in (1, 2, 3):
            store.answer(number)
        await manual().idle()
    await store.close()


async def test_one_stuck_publish_does_not_count_those_answered_after_it() -> None:
    """Only what waits counts, wherever it stands in the queue."""
    store = Hanging()
    await store.open()
    async with bench(store, publishes_pending_max=3) as hub:
        hub.hub.publish([drafted("a/t")])
        for number in range(1, 20):
            hub.hub.publish([drafted("a/t")])
            store.answer(number)
            await manual().idle()
        await manual().elapse(1)
        assert len(hub.hub._publishes._waiting) == 1
        store.answer(0)
        await manual().idle()
    await store.close()


async def test_a_batch_larger_than_the_bound_is_taken_when_nothing_waits() -> None:
    """The bound is on what piles up; a single request has its own limits."""
    store = Hanging()
    await store.open()
    async with bench(store, publishes_pending_max=2) as hub:
        hub.hub.publish([drafted("a/t")] * 5)
        with pytest.raises(OverloadedError):
            hub.hub.publish([drafted("a/t")])
        store.answer(0)
        await manual().idle()
    await store.close()


async def test_a_defect_does_not_end_the_keeping_of_deadlines() -> None:
    """It is reported, and the next look answers what is late: no publish waits for ever because of one bad moment."""
    store = Hanging()
    await store.open()
    async with bench(store, append_s=2.0) as hub:
        future = hub.hub.publish([drafted("a/t")])
        waiting, hub.hub._publishes._waiting = hub.hub._publishes._waiting, None  # type: ignore[assignment]
        await manual().elapse(1)
        assert {fact.where for fact in hub.facts.of(DefectSeen)} == {"publishes"}
        hub.hub._publishes._waiting = waiting
        await manual().elapse(2)
        assert [type(outcome) for outcome in future.result()] == [UnknownOutcomeError]
        store.answer(0)
        await manual().idle()
    await store.close()


def told(hub: Bench, name: str) -> tuple[int, float]:
    """How many observations a histogram has, and their sum."""
    (sample,) = [one for one in hub.hub.samples() if one.name == name]
    return sample.buckets[-1].total, sample.value


async def test_the_time_to_the_store_s_answer_is_measured() -> None:
    """Once an append, to the answer itself: also when its publisher was told before that the outcome is not known."""
    store = Hanging()
    await store.open()
    async with bench(store, append_s=2.0) as hub:
        hub.hub._publishes._clock = manual().time
        hub.hub.publish([drafted("a/t"), drafted("a/t")])
        await manual().elapse(0.5)
        store.answer(0)
        await manual().idle()
        assert told(hub, "commit_seconds") == (1, 0.5)
        late = hub.hub.publish([drafted("a/t")])
        await manual().elapse(4.0)
        assert isinstance(late.result()[0], UnknownOutcomeError)
        store.answer(1)
        await manual().idle()
        assert told(hub, "commit_seconds") == (2, 4.5)
    await store.close()


async def test_what_one_commit_carries_is_counted() -> None:
    """Answers that come in one turn of the loop are those of one commit; later ones are of another."""
    store = Hanging()
    await store.open()
    async with bench(store) as hub:
        for count in (1, 2, 1):
            hub.hub.publish([drafted("a/t")] * count)
        store.answer(0)
        store.answer(1)
        await manual().idle()
        assert told(hub, "commit_messages") == (1, 3)
        store.answer(2)
        await manual().idle()
        assert told(hub, "commit_messages") == (2, 4)
    await store.close()
