"""What streams stand on: questions to the store, jitter, and what is counted when a stream is cut."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from tests.hub.loops import manual
from tests.hub.support import bench

from fast_sse.model.errors import StoreClosedError, UnavailableError
from fast_sse.observe.observer import DefectSeen, StreamEvicted


async def test_at_most_some_questions_are_asked_at_once() -> None:
    """A storm of reconnects does not become a storm on the store; whoever waits for an absent store holds up nobody."""
    asking = most = 0
    async with bench(reads_concurrent_max=3) as hub:

        async def question() -> int:
            nonlocal asking, most
            asking += 1
            most = max(most, asking)
            await asyncio.sleep(1)
            asking -= 1
            return 7

        async def absent() -> int:
            raise UnavailableError("down")

        waiting = [asyncio.ensure_future(hub.ground.ask(absent)) for _ in range(5)]
        answers = [asyncio.ensure_future(hub.ground.ask(question)) for _ in range(10)]
        await manual().elapse(4.1)
        assert [answer.result() for answer in answers] == [7] * 10
        assert most == 3
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)


async def test_an_absent_store_is_asked_ever_more_seldom() -> None:
    """Each wait is a jittered doubling up to its bound, and each absence is said; the answer is the first that comes."""
    async with bench(retry_store_s=1.0, retry_store_s_max=8.0) as hub:
        asked: list[float] = []
        absences = 0

        async def question() -> str:
            asked.append(manual().time())
            if len(asked) < 8:
                raise UnavailableError("down")
            return "back"

        def absent() -> None:
            nonlocal absences
            absences += 1

        answer = asyncio.ensure_future(hub.ground.ask(question, absent))
        await manual().elapse(60)
        assert answer.result() == "back"
        assert absences == 7
        waits = [later - earlier for earlier, later in pairwise(asked)]
        shares = [wait_s / most_s for wait_s, most_s in zip(waits, (1, 2, 4, 8, 8, 8, 8), strict=True)]
        assert all(0.5 <= share <= 1 for share in shares)
        assert len(set(shares)) == 7


@pytest.mark.parametrize("error", [StoreClosedError("closed"), TypeError("a defect")])
async def test_what_is_no_absence_is_not_waited_out(error: Exception) -> None:
    """A closed store and a defect are the asker's to deal with, at once."""
    async with bench() as hub:

        async def question() -> None:
            raise error

        with pytest.raises(type(error)):
            await hub.ground.ask(question)


async def test_jitter_stays_within_its_share() -> None:
    """Half of the base either way unless another share is named, so that clients do not come back in step."""
    async with bench() as hub:
        for share, most in ((0.5, 500), (1 / 3, 334)):
            drawn = [hub.ground.jittered_ms(1000, share) for _ in range(200)]
            assert 1000 - most <= min(drawn) < 1000 - most * 0.8
            assert 1000 + most * 0.8 < max(drawn) <= 1000 + most
        drawn = [hub.ground.jittered_ms(1000) for _ in range(200)]
        assert min(drawn) < 600
        assert max(drawn) > 1400


async def test_a_stream_that_is_cut_is_counted_and_reported_once() -> None:
    """By its reason, with its peer's address, however often it is cut; a defect comes with its stack."""
    async with bench() as hub:
        peer = await hub.joined("a/t")
        peer.subscriber.give_up(TypeError("a defect"))
        peer.subscriber.evict("stalled", 3.0)
        assert hub.ground.evicted == {"defect": 1}
        assert [(fact.reason, fact.peer) for fact in hub.facts.of(StreamEvicted)] == [("defect", "192.0.2.1")]
        (defect,) = hub.facts.of(DefectSeen)
        assert "TypeError: a defect" in defect.traceback


async def test_how_long_the_store_took_is_measured() -> None:
    """Once for each answer, the wait for a turn with it; the time of its absence is not the store's."""
    async with bench(reads_concurrent_max=1, retry_store_s=4.0) as hub:
        hub.ground.arrivals.clock = manual().time
        absences = iter([True, False, False])

        async def question() -> int:
            if next(absences):
                raise UnavailableError("down")
            await asyncio.sleep(2)
            return 1

        waiting = [asyncio.ensure_future(hub.ground.ask(question)) for _ in range(2)]
        await manual().elapse(30)
        assert [one.result() for one in waiting] == [1, 1]
        (pages,) = [one for one in hub.ground.samples() if one.name == "replay_page_seconds"]
        assert (pages.buckets[-1].total, pages.value) == (2, 4.0)
        both = [asyncio.ensure_future(hub.ground.ask(lambda: asyncio.sleep(1))) for _ in range(2)]
        await manual().elapse(3)
        await asyncio.gather(*both)
        (pages,) = [one for one in hub.ground.samples() if one.name == "replay_page_seconds"]
        assert (pages.buckets[-1].total, pages.value) == (4, 4.0 + 1 + 2)
