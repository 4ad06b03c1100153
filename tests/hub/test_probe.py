"""The write probe: asked seldom, bounded in time, and what operators see of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from tests.hub.loops import manual
from tests.hub.support import bench, drafted, now_ms

from fast_sse.hub.probe import PROBE_INTERVAL_S
from fast_sse.model.errors import NotStoredError, UnavailableError, UnknownOutcomeError
from fast_sse.model.message import Draft
from fast_sse.observe.observer import DefectSeen, StoreFailed, StoreRecovered
from fast_sse.store.base import Outcome
from fast_sse.store.memory.store import MemoryStore


class Probed(MemoryStore):
    """A store whose probe the test decides."""

    def __init__(self) -> None:
        super().__init__(now_ms=now_ms)
        self.pings = 0
        self.error: Exception | None = None
        self.hangs = False

    async def ping(self) -> None:
        """Count, and fail or hang as told."""
        self.pings += 1
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        if self.error is not None:
            raise self.error


async def test_readiness_asks_the_store_at_most_once_a_second() -> None:
    """However many ask at once and how often, the store sees one probe; its failure is told once, and its recovery."""
    store = Probed()
    await store.open()
    async with bench(store) as hub:
        await asyncio.gather(*[hub.hub.probe_publish() for _ in range(5)])
        await hub.hub.probe_publish()
        assert store.pings == 1
        store.error = UnavailableError("down")
        for _ in range(3):
            await manual().elapse(PROBE_INTERVAL_S)
            with pytest.raises(UnavailableError):
                await hub.hub.probe_publish()
        assert store.pings == 4
        assert len(hub.facts.of(StoreFailed)) == 1
        store.error = None
        await manual().elapse(PROBE_INTERVAL_S)
        await hub.hub.probe_publish()
        assert len(hub.facts.of(StoreRecovered)) == 1
    await store.close()


async def test_a_probe_that_hangs_ends_at_the_append_deadline_and_with_the_hub() -> None:
    """A store that does not answer is not ready, and a probe under way does not outlive the hub."""
    store = Probed()
    await store.open()
    async with bench(store, append_s=2.0) as hub:
        store.hangs = True
        probe = asyncio.ensure_future(hub.hub.probe_publish())
        await manual().elapse(2)
        assert isinstance(probe.exception(), NotStoredError)
        last = asyncio.ensure_future(hub.hub.probe_publish())
        await manual().elapse(1)
        again = asyncio.ensure_future(hub.hub.probe_publish())
        await manual().idle()
    await manual().idle()
    assert isinstance(last.exception(), NotStoredError)
    assert again.cancelled()
    await store.close()


class Refusing(Probed):
    """One that also refuses publishes while its probe fails: at once, or a little later."""

    def __init__(self, *, later: bool) -> None:
        super().__init__()
        self.later = later

    def append(self, drafts: Sequence[Draft]) -> asyncio.Future[list[Outcome]]:
        """Fail as a whole, if told so."""
        if self.error is None:
            return super().append(drafts)
        refused: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
        if self.later:
            asyncio.get_running_loop().call_soon(refused.set_exception, self.error)
        else:
            refused.set_exception(self.error)
        return refused


@pytest.mark.parametrize("later", [False, True])
async def test_a_failure_and_its_end_are_told_though_nobody_asks(later: bool) -> None:
    """A refused publish is enough, and then nothing: the store is asked again until it answers."""
    store = Refusing(later=later)
    await store.open()
    async with bench(store) as hub:
        store.error = UnavailableError("down")
        for _ in range(3):
            with pytest.raises(UnavailableError):
                await hub.publish("a/t", 1)
        await manual().elapse(5 * PROBE_INTERVAL_S)
        assert [fact.error for fact in hub.facts.of(StoreFailed)] == ["down"]
        assert not hub.facts.of(StoreRecovered)
        assert store.pings <= 6
        store.error = None
        await manual().elapse(PROBE_INTERVAL_S)
        assert len(hub.facts.of(StoreRecovered)) == 1
        pings = store.pings
        await manual().elapse(10 * PROBE_INTERVAL_S)
        assert store.pings == pings
    await store.close()


async def test_a_defect_of_the_probe_does_not_end_the_watch() -> None:
    """It is reported, and the store is asked again: a recovery is told after it, too."""
    store = Refusing(later=False)
    await store.open()
    async with bench(store) as hub:
        store.error = UnavailableError("down")
        with pytest.raises(UnavailableError):
            await hub.publish("a/t", 1)
        await manual().elapse(PROBE_INTERVAL_S)
        store.error = TypeError("a defect")
        await manual().elapse(2 * PROBE_INTERVAL_S)
        assert {fact.where for fact in hub.facts.of(DefectSeen)} == {"store watch"}
        store.error = None
        await manual().elapse(2 * PROBE_INTERVAL_S)
        assert len(hub.facts.of(StoreRecovered)) == 1
    await store.close()


async def test_a_publish_that_waits_too_long_makes_the_hub_look() -> None:
    """A store that hangs is told of, too."""
    store = Hanging()
    await store.open()
    async with bench(store, append_s=2.0) as hub:
        late = hub.hub.publish([drafted("a/t", 1)])
        await manual().elapse(5)
        assert isinstance(late.result()[0], UnknownOutcomeError)
        assert len(hub.facts.of(StoreFailed)) == 1
    await store.close()


class Hanging(Probed):
    """One that answers neither publishes nor probes."""

    def __init__(self) -> None:
        super().__init__()
        self.hangs = True

    def append(self, drafts: Sequence[Draft]) -> asyncio.Future[list[Outcome]]:
        """Never done."""
        return asyncio.get_running_loop().create_future()
