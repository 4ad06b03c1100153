"""Code of this process as a subscriber: what it is given, where it goes on, and that it holds up nobody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
from tests.hub.loops import manual
from tests.hub.support import Bench, bench, drafted, now_ms, place, wanted

from fast_sse.hub.consumer import Gap, Message, consume
from fast_sse.model.message import Draft
from fast_sse.store.base import Retention
from fast_sse.store.memory.store import MemoryStore

SENT = {"send_time": "2026-11-23 12:00:00.000"}


class Taker:
    """A consumer that takes as much as the test lets it.

    Attributes:
        taken: values so far.
        ended: whether the iteration has.
    """

    def __init__(self, messages: AsyncIterator[Message | Gap]) -> None:
        self.messages = messages
        self.taken: list[Message | Gap] = []
        self.ended = False

    async def take(self, most: int = 1_000_000) -> Taker:
        """Take what is there, at most so many, and leave the next one awaited."""
        self._task = manual().create_task(self._take(most))
        await manual().idle()
        return self

    async def _take(self, most: int) -> None:
        for _ in range(most):
            try:
                self.taken.append(await anext(self.messages))
            except StopAsyncIteration:
                self.ended = True
                return

    async def stop(self) -> None:
        """Cancel the wait for the next one, which ends the iteration."""
        self._task.cancel()
        await manual().idle()

    @property
    def data(self) -> list[Any]:
        """That of each message."""
        return [one.data for one in self.taken if isinstance(one, Message)]


async def taking(hub: Bench, *texts: str, after: str | None = None, most: int = 1_000_000) -> Taker:
    """A consumer that takes from now on, or from behind a cursor."""
    return await Taker(consume(hub.hub, wanted(*texts), hub.hub.level.text if after is None else after)).take(
        most
    )


async def test_a_message_is_given_as_it_was_published() -> None:
    """With its id, its event name, its data and headers decoded, and its channel, on streams of one and of many channels."""
    async with bench() as hub:
        one, many = await taking(hub, "a/t"), await taking(hub, "a/*", "b/t")
        draft = Draft(channel=place("a/t"), data=b'{"n":[1,"\xc3\xa9"]}', headers=b'{"k":"v"}', event="price")
        hub.hub.publish([draft, drafted("b/t", None)])
        await manual().idle()
        message, other = many.taken
        assert isinstance(message, Message)
        assert message == Message(message.id, "price", {"n": [1, "é"]}, {"k": "v"}, "a", "t")
        assert isinstance(other, Message)
        assert other == Message(other.id, "", None, SENT, "b", "t")
        assert one.taken == [message]
        for consumer in (one, many):
            await consumer.stop()


async def test_it_begins_behind_its_cursor_and_goes_on_live() -> None:
    """From an id of a message, from the earliest, and from now; each message once and in order."""
    async with bench() as hub:
        cursors = await hub.publish("a/t", 0, 1, 2)
        behind = await taking(hub, "a/t", after=cursors[0].text)
        earliest, now = await taking(hub, "a/t", after="earliest"), await taking(hub, "a/t")
        await hub.publish("a/t", 3)
        assert (behind.data, earliest.data, now.data) == ([1, 2, 3], [0, 1, 2, 3], [3])
        assert [one.id for one in behind.taken[:2] if isinstance(one, Message)] == [
            one.text for one in cursors[1:]
        ]
        for consumer in (behind, earliest, now):
            await consumer.stop()


async def test_a_gap_is_a_value() -> None:
    """Where the cursor cannot be continued, the first value says so; the messages that are left follow."""
    store = MemoryStore(Retention(max_messages=2), now_ms=now_ms)
    await store.open()
    async with bench(store, tail_records_max=1) as hub:
        cursors = await hub.publish("a/t", *range(5))
        await store.trim()
        consumer = await taking(hub, "a/t", after=cursors[0].text)
        gap, *_ = consumer.taken
        assert isinstance(gap, Gap)
        assert (gap.reason, gap.lost_from) == ("trimmed", cursors[0].text)
        assert consumer.data == [3, 4]
        await consumer.stop()
    await store.close()


async def test_one_that_is_slow_is_paused_and_misses_nothing() -> None:
    """What waits for it is bounded by the mark and one flush; it is given all of it, once and in order."""
    async with bench(write_buffer_bytes_max=1000, flush_bytes_max=1000) as hub:
        slow, quick = await taking(hub, "a/t", most=1), await taking(hub, "a/t")
        for number in range(50):
            await hub.publish("a/t", f"{number}" + "x" * 200)
        assert len(quick.taken) == 50
        (queued,) = {one.transport.get_write_buffer_size() for one in hub.ground.wheel} - {0}
        assert 1000 < queued <= 3000
        await slow.take()
        assert slow.data == quick.data
        for consumer in (slow, quick):
            await consumer.stop()


async def test_a_mark_below_the_first_block_is_no_harm() -> None:
    """The stream is paused before it has begun, and goes on with the first take."""
    async with bench(write_buffer_bytes_max=10) as hub:
        consumer = await taking(hub, "a/t")
        await hub.publish("a/t", *range(5))
        assert consumer.data == list(range(5))
        await consumer.stop()


async def test_one_that_stood_still_is_cut_and_goes_on_at_once() -> None:
    """After the deadline nothing is kept for it; when it takes the next one it is behind the last that it took."""
    async with bench(write_buffer_bytes_max=1000, stall_s=30) as hub:
        slow = await taking(hub, "a/t", most=1)
        for number in range(20):
            await hub.publish("a/t", f"{number}" + "x" * 200)
        await manual().elapse(120)
        assert hub.ground.evicted["stalled"] == 1
        assert not hub.ground.wheel
        began_s = manual().time()
        await slow.take()
        assert [int(one[: one.index("x")]) for one in slow.data] == list(range(20))
        assert manual().time() == began_s
        await slow.stop()


async def test_one_whose_stream_is_ended_comes_back_when_it_was_told() -> None:
    """An operator who ends it, an erased channel, or no room: not before its time, and what was published meanwhile is there."""
    async with bench() as hub:
        consumer = await taking(hub, "a/t")
        hub.streams.end_channel(place("a/t"))
        await hub.publish("a/t", 1)
        assert (consumer.data, hub.hub.streams) == ([], 0)
        await manual().elapse(hub.limits.retry_ms / 1000 * 1.5)
        assert consumer.data == [1]
        await consumer.stop()
    async with bench(streams_max=1) as hub:
        first, second = await taking(hub, "a/t"), await taking(hub, "b/t")
        await first.stop()
        await hub.publish("b/t", 2)
        assert second.data == []
        await manual().elapse(hub.limits.overload_retry_ms / 1000 * 1.5)
        assert second.data == [2]
        await second.stop()


async def test_a_stream_that_broke_is_not_tried_again_at_once() -> None:
    """A defect that comes back each time must not keep the loop busy."""
    async with bench() as hub:
        consumer = await taking(hub, "a/t")
        (subscriber,) = hub.ground.wheel
        subscriber.give_up(ValueError("a defect"))
        await manual().idle()
        assert hub.hub.streams == 0
        await hub.publish("a/t", 1)
        await manual().elapse(hub.limits.retry_ms / 1000 * 1.5)
        assert consumer.data == [1]
        await consumer.stop()


async def test_it_leaves_with_its_consumer() -> None:
    """A loop that is broken off, a task that is cancelled, and one that closes it: nothing of it is left."""
    async with bench() as hub:
        await hub.publish("a/t", 1, 2)

        async def break_off() -> None:
            async for _message in (messages := consume(hub.hub, wanted("a/t"), "earliest")):
                break
            await messages.aclose()

        await break_off()
        cancelled = await taking(hub, "a/t", after="earliest")
        assert hub.hub.streams == 1
        await cancelled.stop()
        assert cancelled._task.cancelled()
        await manual().idle()
        assert (hub.hub.streams, len(hub.ground.wheel)) == (0, 0)


async def test_it_ends_with_the_hub() -> None:
    """In a drain it is given what it has not taken yet, and then its iteration ends; one that waits to come back ends, too."""
    async with bench() as hub:
        live, waiting = await taking(hub, "a/t"), await taking(hub, "b/t")
        hub.streams.end_channel(place("b/t"))
        await manual().idle()
        await hub.publish("a/t", 1)
        drained = manual().create_task(hub.hub.drain(1.0))
        await manual().elapse(1.0)
        assert drained.done()
        assert (live.data, live.ended, waiting.ended) == ([1], True, True)
        late = await taking(hub, "a/t")
        assert late.ended


async def test_one_that_takes_nothing_holds_up_no_drain() -> None:
    """After the window it is cut, and the hub can close."""
    async with bench(write_buffer_bytes_max=1000) as hub:
        idle = await taking(hub, "a/t", most=1)
        for number in range(20):
            await hub.publish("a/t", f"{number}" + "x" * 200)
        drained = manual().create_task(hub.hub.drain(1.0))
        await manual().elapse(1.1)
        assert drained.done()
        assert not hub.ground.wheel
        await idle.take()
        assert idle.ended


async def test_operators_see_what_it_was_granted_by() -> None:
    """As of any stream."""
    async with bench() as hub:
        consumer = Taker(consume(hub.hub, wanted("a/t"), "earliest", right="the application"))
        await consumer.take()
        seen = await hub.hub.watch.streams("oldest", None, 10)
        assert [one.right for one in seen.items] == ["the application"]
        assert msgspec.json.encode([one.address for one in seen.items]) == b'[""]'
        await consumer.stop()
