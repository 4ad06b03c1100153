"""The registry of streams: bounds, eviction, drain."""

from __future__ import annotations

import asyncio
import re
from itertools import pairwise

import pytest
from tests.hub.loops import manual
from tests.hub.support import bench
from tests.hub.transport import FakeTransport

from fast_sse.hub.outgoing import PAUSED
from fast_sse.observe.observer import Drained

END = re.compile(rb"retry: (\d+)\n\Z")


async def test_overload_is_answered_with_a_retry_and_no_id() -> None:
    """Past streams_max a stream is told when to come back, jittered, and closed: nothing a browser takes as final."""
    async with bench(streams_max=2) as hub:
        kept = [await hub.joined("a/t") for _ in range(2)]
        assert hub.hub.full
        refused = [await hub.joined("a/t", chunked=chunked) for chunked in (True, False) * 10]
        waits = set()
        for peer in refused:
            found = END.fullmatch(peer.body)
            assert found
            waits.add(int(found[1]))
            assert peer.transport.closed
        assert len(waits) > 10
        assert 7_500 <= min(waits) <= max(waits) <= 22_500
        assert bytes(refused[0].transport.wire).endswith(b"0\r\n\r\n")
        assert hub.hub.streams == 2
        kept[0].transport.hang_up()
        await manual().idle()
        assert not hub.hub.full
        later = await hub.joined("a/t")
        await hub.publish("a/t", 1)
        assert later.messages == kept[1].messages == [1]


async def test_streams_that_take_their_last_words_slowly_count_against_nobody() -> None:
    """Refused peers that do not read are watched until they are gone, but are no open streams."""
    async with bench(streams_max=1, stall_s=30.0) as hub:
        for _ in range(5):
            await hub.joined("a/t", transport=FakeTransport(reading=False))
        assert hub.hub.streams == 1
        assert len(hub.ground.wheel) == 5
        await manual().elapse(60)
        assert len(hub.ground.wheel) == 1


async def test_each_opening_has_its_own_retry() -> None:
    """The reconnection time is jittered per connection, so that clients do not come back in step."""
    async with bench() as hub:
        peers = [await hub.joined("a/t") for _ in range(20)]
        waits = [peer.retries[0] for peer in peers]
        assert len(set(waits)) > 15
        assert 1000 <= min(waits) <= max(waits) <= 3000


async def test_a_drain_spreads_the_ends_over_its_window() -> None:
    """Each stream ends at a moment of its own with a `retry:` and no id; none is left at the end of the window."""
    async with bench() as hub:
        (cursor,) = await hub.publish("a/t", 0)
        peers = [await hub.joined("a/t") for _ in range(40)]
        drain = asyncio.ensure_future(hub.hub.drain(20.0))
        open_after = []
        for _ in range(20):
            await manual().elapse(1)
            open_after.append(sum(not peer.transport.closed for peer in peers))
        assert open_after[0] > 30
        assert 10 < open_after[9] < 30
        assert open_after[-1] == 0
        assert max(a - b for a, b in pairwise(open_after)) < 8
        assert drain.done()
        for peer in peers:
            assert END.search(peer.body)
            assert peer.last_event_id == cursor.text
        assert [fact.streams for fact in hub.facts.of(Drained)] == [40]


async def test_messages_reach_streams_until_their_end() -> None:
    """A drain stops no delivery: whoever has not ended yet gets what is published."""
    async with bench() as hub:
        peers = [await hub.joined("a/t") for _ in range(10)]
        drain = asyncio.ensure_future(hub.hub.drain(20.0))
        await manual().elapse(5)
        left = [peer for peer in peers if not peer.transport.closed]
        await hub.publish("a/t", 1)
        assert left
        assert all(peer.messages == [1] for peer in left)
        await manual().elapse(20)
        assert drain.done()


@pytest.mark.parametrize("paused", [True, False])
async def test_a_drain_waits_for_nobody_past_its_window(paused: bool) -> None:
    """A peer that does not take its last words is cut when the window ends; a drain never hangs on it."""
    async with bench(write_buffer_bytes_max=300) as hub:
        peer = await hub.joined("a/t")
        peer.transport.stop_reading()
        await hub.publish("a/t", "x" * (300 if paused else 1))
        assert (peer.subscriber.state == PAUSED) == paused
        drain = asyncio.ensure_future(hub.hub.drain(10.0))
        await manual().elapse(10)
        await manual().idle()
        assert drain.done()
        assert peer.transport.closed


async def test_while_draining_new_streams_are_told_to_come_back() -> None:
    """A client that connects into a drain gets a 200 that ends, not a refusal that it would take for final."""
    async with bench() as hub:
        drain = asyncio.ensure_future(hub.hub.drain(1.0))
        await manual().elapse(1)
        assert drain.done()
        assert hub.hub.draining
        assert hub.hub.full
        peer = await hub.joined("a/t", earliest=True)
        assert END.fullmatch(peer.body)
        assert peer.transport.closed


async def test_a_drain_without_streams_is_at_once_over() -> None:
    """Nobody to wait for."""
    async with bench() as hub:
        await hub.hub.drain(20.0)
        assert [fact.streams for fact in hub.facts.of(Drained)] == [0]


async def test_a_drain_is_over_when_its_last_stream_is_and_not_before() -> None:
    """Neither streams that came and went before it nor the first one that ends in it end it; the last one does at once."""
    async with bench() as hub:
        (await hub.joined("a/t")).transport.hang_up()
        await manual().idle()
        peers = [await hub.joined("a/t") for _ in range(5)]
        drain = asyncio.ensure_future(hub.hub.drain(20.0))
        for _ in range(90):
            await manual().elapse(0.2)
            assert drain.done() == all(peer.transport.closed for peer in peers)
        assert drain.done()


async def test_a_second_drain_can_only_hasten_the_end() -> None:
    """A shorter window brings the ends forward, a longer one puts none off; both drains are over when all have ended."""
    async with bench() as hub:
        peers = [await hub.joined("a/t") for _ in range(5)]
        first = asyncio.ensure_future(hub.hub.drain(100.0))
        await manual().elapse(1)
        second, third = [asyncio.ensure_future(hub.hub.drain(window_s)) for window_s in (5.0, 100.0)]
        await manual().elapse(5)
        assert [len(peer.retries) for peer in peers] == [2] * 5, (
            "each was told when to come back, and none was cut"
        )
        assert first.done()
        assert second.done()
        assert third.done()
