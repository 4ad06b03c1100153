"""One stream: joining, pausing, coming back, being cut, ending."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.hub.lagging import LaggingStore
from tests.hub.loops import manual
from tests.hub.support import Front, Peer, bench, now_ms, wanted
from tests.hub.transport import FakeTransport

from fast_sse.hub.form import Form
from fast_sse.hub.outgoing import ENDED, LIVE, PAUSED
from fast_sse.hub.subscription import Start, Subscription
from fast_sse.observe.observer import StreamEvicted
from fast_sse.store.memory.store import MemoryStore


async def test_a_live_subscriber_has_no_task() -> None:
    """A thousand live streams are a thousand small objects without a dict, and not one task, queue or timer."""
    async with bench() as hub:
        before = len(asyncio.all_tasks())
        peers = [await hub.joined("a/t") for _ in range(20)]
        assert len(asyncio.all_tasks()) == before
        for peer in peers:
            assert peer.subscriber.state == LIVE
            assert peer.subscriber.task is None
            assert peer.subscriber._timer is None
        assert not hasattr(peers[0].subscriber, "__dict__")
        assert len({id(peer.subscriber.filter) for peer in peers}) == 1, "equal filters are shared"
        assert len({id(peer.subscriber._move_on) for peer in peers}) == 1, "so is the way to a catch-up"


async def test_nothing_but_the_opening_is_written_before_the_transport_is_ours() -> None:
    """Until the front has handed it over, a pause is told to the front: a joiner that wrote its whole catch-up then
    would know no back-pressure (G7).
    """
    async with bench(write_buffer_bytes_max=1000, flush_bytes_max=2000) as hub:
        (start,) = await hub.publish("a/t", 0)
        await hub.publish("a/t", *["x" * 300 for _ in range(50)])
        transport = FakeTransport(Front(), reading=False)
        subscription = Subscription(wanted("a/t"), Form(), Start(after=start.text))
        subscriber = hub.hub.subscribe(transport, subscription)
        assert transport.get_write_buffer_size() < 200
        transport.set_protocol(subscriber)
        await manual().idle()
        assert subscriber.state == PAUSED
        assert transport.queued_max <= 1000 + 2000 + 100
        transport.hang_up()


async def test_a_stream_that_is_handed_over_paused_waits() -> None:
    """A peer that took not even its last answer gets nothing more until it reads."""
    async with bench(write_buffer_bytes_max=1000) as hub:
        (start,) = await hub.publish("a/t", 0)
        await hub.publish("a/t", 1)
        transport = FakeTransport(reading=False)
        transport._queue += b"x" * 2000
        peer = Peer(hub.hub, Subscription(wanted("a/t"), Form(), Start(after=start.text)), transport)
        await manual().idle()
        assert peer.subscriber.state == PAUSED
        assert b'"data"' not in transport._queue
        transport.take(3000)
        await manual().idle()
        assert peer.subscriber.state == LIVE
        transport.hang_up()


async def test_a_member_that_pauses_while_frames_are_pending_stands_before_them() -> None:
    """What its set has not flushed yet is not behind it: it gets that when it comes back."""
    async with bench(write_buffer_bytes_max=10) as hub:
        peer, other = await hub.joined("a/t"), await hub.joined("a/t")
        await hub.publish("a/t", 0)
        (before,) = await hub.publish("b/t", 0)
        hub.fanout._not_before_s = manual().time() + 1  # flushing is the bottleneck
        await hub.publish("a/t", 1, 2)
        peer.transport.stop_reading()
        for _ in range(5):
            peer.subscriber.visit(manual().time())  # heartbeats, until one pauses it
        assert peer.subscriber.state == PAUSED
        assert peer.subscriber.cursor == before
        await manual().elapse(2)
        assert other.messages == [0, 1, 2]
        peer.transport.read()
        await manual().idle()
        assert peer.messages == [0, 1, 2]


@pytest.mark.parametrize("size", [10, 5000])
async def test_falling_behind_and_coming_back_loses_and_repeats_nothing(size: int) -> None:
    """Pause, miss any number of messages, resume: the stream goes on exactly where it was, from tail or store."""
    for tail_records_max in (1000, 5):
        async with bench(write_buffer_bytes_max=4000, tail_records_max=tail_records_max) as hub:
            peer = await hub.joined("a/t")
            healthy = await hub.joined("a/t")
            said = [[number, "x" * size] for number in range(30)]
            for number, one in enumerate(said):
                if number == 10:
                    peer.transport.stop_reading()
                await hub.publish("a/t", one)
            assert (peer.subscriber.state == PAUSED) == (size > 10)
            assert healthy.messages == said
            peer.transport.read()
            await manual().idle()
            assert peer.messages == said
            assert peer.ids == healthy.ids
            assert peer.subscriber.state == LIVE


async def test_a_position_that_levelled_a_stream_is_not_repeated() -> None:
    """It was brought up to its set by a position block; after a pause in which nothing was missed it needs no other."""
    async with bench() as hub:
        (start,) = await hub.publish("a/t", 0)
        member = await hub.joined("a/t")
        await hub.publish("b/t", 1, 2)
        peer = await hub.joined("a/t", after=start.text)
        assert peer.ids == [1, 3]
        peer.subscriber.pause_writing()
        peer.subscriber.resume_writing()
        assert peer.subscriber.state == member.subscriber.state == LIVE
        assert peer.ids == [1, 3]


@pytest.mark.parametrize("inside", [True, False])
async def test_a_pause_in_which_nothing_was_missed_repeats_no_id(inside: bool) -> None:
    """Where the stream stands is on the wire already, written by its set's flush or by its own first block."""
    async with bench(write_buffer_bytes_max=100) as hub:
        first = await hub.joined("a/t")
        await hub.publish("b/t", 1, 2, 3)
        peer = await hub.joined("a/t")
        if inside:
            peer.transport.stop_reading()
            await hub.publish("a/t", "x" * 200)
        else:
            peer.subscriber.pause_writing()
        assert peer.subscriber.state == PAUSED
        if inside:
            peer.transport.read()
        else:
            peer.subscriber.resume_writing()
        await manual().idle()
        assert peer.subscriber.state == first.subscriber.state == LIVE
        assert peer.ids == ([3, 4] if inside else [3])


async def test_a_slow_peer_holds_at_most_one_flush_above_the_buffer() -> None:
    """Whoever reads nothing costs a bounded number of bytes, live as well as in a catch-up (G7)."""
    limits: dict[str, Any] = {"write_buffer_bytes_max": 1000, "flush_bytes_max": 2000, "page_bytes_max": 2000}
    async with bench(**limits, tail_records_max=20) as hub:
        await hub.publish("a/t", *["x" * 300 for _ in range(100)])
        deaf = [
            await hub.joined("a/t", transport=FakeTransport(reading=False)),
            await hub.joined("a/t", earliest=True, transport=FakeTransport(reading=False)),
            await hub.joined("a/t", last=50, transport=FakeTransport(reading=False)),
        ]
        for _ in range(20):
            await hub.publish("a/t", *["x" * 300 for _ in range(5)])
        for peer in deaf:
            assert peer.subscriber.state == PAUSED
            assert 1000 < peer.transport.queued_max <= 1000 + 2000 + 100
            peer.transport.read()
        await manual().idle()
        assert [len(peer.messages) for peer in deaf] == [100, 200, 150]


async def test_a_pause_and_resume_before_the_start_is_known_changes_nothing() -> None:
    """A stream from `earliest` whose peer pauses and reads again while the store is asked still begins at the beginning."""
    store = LaggingStore(MemoryStore(now_ms=now_ms), lags=[5])
    await store.open()
    async with bench(store) as hub:
        await hub.publish("a/t", 1, 2, 3)
        for options in ({"earliest": True}, {"last": 3}):
            peer = hub.join("a/t", **options)
            await asyncio.sleep(0)
            peer.subscriber.pause_writing()
            peer.subscriber.resume_writing()
            await manual().idle()
            assert peer.messages == [1, 2, 3]
    await store.close()


async def test_a_peer_that_stands_still_is_cut_at_its_deadline_and_slows_nobody() -> None:
    """No progress for stall_s: the stream is cut, and the fact is told. The others never noticed."""
    async with bench(write_buffer_bytes_max=1000, stall_s=30.0) as hub:
        deaf, healthy = await hub.joined("a/t"), await hub.joined("a/t")
        deaf.transport.stop_reading()
        await hub.publish("a/t", "x" * 2000, 2)
        await manual().elapse(29)
        assert deaf.subscriber.state == PAUSED
        await manual().elapse(17)
        assert deaf.subscriber.state == ENDED
        assert deaf.transport.closed
        (fact,) = hub.facts.of(StreamEvicted)
        assert (fact.reason, fact.peer) == ("stalled", "192.0.2.1")
        assert 30 <= fact.after_s <= 46
        assert healthy.messages == ["x" * 2000, 2]


async def test_a_slow_peer_that_makes_progress_is_not_cut() -> None:
    """A few bytes now and then move the deadline, whether they leave our queue or, unseen there, the kernel's."""
    async with bench(write_buffer_bytes_max=1000, stall_s=30.0) as hub:
        slow, slower = await hub.joined("a/t"), await hub.joined("a/t")
        for peer in (slow, slower):
            peer.transport.stop_reading()
        hub.acknowledged[slower.transport] = 1000
        await hub.publish("a/t", "x" * 5000)
        for second in range(100):
            await manual().elapse(2)
            slow.transport.take(10)
            hub.acknowledged[slower.transport] = 1001 + second
        assert slow.subscriber.state == slower.subscriber.state == PAUSED
        await manual().elapse(50)
        assert slow.subscriber.state == slower.subscriber.state == ENDED


@pytest.mark.parametrize("what", ["stalled", "old", "last words"])
async def test_a_deadline_has_passed_at_its_moment(what: str) -> None:
    """A visit exactly then ends the stream, and one before does not."""
    async with bench(stall_s=30.0) as hub:
        age_s = 30.0 if what == "old" else None
        peer = Peer(hub.hub, Subscription(wanted("a/t"), Form(), age_s=age_s))
        await manual().idle()
        began_s = manual().time()
        peer.transport.stop_reading()
        if what == "stalled":
            peer.subscriber.pause_writing()
        elif what == "last words":
            peer.subscriber.come_back("drain", 1000)
        else:
            peer.subscriber._retires_s = began_s + 30.0
        for at_s, over in ((29.9, False), (30.0, True)):
            peer.subscriber.visit(began_s + at_s)
            assert (peer.transport.closing if what == "old" else peer.transport._lost) is over
        peer.transport.abort()


async def test_progress_is_measured_from_the_pause() -> None:
    """What a peer had acknowledged before it paused counts neither for nor against it."""
    async with bench(write_buffer_bytes_max=1000, stall_s=30.0) as hub:
        slow = await hub.joined("a/t")
        for acknowledged in (900_000, 1_000_000):
            hub.acknowledged[slow.transport] = acknowledged
            await manual().elapse(15)
        slow.transport.stop_reading()
        await hub.publish("a/t", "x" * 5000)
        for _ in range(50):
            await manual().elapse(2)
            slow.transport.take(10)
        assert slow.subscriber.state == PAUSED
        await manual().elapse(50)
        assert slow.subscriber.state == ENDED


async def test_a_peer_behind_a_black_hole_is_cut_though_nothing_is_queued() -> None:
    """On an idle channel heartbeats fit the kernel's buffer: what tells is that the peer acknowledges nothing."""
    async with bench(stall_s=30.0) as hub:
        gone, idle, quiet = [await hub.joined("a/t") for _ in range(3)]
        hub.acknowledged[gone.transport] = 500
        for second in range(60):
            hub.acknowledged[idle.transport] = second if second % 2 else None
            await manual().elapse(1)
        assert gone.subscriber.state == ENDED
        assert idle.subscriber.state == quiet.subscriber.state == LIVE


async def test_a_stream_whose_transport_the_loop_has_closed_ends_quietly() -> None:
    """Between the loop's closing and `connection_lost` a write may raise; nobody else notices."""
    async with bench() as hub:
        peer, other = await hub.joined("a/t"), await hub.joined("a/t")
        peer.transport.closed = True
        peer.subscriber.visit(manual().time())
        await hub.publish("a/t", 1)
        peer.subscriber.connection_lost(None)
        assert other.messages == [1]
        assert hub.hub.streams == 1


async def test_a_peer_that_closes_its_side_has_left() -> None:
    """EOF closes the transport (a half-open stream would never be noticed); bytes behind a request mean nothing."""
    async with bench() as hub:
        peer = await hub.joined("a/t")
        peer.subscriber.data_received(b"GET / HTTP/1.1\r\n\r\n")
        assert peer.subscriber.eof_received() is False
        assert peer.subscriber.state == LIVE


async def test_a_grant_that_ends_is_told_and_the_stream_closed() -> None:
    """At its moment: `fast-sse.expired` with the place where the stream stood, the last chunk, close."""
    async with bench() as hub:
        peer = await hub.joined("a/t", expires_in_s=60.0)
        (cursor,) = await hub.publish("a/t", 1)
        await manual().elapse(59)
        assert not peer.transport.closed
        await manual().elapse(1)
        assert peer.transport.closed
        assert peer.events[-1].type == "fast-sse.expired"
        assert peer.last_event_id == cursor.text
        assert bytes(peer.transport.wire).endswith(b"0\r\n\r\n")


async def test_a_drain_prolongs_no_grant() -> None:
    """Of two ends the earlier counts, in either order."""
    async with bench() as hub:
        peer = await hub.joined("a/t", expires_in_s=1.0)
        peer.subscriber.end_in(20.0, peer.subscriber.retire)
        other = await hub.joined("a/t", expires_in_s=20.0)
        other.subscriber.end_in(1.0, other.subscriber.retire)
        await manual().elapse(1)
        assert peer.transport.closed
        assert other.transport.closed
        assert peer.events[-1].type == "fast-sse.expired"
        assert other.events == []


async def test_last_words_that_nobody_takes_are_cut_off() -> None:
    """`close` waits for the peer for ever; the stream stays on the wheel and is cut when it stands still."""
    async with bench(stall_s=30.0) as hub:
        peer = await hub.joined("a/t")
        peer.transport.stop_reading()
        peer.subscriber.come_back("drain", 1)
        await manual().elapse(29)
        assert hub.hub.streams == 0
        assert len(hub.ground.wheel) == 1
        assert not peer.transport.closed
        await manual().elapse(17)
        assert peer.transport.closed
        assert len(hub.ground.wheel) == 0


async def test_last_words_that_fill_the_buffer_are_the_end_all_the_same() -> None:
    """A pause inside the last write makes no stream of what has ended: it is counted once and never evicted."""
    async with bench(write_buffer_bytes_max=5, stall_s=30.0) as hub:
        peer = await hub.joined("a/t")
        peer.transport.stop_reading()
        peer.subscriber.come_back("drain", 1000)
        assert peer.transport._paused
        assert peer.subscriber.state == ENDED
        await manual().elapse(46)
        assert peer.transport.closed
        assert hub.hub.streams == 0
        assert not hub.facts.of(StreamEvicted)


async def test_a_defect_in_coming_back_cuts_the_stream_loudly() -> None:
    """A stream that cannot go on is cut, so that the client resumes; it never stands still in silence."""
    async with bench(write_buffer_bytes_max=100) as hub:
        peer = await hub.joined("a/t")
        peer.transport.stop_reading()
        await hub.publish("a/t", "x" * 300)

        def broken(_cursor: object) -> bool:
            raise TypeError("a defect")

        hub.fanout.tail.covers = broken
        peer.transport.read()
        await manual().idle()
        assert peer.transport.closed
        assert [fact.reason for fact in hub.facts.of(StreamEvicted)] == ["defect"]
