"""What operators see of streams and channels, and what a look may cost."""

from __future__ import annotations

import asyncio
import gc

import pytest
from tests.hub.loops import manual
from tests.hub.support import Bench, bench, place
from tests.hub.transport import FakeTransport

from fast_sse.hub import watch as module
from fast_sse.hub.outgoing import ENDED, LIVE, PAUSED
from fast_sse.hub.watch import ChannelsSeen, Order, StreamsSeen, Top


async def streams(hub: Bench, order: Order = "oldest", channel: str = "", count: int = 10) -> StreamsSeen:
    """One look, when the last one's answer stays no more."""
    await manual().elapse(1.0)
    return await hub.hub.watch.streams(order, place(channel) if channel else None, count)


async def channels(hub: Bench, top: Top = "rate", search: str = "", count: int = 10) -> ChannelsSeen:
    """One look at channels."""
    await manual().elapse(1.0)
    return await hub.hub.watch.channels(top, search, count)


def named(seen: ChannelsSeen) -> list[str]:
    """The channels as texts."""
    return ["/".join(one.channel) for one in seen.items]


async def test_the_oldest_streams_come_first() -> None:
    """With their age, their channels and where they stand."""
    async with bench() as hub:
        await hub.joined("a/t", "b/*")
        await manual().elapse(5)
        await hub.joined("c/t")
        (cursor,) = await hub.publish("a/t", 1)
        seen = await streams(hub)
        assert [one.channels for one in seen.items] == [(place("a/t"), place("b/*")), (place("c/t"),)]
        first, second = seen.items
        assert (first.age_s, second.age_s) == (6, 1)
        assert (first.state, first.behind, first.cursor, first.queued_bytes) == (LIVE, 0, cursor, 0)
        assert (first.stands_s, first.address, seen.more) == (None, "192.0.2.1", False)
        assert seen.states[LIVE] == 2


async def test_few_of_many_are_shown() -> None:
    """And it is said that there are more, and how many there are in each state."""
    async with bench() as hub:
        for _ in range(5):
            await hub.joined("a/t")
            await manual().elapse(1)
        seen = await streams(hub, count=2)
        assert [one.age_s for one in seen.items] == [6, 5]
        assert (seen.more, seen.states[LIVE]) == (True, 5)


async def test_slow_streams_are_those_with_something_queued() -> None:
    """Those with most of it first, with how long they have stood still; the others are not among them."""
    async with bench(write_buffer_bytes_max=1000) as hub:
        await hub.joined("a/t")
        little = await hub.joined("a/t", transport=FakeTransport(reading=False))
        await hub.publish("a/t", "x" * 200)
        much = await hub.joined("a/t", transport=FakeTransport(reading=False))
        await hub.publish("a/t", "x" * 900)
        seen = await streams(hub, "slow")
        assert seen.items[0].state == PAUSED
        queued = [peer.transport.get_write_buffer_size() for peer in (little, much)]
        assert sorted([one.queued_bytes for one in seen.items], reverse=True) == sorted(queued, reverse=True)
        assert seen.items[0].stands_s is not None
        for peer in (little, much):
            peer.transport.abort()


async def test_lagging_streams_are_behind_the_log() -> None:
    """By how many positions; a stream that is level is not among them."""
    async with bench(write_buffer_bytes_max=100) as hub:
        await hub.joined("a/t")
        slow = await hub.joined("a/t", transport=FakeTransport(reading=False))
        assert (slow.subscriber.state, (await streams(hub, "lagging")).items) == (PAUSED, [])
        await hub.publish("a/t", "x" * 200)
        await hub.publish("a/t", 1, 2, 3)
        (only,) = (await streams(hub, "lagging")).items
        assert (only.state, only.behind) == (PAUSED, 4)
        slow.transport.abort()


async def test_streams_of_a_channel() -> None:
    """Those that get what is published to it, by whatever pattern; a pattern finds those that ask for it."""
    async with bench() as hub:
        for texts in (("a/t",), ("a/*",), ("b/t", "a/t"), ("b/t",), ("*/*",)):
            await hub.joined(*texts)
        seen = await streams(hub, channel="a/t")
        assert [len(one.channels) for one in seen.items if place("b/t") not in one.channels] == [1, 1, 1]
        assert len(seen.items) == 4
        (only,) = (await streams(hub, channel="a/*")).items
        assert only.channels == (place("a/*"),)


async def test_a_stream_keeps_its_name() -> None:
    """From look to look, so that it can be ended; others have others."""
    async with bench() as hub:
        await hub.joined("a/t")
        await hub.joined("b/t")
        names = [one.id for one in (await streams(hub)).items]
        assert [one.id for one in (await streams(hub)).items] == names
        assert len(set(names)) == 2


async def test_a_stream_is_ended() -> None:
    """It is told when to come back, as in a drain; nothing is left to be ended then, and it is listed no more."""
    async with bench() as hub:
        peer = await hub.joined("a/t", transport=FakeTransport())
        (only,) = (await streams(hub)).items
        assert hub.hub.watch.end(only.id)
        assert peer.retries[-1] > 0
        assert peer.transport.is_closing()
        assert not hub.hub.watch.end(only.id)
        await manual().idle()
        assert (await streams(hub)).items == []


async def test_a_stream_that_has_ended_is_only_counted() -> None:
    """Its last bytes may be on their way for a while."""
    async with bench() as hub:
        peer = await hub.joined("a/t", transport=FakeTransport(reading=False))
        (only,) = (await streams(hub)).items
        assert hub.hub.watch.end(only.id)
        seen = await streams(hub)
        assert (seen.items, seen.states[ENDED]) == ([], 1)
        assert not hub.hub.watch.end(only.id)
        peer.transport.abort()


@pytest.mark.parametrize(
    "name", ["", "1", "{0}", "{0}-", "{0}-0", "{0}-2", "{0}--1", "{0}-\u0661", "x-1", "{0}-" + "1" * 5000]
)
async def test_a_name_of_no_stream_ends_none(name: str) -> None:
    """Nor does one of another process: its streams were other ones."""
    async with bench() as hub:
        await hub.joined("a/t")
        (only,) = (await streams(hub)).items
        assert not hub.hub.watch.end(name.format(only.id.rpartition("-")[0]))


async def test_a_name_is_forgotten_with_its_stream() -> None:
    """Nothing is kept for a stream that is gone."""
    async with bench() as hub:
        peer = await hub.joined("a/t")
        await streams(hub)
        await manual().elapse(30)
        hub.hub.watch._answers.clear()
        peer.transport.abort()
        del peer
        await manual().idle()
        gc.collect()
        assert not hub.hub.watch._shown
        assert not hub.hub.watch._numbers


async def test_the_busiest_channels_come_first() -> None:
    """With who listens: by name, and by patterns that match."""
    async with bench() as hub:
        for texts in (("a/t",), ("a/*",), ("b/t", "c/t")):
            await hub.joined(*texts)
        await hub.publish("b/t", 1)
        await hub.publish("a/t", 1, 2, 3)
        seen = await channels(hub)
        assert named(seen)[:2] == ["a/t", "b/t"]
        first, second, *rest = seen.items
        assert first.per_s is not None
        assert second.per_s is not None
        assert first.per_s == pytest.approx(3 * second.per_s)
        assert (first.subscribers, first.listening) == (1, 2)
        assert (second.subscribers, second.listening) == (1, 1)
        assert {"/".join(one.channel): (one.per_s, one.listening) for one in rest} == {
            "a/*": (None, None),
            "c/t": (None, 1),
        }
        assert (seen.counted, seen.streams, seen.error) == (2, 3, 0)


async def test_channels_by_their_subscribers() -> None:
    """Patterns are among them; of many the first are shown, and it is said that there are more."""
    async with bench() as hub:
        for text in ("a/t", "b/*", "b/*", "b/*", "c/t", "c/t"):
            await hub.joined(text)
        await hub.publish("d/t", 1)
        seen = await channels(hub, "subscribers", count=2)
        assert [(name, one.subscribers) for name, one in zip(named(seen), seen.items, strict=True)] == [
            ("b/*", 3),
            ("c/t", 2),
        ]
        assert seen.more


async def test_channels_are_searched() -> None:
    """By any part of `id/type`, in any case, among those that are busy or listened to."""
    async with bench() as hub:
        await hub.joined("Cart-1/changed")
        await hub.publish("user-1/CART", 1)
        await hub.publish("user-2/mail", 1)
        assert sorted(named(await channels(hub, search="cart"))) == ["Cart-1/changed", "user-1/CART"]
        assert named(await channels(hub, search="2/MA")) == ["user-2/mail"]
        assert named(await channels(hub, search="nothing")) == []


async def test_an_erasure_is_no_message() -> None:
    """Control records belong to a channel and are none of its messages; they do not make it busy."""
    async with bench() as hub:
        erasing = manual().create_task(hub.hub.erase(place("a/t")))
        await manual().idle()
        await erasing
        assert named(await channels(hub)) == []


async def test_a_look_lets_the_loop_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """After each slice of streams and of channels others have a turn, whatever comes and goes meanwhile."""
    monkeypatch.setattr(module, "_SLICE", 2)
    async with bench() as hub:
        for number in range(9):
            await hub.joined(f"a{number}/t")
        watch = hub.hub.watch
        for look, slices in ((watch.streams("oldest", None, 10), 4), (watch.channels("rate", "", 10), 8)):
            task: asyncio.Task[StreamsSeen | ChannelsSeen] = manual().create_task(look)
            turns = 0
            while not task.done():
                await asyncio.sleep(0)
                turns += 1
            assert len(task.result().items) == 9
            assert turns >= slices


async def test_the_same_question_is_answered_once_a_second() -> None:
    """However many pages ask: they share a look."""
    async with bench() as hub:
        await hub.joined("a/t")
        first = await hub.hub.watch.streams("oldest", None, 10)
        await hub.joined("a/t")
        assert await hub.hub.watch.streams("oldest", None, 10) is first
        other = await hub.hub.watch.streams("oldest", None, 11)
        assert len(other.items) == 2
        await manual().elapse(1.0)
        assert len((await hub.hub.watch.streams("oldest", None, 10)).items) == 2


async def test_answers_that_stay_are_bounded() -> None:
    """Whoever asks something else each time fills nothing."""
    async with bench() as hub:
        for count in range(1, 200):
            await hub.hub.watch.streams("oldest", None, count)
        assert len(hub.hub.watch._answers) <= 32
