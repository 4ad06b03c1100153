"""The hub as a whole: start, publish to everybody, probe, trim, close."""

from __future__ import annotations

import asyncio

import pytest
from tests.hub.loops import manual
from tests.hub.support import LIMITS, Bench, bench, now_ms
from tests.hub.transport import FakeTransport

from fast_sse.hub.hub import PROBE_INTERVAL_S
from fast_sse.model.errors import NotStoredError, UnavailableError
from fast_sse.observe.observer import (
    DefectSeen,
    HubStarted,
    HubStopped,
    StoreFailed,
    StoreRecovered,
    Trimmed,
)
from fast_sse.store.base import Retention
from fast_sse.store.memory.store import MemoryStore


async def test_what_is_published_reaches_all_who_asked_and_nobody_else() -> None:
    """Isolation (G10) and one order for everybody (G4)."""
    async with bench() as hub:
        exact, by_id, other = await hub.joined("a/t"), await hub.joined("a/*"), await hub.joined("b/t")
        await hub.publish("a/t", 1)
        await hub.publish("a/u", 2)
        await hub.publish("b/t", 3)
        await hub.publish("*/t", 4)
        assert (exact.messages, by_id.messages, other.messages) == ([1, 4], [1, 2, 4], [3, 4])
        assert b"event_id" not in exact.body
        assert by_id.body.count(b'"event_id":"a"') == 2


async def test_a_hub_that_restarts_on_its_store_continues_every_stream() -> None:
    """A client that comes back to a new process loses nothing and gets nothing twice."""
    store = MemoryStore(now_ms=now_ms)
    await store.open()
    async with bench(store) as hub:
        peer = await hub.joined("a/t")
        await hub.publish("a/t", 1, 2)
    assert peer.transport.closed
    async with bench(store) as hub:
        await hub.publish("a/t", 3)
        resumed = await hub.joined("a/t", after=peer.last_event_id)
        await hub.publish("a/t", 4)
        assert peer.messages + resumed.messages == [1, 2, 3, 4]
    await store.close()


async def test_start_and_close_are_told_and_leave_nothing() -> None:
    """Started with the place in the log, stopped with every task ended, even with streams in all states."""
    before = asyncio.all_tasks()
    async with bench(write_buffer_bytes_max=100) as hub:
        await hub.publish("a/t", *["x" * 300] * 3)
        await hub.joined("a/t")
        await hub.joined("a/t", earliest=True, transport=FakeTransport(reading=False))
        hub.join("a/t", earliest=True)
    assert asyncio.all_tasks() == before
    (started,) = hub.facts.of(HubStarted)
    assert started.newest.endswith(".0")
    assert started.durability == "process"
    assert len(hub.facts.of(HubStopped)) == 1


async def test_after_close_nothing_new_begins() -> None:
    """A connection that was accepted a moment too late is told to come back."""
    async with bench() as hub:
        await hub.hub.close()
        peer = await hub.joined("a/t")
        assert peer.transport.closed
        await hub.hub.start()


async def test_a_hub_does_not_start_on_a_store_that_is_away() -> None:
    """Who starts it tries again; nothing runs meanwhile."""

    class Away(MemoryStore):
        async def bounds(self) -> object:  # type: ignore[override]
            raise UnavailableError("down")

    hub = Bench(Away(now_ms=now_ms), LIMITS)
    before = asyncio.all_tasks()
    with pytest.raises(UnavailableError):
        await hub.hub.start()
    assert asyncio.all_tasks() == before
    await hub.hub.close()


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


async def test_trimming_goes_on_whatever_one_step_met() -> None:
    """A store that fails, or a defect, costs one interval; what went is told."""

    class Stumbling(MemoryStore):
        errors: list[Exception] = [UnavailableError("down"), TypeError("a defect")]  # noqa: RUF012

        async def trim(self) -> int:
            if self.errors:
                raise self.errors.pop(0)
            return await super().trim()

    store = Stumbling(Retention(max_messages=10), now_ms=now_ms)
    await store.open()
    async with bench(store, trim_interval_s=5.0) as hub:
        await hub.publish("a/t", *range(1510))
        await manual().elapse(5)
        assert len(hub.facts.of(StoreFailed)) == 1
        await manual().elapse(5)
        assert [fact.where for fact in hub.facts.of(DefectSeen)] == ["trimmer"]
        await manual().elapse(5)
        assert [fact.entries for fact in hub.facts.of(Trimmed)] == [500, 500, 500]
    await store.close()
