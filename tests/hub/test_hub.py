"""The hub as a whole: start, publish to everybody, close."""

from __future__ import annotations

import asyncio

import pytest
from tests.hub.support import LIMITS, Bench, bench, now_ms
from tests.hub.transport import FakeTransport

from fast_sse.model.errors import UnavailableError
from fast_sse.observe.observer import (
    HubStarted,
    HubStopped,
)
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
