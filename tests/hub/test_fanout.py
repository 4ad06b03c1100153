"""Delivery to live sets, and the tick."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.hub.loops import ManualLoop, manual
from tests.hub.support import LIMITS, bench, drafted, record_at, wanted
from tests.hub.transport import FakeTransport

from fast_sse.hub.fanout import Fanout
from fast_sse.hub.form import Form
from fast_sse.hub.frames import ADDRESSED, BARE, id_texts
from fast_sse.hub.outgoing import ENDED, JOINING, LIVE, PAUSED
from fast_sse.hub.tail import Entry
from fast_sse.model.channel import Channel, Filter
from fast_sse.model.cursor import Cursor
from fast_sse.observe.observer import DefectSeen

ORIGIN = Cursor("m1", "0" * 13, 0)

segments = st.sampled_from(["a", "b", "c", "*"])
channels = st.builds(Channel, segments, segments)
filters = st.lists(channels, min_size=1, max_size=5).map(lambda some: Filter.of(*some))


@pytest.mark.slow
@given(st.lists(filters, max_size=8, unique=True), st.lists(channels, max_size=5), st.data())
def test_a_record_waits_once_in_every_live_set_that_matches(
    wanted: list[Filter], records: list[Channel], data: st.DataObject
) -> None:
    """Every live set whose filter matches gets the record, once, and no other; also after some sets were forgotten."""
    loop = ManualLoop()
    try:
        fanout = Fanout(LIMITS, loop)
        fanout.start_at(ORIGIN)
        sets = [fanout.live_set(one, Form()) for one in wanted]
        gone = data.draw(st.sets(st.sampled_from(sets))) if sets else set()
        for live_set in gone:
            fanout.discard_if_deserted(live_set)
        for position, channel in enumerate(records, 1):
            fanout.deliver(Entry(record_at(position, "/".join(channel)), lambda record: str(record.position)))
        for live_set in sets:
            due = [n for n, channel in enumerate(records, 1) if live_set.filter.matches(channel)]
            assert [entry.position for entry in live_set.pending] == ([] if live_set in gone else due)
    finally:
        loop.close()


async def test_a_subscriber_is_in_one_live_set_and_hears_the_log_in_order() -> None:
    """A stream of many channels and wildcards gets each record once, in the order of the log."""
    async with bench() as hub:
        peer = await hub.joined("a/t", "a/*", "*/t", "b/u")
        for number, text in enumerate(["a/t", "b/u", "c/t", "a/x", "*/*", "a/*", "c/c", "*/u", "a/t"]):
            await hub.publish(text, number)
        assert peer.messages == [0, 1, 2, 3, 4, 5, 7, 8]
        assert sum(peer.subscriber in live_set.members for live_set in hub.fanout.sets) == 1
        assert peer.ids == sorted(set(peer.ids))


async def test_the_addressed_form_is_encoded_only_when_such_a_set_exists() -> None:
    """Exact streams cost one encoding; the first wildcard stream that hears a record costs the second."""
    async with bench() as hub:
        await hub.joined("a/t")
        await hub.publish("a/t", 1)
        await hub.joined("a/*")
        await hub.publish("a/t", 2)
        first, second = hub.fanout.tail.between(0, 2)
        assert first._frames[BARE]
        assert not first._frames[ADDRESSED]
        assert second._frames[BARE]
        assert second._frames[ADDRESSED]


async def test_all_frames_of_a_tick_become_one_write() -> None:
    """Publishes of one turn of the loop are joined: one write per member, not one per message."""
    async with bench() as hub:
        peer = await hub.joined("a/t")
        seen = len(peer.transport.writes)
        futures = [hub.hub.publish([drafted("a/t", number)]) for number in range(20)]
        await manual().idle()
        assert all(future.done() for future in futures)
        assert peer.messages == list(range(20))
        assert len(peer.transport.writes) == seen + 1


class SlowTransport(FakeTransport):
    """A transport whose every write takes a while of everybody's time."""

    def __init__(self, write_s: float) -> None:
        super().__init__()
        self.write_s = write_s
        self.times: list[float] = []

    def write(self, data: bytes) -> None:
        """As the fake, but the clock moves."""
        self.times.append(manual().time())
        manual().now_s += self.write_s
        super().write(data)


async def test_while_flushing_is_the_bottleneck_the_next_flush_waits_at_most_5_ms() -> None:
    """After a flush that took 2 ms the next waits 2 ms; after one of 100 ms it waits 5 and no more."""
    for write_s, wait_s in ((0.002, 0.002), (0.1, 0.005)):
        async with bench() as hub:
            transport = SlowTransport(write_s)
            peer = await hub.joined("a/t", transport=transport)
            await hub.publish("a/t", 1)
            ended_s = manual().time()
            await hub.publish("a/t", 2)
            await hub.publish("a/t", 3)
            assert peer.messages == [1], "the second waits"
            await manual().elapse(wait_s)
            assert peer.messages == [1, 2, 3]
            assert abs(transport.times[-1] - ended_s - wait_s) < 1e-6


async def test_one_tick_waits_however_much_is_published_before_it() -> None:
    """While flushing is the bottleneck a timer for each record would cost more than the flushes."""
    async with bench() as hub:
        peer = await hub.joined("a/t")
        hub.fanout._not_before_s = manual().time() + 1
        for number in range(5):
            await hub.publish("a/t", number)
        ticks = [handle for handle in manual()._scheduled if handle._callback == hub.fanout._tick]
        assert len(ticks) == 1
        await manual().elapse(1)
        assert peer.messages == list(range(5))


async def test_an_idle_hub_does_not_wait() -> None:
    """When the last flush is long past, or took no time, a message leaves in the same turn of the clock."""
    async with bench() as hub:
        transport = SlowTransport(0.002)
        peer = await hub.joined("a/t", transport=transport)
        await hub.publish("a/t", 1)
        await manual().elapse(0.01)
        await hub.publish("a/t", 2)
        assert peer.messages == [1, 2]
        quick = await hub.joined("b/t")
        transport.hang_up()
        await manual().elapse(0.01)
        await hub.publish("b/t", 3)
        await hub.publish("b/t", 4)
        assert quick.messages == [3, 4]


async def test_a_joiner_waits_for_the_next_flush_and_is_levelled_from_the_tail() -> None:
    """With frames pending a newcomer is not a member yet; right after the flush it stands where the members stand."""
    async with bench() as hub:
        (start,) = await hub.publish("a/t", 0)
        first = await hub.joined("a/t", transport=SlowTransport(0.005))
        await hub.publish("a/t", 1)
        await hub.publish("a/t", 2)  # waits for the coalescing delay
        second = await hub.joined("a/t", after=start.text)
        assert second.subscriber.state == JOINING
        assert second.messages == []
        await manual().elapse(0.005)
        assert second.subscriber.state == LIVE
        assert first.messages == second.messages == [1, 2]
        await manual().elapse(1)
        await hub.publish("a/t", 3)
        assert first.messages == second.messages == [1, 2, 3]
        assert second.transport.writes[-1] is first.transport.writes[-1]


async def test_a_joiner_that_pauses_takes_nobody_with_it() -> None:
    """When the only members and the first joiner of a set all pause in one tick, the next joiner still gets a live set."""
    async with bench(write_buffer_bytes_max=400) as hub:
        (start,) = await hub.publish("a/t", "x" * 400)
        member = await hub.joined("a/t", transport=SlowTransport(0.005))
        await hub.publish("a/t", 1)
        await hub.publish("a/t", 2)
        deaf = await hub.joined("a/t", after=start.at(0).text, transport=FakeTransport(reading=False))
        good = await hub.joined("a/t", after=start.text)
        assert deaf.subscriber.state == good.subscriber.state == JOINING
        member.transport.stop_reading()
        member.transport.set_write_buffer_limits(high=1)
        await manual().elapse(0.005)
        assert deaf.subscriber.state == member.subscriber.state == PAUSED
        assert good.messages == [1, 2]
        await manual().elapse(1)
        await hub.publish("a/t", 3)
        assert good.messages == [1, 2, 3]


async def test_a_joiner_that_ends_while_another_is_levelled_joins_nothing() -> None:
    """Whatever the first of them sets off: one that has ended in between is no member, and the third one is."""

    class Fatal(FakeTransport):
        """Its first write after `victim` was named ends that stream."""

        victim: Any = None

        def write(self, data: bytes) -> None:
            super().write(data)
            if self.victim is not None:
                self.victim.subscriber.cut("defect")

    async with bench() as hub:
        (start,) = await hub.publish("a/t", 0)
        await hub.joined("a/t", transport=SlowTransport(0.005))
        await hub.publish("a/t", 1)
        await hub.publish("a/t", 2)
        transport = Fatal()
        first, second, third = [
            await hub.joined("a/t", after=start.text, transport=one) for one in (transport, None, None)
        ]
        assert {peer.subscriber.state for peer in (first, second, third)} == {JOINING}
        transport.victim = second
        await manual().elapse(1)
        transport.victim = None
        assert second.subscriber.state == ENDED
        await hub.publish("a/t", 3)
        assert first.messages == third.messages == [1, 2, 3]
        assert second.messages == []


async def test_a_joiner_outlives_the_members_of_its_set() -> None:
    """The last member leaves while frames are pending: they are the joiner's now, and it misses nothing."""
    async with bench() as hub:
        (start,) = await hub.publish("a/t", 0)
        member = await hub.joined("a/t", transport=SlowTransport(0.005))
        await hub.publish("a/t", 1)
        await hub.publish("a/t", 2)
        joiner = await hub.joined("a/t", after=start.text)
        member.transport.hang_up()
        await manual().idle()
        assert joiner.subscriber.state == JOINING
        await manual().elapse(1)
        await hub.publish("a/t", 3)
        assert joiner.subscriber.state == LIVE
        assert joiner.messages == [1, 2, 3]


async def test_a_joiner_that_pauses_leaves_the_waiting_room() -> None:
    """A set that only it was about to join is forgotten, with what was pending for it."""
    async with bench() as hub:
        (start,) = await hub.publish("a/t", 0)
        member = await hub.joined("a/t", transport=SlowTransport(0.005))
        await hub.publish("a/t", 1)
        await hub.publish("a/t", 2)
        joiner = await hub.joined("a/t", after=start.text)
        assert joiner.subscriber.state == JOINING
        joiner.subscriber.pause_writing()
        member.transport.hang_up()
        await manual().idle()
        assert hub.fanout.sets == []
        joiner.subscriber.resume_writing()
        assert joiner.messages == [1, 2]


async def test_a_joiner_that_the_store_brought_past_the_set_waits_until_the_set_is_there() -> None:
    """A set that flushes in pieces may be behind a joiner that read the store: ids never go back, nothing comes twice."""
    async with bench(flush_bytes_max=200, tail_scan_records_max=5) as hub:
        member = await hub.joined("a/t", transport=SlowTransport(0.005))
        await hub.publish("a/t", 0)
        await hub.publish("a/t", *range(1, 30))  # pending, and to leave in many pieces
        late = await hub.joined("a/t", earliest=True)
        assert late.subscriber.state == JOINING
        assert late.messages == list(range(30))
        await manual().elapse(1)
        assert late.subscriber.state == LIVE
        await hub.publish("a/t", 30)
        await manual().elapse(1)
        assert member.messages == late.messages == list(range(31))
        assert late.ids == sorted(late.ids)


async def test_a_joiner_that_the_tail_has_left_behind_reads_the_store() -> None:
    """What passed while it waited for its flush may be more than the tail holds: it catches up again and misses nothing."""
    async with bench(tail_records_max=3) as hub:
        (start,) = await hub.publish("a/t", 0)
        member = await hub.joined("a/t")
        hub.fanout._not_before_s = manual().time() + 1  # flushing is the bottleneck
        await hub.publish("a/t", 1)
        joiner = await hub.joined("a/t", after=start.text)
        assert joiner.subscriber.state == JOINING
        await hub.publish("b/t", *range(10))
        await manual().elapse(1)
        assert joiner.subscriber.state == LIVE
        await hub.publish("a/t", 2)
        assert joiner.messages == member.messages[-2:] == [1, 2]
        assert joiner.ids == sorted(set(joiner.ids))


async def test_the_follower_stops_at_pending_bytes_max_and_the_log_holds_the_rest() -> None:
    """Nothing more is taken while that much waits, not even the rest of a group; it all arrives in the end."""
    async with bench(pending_bytes_max=1000) as hub:
        peer = await hub.joined("a/t", transport=SlowTransport(0.005))
        await hub.publish("a/t", 0)
        await hub.publish("a/t", *range(1, 101))
        (live_set,) = hub.fanout.sets
        assert hub.fanout.full
        assert 1000 <= live_set.pending_bytes < 1200
        assert hub.fanout.level.position < 20
        await manual().elapse(1)
        assert peer.messages == list(range(101))
        assert not hub.fanout.full


async def test_a_hub_is_full_at_its_bound() -> None:
    """Exactly `pending_bytes_max` is full, one byte less is not."""
    frame_bytes = len(Entry(record_at(1), id_texts(ORIGIN)).frame(BARE))
    for more, full in ((0, True), (1, False)):
        fanout = Fanout(replace(LIMITS, pending_bytes_max=frame_bytes + more), manual())
        fanout.start_at(ORIGIN)
        fanout.live_set(wanted("a/t"), Form())
        fanout.deliver(Entry(record_at(1), id_texts(ORIGIN)))
        assert fanout.full is full


async def test_room_comes_back_when_those_who_filled_it_leave() -> None:
    """What was pending for a deserted set is nobody's: the follower goes on at once."""
    async with bench(pending_bytes_max=1000) as hub:
        peer = await hub.joined("a/t", transport=SlowTransport(0.005))
        await hub.publish("a/t", 0)
        await hub.publish("a/t", *range(1, 101))
        assert hub.fanout.level.position < 101
        peer.transport.hang_up()
        await manual().idle()
        assert hub.fanout.level.position == 101


async def test_a_defect_in_one_set_stops_no_other() -> None:
    """A flush that raises cuts the members of that set, loudly; the other sets are flushed, now and later."""

    class Broken(FakeTransport):
        def write(self, data: bytes) -> None:
            if b'"headers":' in data:
                raise TypeError("a defect")
            super().write(data)

    async with bench(pending_bytes_max=1000) as hub:
        broken = await hub.joined("*/*", transport=Broken())
        good = await hub.joined("a/t")
        await hub.publish("a/t", 1)
        await hub.publish("a/t", 2)
        assert good.messages == [1, 2]
        assert broken.transport.closed
        assert [fact.where for fact in hub.facts.of(DefectSeen)] == ["catch-up"]


async def test_a_defect_in_a_set_ends_those_who_wait_to_join_it() -> None:
    """They are cut as loudly as its members: nobody waits for the flush of a set that cannot flush."""
    async with bench() as hub:
        (start,) = await hub.publish("a/t", 0)
        await hub.joined("a/t", transport=SlowTransport(0.005))
        await hub.publish("a/t", 1)
        await hub.publish("a/t", 2)
        joiner = await hub.joined("a/t", after=start.text)
        assert joiner.subscriber.state == JOINING
        (live_set,) = hub.fanout.sets
        live_set.pending[0].record = None
        await manual().elapse(1)
        assert joiner.transport.closed
        assert hub.fanout.sets == []


async def test_a_defect_in_levelling_a_joiner_is_its_own() -> None:
    """It is cut, loudly; neither the members nor the next joiner notice, and nothing of it is left behind."""

    class Broken(FakeTransport):
        def write(self, data: bytes) -> None:
            if b'"headers":' in data:
                raise TypeError("a defect")
            super().write(data)

    async with bench() as hub:
        (start,) = await hub.publish("a/t", 0)
        member = await hub.joined("a/t", transport=SlowTransport(0.005))
        await hub.publish("a/t", 1)
        await hub.publish("a/t", 2)
        broken, good = [
            await hub.joined("a/t", after=start.text, transport=transport) for transport in (Broken(), None)
        ]
        assert broken.subscriber.state == good.subscriber.state == JOINING
        await manual().elapse(1)
        assert broken.transport.closed
        assert [fact.where for fact in hub.facts.of(DefectSeen)] == ["catch-up"]
        await hub.publish("a/t", 3)
        await manual().elapse(1)
        assert member.messages == good.messages == [1, 2, 3]


async def test_waiting_for_the_follower_ends_when_it_arrives_or_starts_anew() -> None:
    """A wait for a position ends at that position, and when the log's place is set anew; a cancelled one leaves nothing."""
    loop = manual()
    fanout = Fanout(LIMITS, loop)
    fanout.start_at(ORIGIN)
    waits = [asyncio.ensure_future(fanout.reached(position)) for position in (2, 4, 9)]
    await loop.idle()
    for position in (1, 2, 3):
        fanout.deliver(Entry(record_at(position), id_texts(ORIGIN)))
    fanout.announce()
    await loop.idle()
    assert [wait.done() for wait in waits] == [True, False, False]
    waits[1].cancel()
    fanout.deliver(Entry(record_at(4), id_texts(ORIGIN)))
    fanout.announce()  # one of those it goes through has ended and is still there
    await loop.idle()
    assert len(fanout._waiting) == 1
    late = asyncio.ensure_future(fanout.reached(20))
    await loop.idle()
    late.cancel()
    fanout.start_at(Cursor("m1", "1" * 13, 1))
    await loop.idle()
    assert waits[2].done()
    assert not fanout._waiting
    there = asyncio.ensure_future(fanout.reached(fanout.level.position))
    await loop.idle()
    assert there.done(), "a place that it has reached is not waited for"


async def test_many_streams_of_many_filters_all_hear_what_they_asked_for() -> None:
    """A crowd over random filters and random records agrees with the rule of matching, in order."""
    rng = random.Random(7)
    texts = [f"{one}/{two}" for one in "abc*" for two in "tu*"]
    async with bench() as hub:
        asked = [rng.sample(texts, rng.randint(1, 3)) for _ in range(40)]
        peers = [await hub.joined(*some) for some in asked]
        log: list[tuple[str, int]] = []
        for number in range(60):
            log.append((rng.choice(texts), number))
            await hub.publish(*log[-1])
        for peer in peers:
            wanted = peer.subscriber.filter
            assert peer.messages == [n for text, n in log if wanted.matches(Channel(*text.split("/")))]
