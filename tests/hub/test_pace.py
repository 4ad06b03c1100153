"""Streams that come share the loop with everything else: a few milliseconds of each turn, in the order of their coming."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.hub.loops import manual
from tests.hub.support import Bench, Peer, bench
from tests.hub.transport import FakeTransport

from fast_sse.hub.form import Body
from fast_sse.hub.outgoing import CATCHING_UP, JOINING, LIVE
from fast_sse.hub.pace import SHARE_S, Pace
from fast_sse.hub.subscriber import Subscriber
from fast_sse.store.base import Page

#: Streams that find a share of a turn used up by the writes of one of them.
CROWD = 60


class SlowTransport(FakeTransport):
    """A write to a stream that is catching up takes as long as encoding and compressing a page."""

    def write(self, data: bytes) -> None:
        """As the fake, but the clock moves."""
        if isinstance(self.protocol, Subscriber) and self.protocol.state == CATCHING_UP:
            manual().now_s += SHARE_S / 3
        super().write(data)


async def longest_turn_s(ended: asyncio.Future[None]) -> float:
    """The longest time that passed between two turns of the loop, until that is done."""
    longest_s, before_s = 0.0, manual().time()
    while not ended.done():
        await asyncio.sleep(0)
        manual().now_s += 0.0001
        now_s = manual().time()
        longest_s, before_s = max(longest_s, now_s - before_s), now_s
    return longest_s


async def levelled(peers: list[Peer]) -> None:
    """Wait until all of them are level."""
    while any(peer.subscriber.state != LIVE for peer in peers):  # noqa: ASYNC110  turn by turn
        await asyncio.sleep(0)


def crowd(hub: Bench, after: str, body: Body = "plain") -> list[Peer]:
    """Streams that come at the same moment, each behind the same cursor."""
    return [hub.join("a/t", after=after, body=body, transport=SlowTransport()) for _ in range(CROWD)]


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("body", ["plain", "gzip", "payload"])
async def test_a_crowd_that_comes_at_once_does_not_stop_the_loop(*, body: Body, kept: bool) -> None:
    """Each is written what it lacks; nobody else waits longer than a share and one page, whether that is in memory or not."""
    async with bench(tail_records_max=100 if kept else 1) as hub:
        (first, *_) = await hub.publish("a/t", *range(10))
        peers = crowd(hub, first.text, body)
        assert await longest_turn_s(asyncio.ensure_future(levelled(peers))) <= 2 * SHARE_S
        await hub.publish("a/t", 10)
        assert all(peer.messages == list(range(1, 11)) for peer in peers)


async def test_pages_that_the_store_sends_together_are_written_one_after_another() -> None:
    """As many as are asked for at once may come in one turn."""
    async with bench(tail_records_max=1) as hub:
        (first, *_) = await hub.publish("a/t", *range(10))
        answering, read = asyncio.Event(), hub.store.read

        async def late(*question: Any) -> Page:
            await answering.wait()
            return await read(*question)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(hub.store, "read", late)
            peers = crowd(hub, first.text)
            await manual().idle()
            answering.set()
            assert await longest_turn_s(asyncio.ensure_future(levelled(peers))) <= 2 * SHARE_S
        assert all(peer.messages == list(range(1, 10)) for peer in peers)


async def test_a_crowd_that_waits_for_a_flush_does_not_stop_the_loop() -> None:
    """Those who came while a flush was pending are levelled behind it, a few in each turn."""
    async with bench() as hub:
        (first, *_) = await hub.publish("a/t", 0, 1)
        member = await hub.joined("a/t")
        hub.fanout._not_before_s = manual().time() + 1
        await hub.publish("a/t", 2)
        peers = crowd(hub, first.text)
        await manual().idle()
        assert all(peer.subscriber.state == JOINING for peer in peers)
        manual().now_s += 1
        assert await longest_turn_s(asyncio.ensure_future(levelled(peers))) <= 2 * SHARE_S
        await manual().idle()
        assert all(peer.messages == [1, 2] for peer in peers)
        assert member.messages == [2]


async def test_who_waits_goes_on_in_the_order_of_coming() -> None:
    """Also those who were woken and found the turn used up; who has gone meanwhile is passed over."""
    pace, order = Pace(manual(), manual().time), list[int]()

    async def work(number: int) -> None:
        await pace.turn()
        order.append(number)
        manual().now_s += 0.6 * SHARE_S

    tasks = [asyncio.ensure_future(work(number)) for number in range(50)]
    await asyncio.sleep(0)
    assert order == [0, 1]
    assert pace.busy
    tasks[2].cancel()
    tasks[30].cancel()
    await asyncio.wait(tasks)
    assert order == [number for number in range(50) if number not in (2, 30)]
    await asyncio.sleep(0)
    assert not pace.busy
