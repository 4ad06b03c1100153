"""The follower: supervised, bounded, and a stranger to silence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, cast

import pytest
from tests.hub.loops import manual
from tests.hub.support import bench, drafted, now_ms, record_at
from tests.hub.transport import FakeTransport

from fast_sse.hub.follower import TURN_RECORDS_MAX
from fast_sse.hub.outgoing import JOINING, LIVE
from fast_sse.model.cursor import Cursor
from fast_sse.model.errors import UnavailableError
from fast_sse.model.message import Record
from fast_sse.observe.observer import DefectSeen, FollowerRestarted
from fast_sse.store.base import Gap, OvertakenError, Retention
from fast_sse.store.memory.store import MemoryStore


class Failing(MemoryStore):
    """A memory store whose `follow` raises what the test puts into `errors`, once each, at its next group."""

    def __init__(self, retention: Retention | None = None) -> None:
        super().__init__(retention or Retention(), now_ms=now_ms)
        self.errors: list[Exception] = []
        self.follows = 0

    async def follow(self, after: Cursor) -> AsyncIterator[list[Record]]:
        """As the memory store, but for the errors."""
        self.follows += 1
        async with aclosing(cast(Any, super().follow(after))) as groups:
            async for group in groups:
                if self.errors:
                    raise self.errors.pop(0)
                yield group


def replace_log(store: Failing) -> None:
    """A log of another epoch takes the place of the store's, which its follower notices at the next group."""
    fresh, old = MemoryStore(now_ms=now_ms), store._relay
    store._origin, store._log, store._relay = fresh._origin, fresh._log, fresh._relay
    store.errors = [OvertakenError(Gap("epoch", store._origin))]
    old.push([record_at(30)])


@pytest.mark.parametrize(
    ("error", "fact"),
    [(UnavailableError("down"), FollowerRestarted), (TypeError("a defect"), DefectSeen)],
)
async def test_the_follower_begins_again_after_the_last_record_it_saw(
    error: Exception, fact: type[Any]
) -> None:
    """A store that fails, or a defect, costs a pause and a loud fact; no record is lost and none comes twice."""
    store = Failing()
    await store.open()
    async with bench(store) as hub:
        peer = await hub.joined("a/t")
        await hub.publish("a/t", 1)
        assert hub.hub.following
        store.errors = [error, error, error]
        await hub.publish("a/t", 2, 3)
        assert not hub.hub.following
        assert peer.messages == [1]
        assert store.follows == 1
        await manual().elapse(hub.limits.retry_store_s)
        assert store.follows == 2
        await manual().elapse(hub.limits.retry_store_s)
        assert store.follows == 2, "each wait is longer than the last"
        await manual().elapse(5)
        assert peer.messages == [1, 2, 3]
        assert hub.hub.following
        assert len(hub.facts.of(fact)) == 3
    await store.close()


async def test_an_overtaken_follower_leaps_and_every_stream_is_told() -> None:
    """What trimming took before this node saw it becomes a gap in every stream, live or paused; then all go on."""
    store = Failing(Retention(max_messages=2))
    await store.open()
    async with bench(store, write_buffer_bytes_max=100, tail_records_max=2) as hub:
        (start,) = await hub.publish("a/t", 0)
        live = await hub.joined("a/t", after=start.text)
        paused = await hub.joined("a/t", after=start.text)
        paused.transport.stop_reading()
        await hub.publish("a/t", "x" * 300)
        store.errors = [UnavailableError("down")]
        await hub.publish("a/t", *range(2, 12))
        assert live.messages == ["x" * 300]
        await store.trim()
        store.errors = [OvertakenError(Gap("trimmed", start.at(10)))]
        await hub.publish("a/t", 12)
        await store.trim()
        await manual().elapse(5)
        paused.transport.read()
        await manual().elapse(5)
        await hub.publish("a/t", 13)
        for peer in (live, paused):
            assert [gap["reason"] for gap in peer.gaps] == ["trimmed"]
            assert peer.messages == ["x" * 300, 11, 12, 13]
            assert peer.ids == sorted(set(peer.ids))
            assert peer.subscriber.state == LIVE
    await store.close()


async def test_a_new_epoch_is_a_gap_for_every_stream() -> None:
    """A log that was replaced has smaller positions and nothing in common: streams are told, and hear the new one."""
    store = Failing()
    await store.open()
    async with bench(store) as hub:
        peers = [await hub.joined("a/t"), await hub.joined("*/*", transport=FakeTransport())]
        await hub.publish("a/t", *range(20))
        replace_log(store)
        await manual().idle()
        await manual().elapse(1)
        await hub.publish("a/t", "new")
        await manual().elapse(10)
        for peer in peers:
            assert [gap["reason"] for gap in peer.gaps] == ["epoch"]
            assert peer.messages[-1] == "new"
            assert peer.subscriber.state == LIVE
    await store.close()


@pytest.mark.parametrize("reason", ["epoch", "trimmed"])
async def test_a_stream_that_waits_for_a_flush_leaps_too(reason: str) -> None:
    """It does not wait for what a log that cannot be continued still had to flush: it is told the gap at once."""
    store = Failing(Retention(max_messages=2))
    await store.open()
    async with bench(store, tail_records_max=5) as hub:
        (start,) = await hub.publish("a/t", 0)
        live = await hub.joined("a/t")
        hub.fanout._not_before_s = manual().time() + 60  # flushing is the bottleneck
        await hub.publish("a/t", 1, 2)
        joining = await hub.joined("a/t", after=start.text)
        assert joining.subscriber.state == JOINING
        if reason == "trimmed":
            store.errors = [UnavailableError("down")]
            await hub.publish("a/t", *range(3, 20))
            await store.trim()
            store.errors = [OvertakenError(Gap("trimmed", (await store.bounds()).trimmed))]
        else:
            replace_log(store)
        await manual().elapse(5)
        for peer in (live, joining):
            assert [gap["reason"] for gap in peer.gaps] == [reason]
            assert peer.subscriber.state == LIVE
        await manual().elapse(60)
        await hub.publish("a/t", "new")
        assert joining.messages == live.messages == ([18, 19, "new"] if reason == "trimmed" else ["new"])
    await store.close()


async def test_a_backlog_does_not_keep_the_loop_from_others() -> None:
    """However much is there at once, others run after every so many records."""
    async with bench() as hub:
        for _ in range(20):
            hub.hub.publish([drafted("a/t", number) for number in range(TURN_RECORDS_MAX // 2)])
        turns = 0
        while hub.fanout.level.position < 10 * TURN_RECORDS_MAX:
            await asyncio.sleep(0)
            turns += 1
        assert turns >= 9


async def test_the_follower_ends_with_the_store() -> None:
    """A closed store is the end of following, and no defect."""
    async with bench() as hub:
        await hub.store.close()
        await manual().elapse(10)
        assert not hub.hub.following
        assert not hub.facts.of(DefectSeen)
        assert not hub.facts.of(FollowerRestarted)


async def test_what_has_expired_before_it_was_followed_is_not_delivered() -> None:
    """A follower that was away long delivers no message past its time; the place in the log moves on all the same."""
    store = Failing()
    await store.open()
    async with bench(store) as hub:
        peer = await hub.joined("a/t")
        store.errors = [UnavailableError("down"), UnavailableError("down")]
        await hub.publish("a/t", 1, ttl_ms=100)
        (last,) = await hub.publish("a/t", 2)
        await manual().elapse(5)
        assert peer.messages == [2]
        assert hub.fanout.level == last
    await store.close()
