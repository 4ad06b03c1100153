"""Catch-up: where a stream begins, pages with back-pressure, gaps, and the way from the store to the tail."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.hub.loops import manual
from tests.hub.support import bench, now_ms
from tests.hub.transport import FakeTransport

from fast_sse.hub.outgoing import CATCHING_UP, LIVE, PAUSED
from fast_sse.model.cursor import Cursor
from fast_sse.model.errors import StoreClosedError, UnavailableError
from fast_sse.observe.observer import DefectSeen, StreamEvicted
from fast_sse.store.base import Bounds, Gap, Page, Retention
from fast_sse.store.memory.store import MemoryStore

NEAR: dict[str, Any] = {}
FAR: dict[str, Any] = {"tail_records_max": 3, "page_records_max": 2}


async def test_an_envelope_is_byte_identical_live_and_replayed() -> None:
    """Whoever was there, resumes from the tail, or reads the store: the same bytes, ids included."""
    for limits in (NEAR, FAR):
        async with bench(**limits) as hub:
            for texts in (["a/t"], ["*/t", "a/u"]):
                (start,) = await hub.publish("a/t", "before")
                live = await hub.joined(*texts, after=start.text, chunked=False)
                await hub.publish("a/t", "one", {"a": [1, None]}, "zwei ü")
                await hub.publish("*/*", "all")
                late = await hub.joined(*texts, after=start.text, chunked=False)
                strip = [peer.body.partition(b"\n\n")[2] for peer in (live, late)]
                assert strip[0] == strip[1]
                assert len(live.messages) == 4


async def test_pages_stop_while_the_peer_reads_nothing() -> None:
    """A catch-up reads no page ahead of its peer: it ends when the transport pauses and goes on when it resumes."""
    async with bench(**FAR, write_buffer_bytes_max=500) as hub:
        await hub.publish("a/t", *[[number, "x" * 200] for number in range(50)])
        peer = await hub.joined("a/t", earliest=True, transport=FakeTransport(reading=False))
        reads = hub.ground.replayed
        assert 0 < reads <= 6
        assert peer.subscriber.state == PAUSED
        assert peer.subscriber.task is None
        await manual().elapse(10)
        assert hub.ground.replayed == reads
        peer.transport.read()
        await manual().idle()
        assert [number for number, _ in peer.messages] == list(range(50))
        assert peer.subscriber.state == LIVE


async def test_earliest_and_last_and_now() -> None:
    """`earliest` primes with the trim mark, `last=N` just before the N-th record from the end, now with the newest."""
    async with bench() as hub:
        assert (await hub.joined("a/t", earliest=True)).ids == [0]
        await hub.publish("a/t", 1, 2)
        await hub.publish("b/t", "not ours")
        await hub.publish("a/t", 3)
        earliest, last, many, none, now = [
            await hub.joined("a/t", **options)
            for options in ({"earliest": True}, {"last": 2}, {"last": 9}, {"last": 9, "prime": "off"}, {})
        ]
        assert (earliest.ids, earliest.messages) == ([0, 1, 2, 4], [1, 2, 3])
        assert (last.ids, last.messages) == ([1, 2, 4], [2, 3])
        assert (many.ids, many.messages) == ([0, 1, 2, 4], [1, 2, 3])
        assert (none.ids, none.messages) == ([1, 2, 4], [1, 2, 3])
        assert (now.ids, now.messages) == ([4], [])
        nothing = await hub.joined("c/t", last=2)
        assert nothing.ids == [4]


async def test_a_catch_up_that_ends_past_its_last_id_says_so() -> None:
    """What did not match moves the client's cursor, too, by one position block; with prime=0 there is never one."""
    for limits in (NEAR, FAR):
        async with bench(**limits) as hub:
            (start,) = await hub.publish("a/t", 0)
            await hub.publish("b/t", *range(8))
            resumed, unprimed = [
                await hub.joined("a/t", after=start.text, prime=prime) for prime in ("event", "off")
            ]
            assert resumed.ids == [1, 9]
            assert unprimed.ids == []
            assert b"" not in unprimed.transport.writes
            assert resumed.events == []


async def test_a_cursor_that_cannot_be_continued_is_a_gap_at_once() -> None:
    """Trimmed, ahead, of another epoch, or no cursor at all: named first, and the stream goes on where it says."""
    store = MemoryStore(Retention(max_messages=2), now_ms=now_ms)
    await store.open()
    async with bench(store, tail_records_max=1) as hub:
        cursors = await hub.publish("a/t", 1, 2, 3, 4)
        await store.trim()
        foreign = Cursor("m1", "z" * 13, 1).text
        expected: list[tuple[str, str, int, list[int]]] = [
            (cursors[0].text, "trimmed", 2, [3, 4]),
            (cursors[0].at(99).text, "ahead", 4, []),
            (foreign, "epoch", 2, [3, 4]),
            ("s1" + cursors[0].text[2:], "epoch", 2, [3, 4]),
            ("ü\nnot a cursor", "unreadable", 4, []),
        ]
        for after, reason, resumed_at, messages in expected:
            for prime in ("event", "id", "off"):
                peer = await hub.joined("a/t", after=after, prime=prime)
                (gap,) = peer.gaps
                assert (gap["reason"], gap["from"]) == (reason, after)
                assert gap["resumed_at"] == peer.events[0].last_event_id == cursors[0].at(resumed_at).text
                assert peer.messages == messages
                peer.transport.hang_up()
        assert hub.ground.gaps == {"trimmed": 3, "ahead": 3, "epoch": 6, "unreadable": 3}
    await store.close()


async def test_after_a_gap_the_old_cursor_means_nothing() -> None:
    """A cursor of another log may have a far larger position: the stream's ids still move on from where it resumed."""
    async with bench(tail_records_max=1) as hub:
        cursors = await hub.publish("b/t", *range(5))
        peer = await hub.joined("a/t", after=Cursor("m1", "z" * 13, 10**9).text)
        assert [gap["reason"] for gap in peer.gaps] == ["epoch"]
        assert peer.last_event_id == cursors[-1].text


async def test_a_gap_that_pauses_its_peer_is_said_once() -> None:
    """The stream stands where the gap ends, also when writing it filled the buffer."""
    store = MemoryStore(Retention(max_messages=2), now_ms=now_ms)
    await store.open()
    async with bench(store, tail_records_max=1, write_buffer_bytes_max=150) as hub:
        cursors = await hub.publish("a/t", *range(9))
        await store.trim()
        transport = FakeTransport(reading=False)
        peer = await hub.joined("a/t", after=cursors[0].text, transport=transport)
        assert peer.subscriber.state == PAUSED
        assert peer.subscriber.cursor == cursors[6]
        transport.read()
        await manual().idle()
        assert len(peer.gaps) == 1
        assert peer.messages == [7, 8]
    await store.close()


async def test_trimming_that_overtakes_a_catch_up_is_a_gap_in_mid_stream() -> None:
    """Never a silent hole: the page after the trim says from where to where."""
    store = MemoryStore(Retention(max_messages=2), now_ms=now_ms)
    await store.open()
    async with bench(store, **FAR, write_buffer_bytes_max=400) as hub:
        cursors = await hub.publish("a/t", *[[number, "x" * 400] for number in range(20)])
        peer = await hub.joined("a/t", after=cursors[0].text, transport=FakeTransport(reading=False))
        assert peer.subscriber.state == PAUSED
        await store.trim()
        peer.transport.read()
        await manual().idle()
        numbers = [number for number, _ in peer.messages]
        (gap,) = peer.gaps
        assert numbers == [1, 2, 18, 19]
        assert (gap["from"], gap["resumed_at"]) == (cursors[2].text, cursors[17].text)
        assert [event.type for event in peer.events].index("fast-sse.gap") == 2
    await store.close()


async def test_a_page_whose_last_piece_pauses_its_peer_is_done_with() -> None:
    """All of it is on the wire: the stream stands where the page ends, past what did not match."""
    async with bench(tail_records_max=1, write_buffer_bytes_max=500) as hub:
        await hub.publish("a/t", "x" * 600)
        await hub.publish("b/t", *range(5))
        peer = await hub.joined("a/t", earliest=True, transport=FakeTransport(reading=False))
        assert peer.subscriber.state == PAUSED
        assert peer.subscriber.cursor == hub.fanout.level
        peer.transport.hang_up()


async def test_the_last_few_records_are_asked_for_once() -> None:
    """The page that finds where `last=N` begins is written as it is, also far from the tail."""
    store = Scripted()
    await store.open()
    async with bench(store, tail_records_max=1) as hub:
        await hub.publish("a/t", *range(9))
        peer = await hub.joined("a/t", last=5)
        assert peer.messages == [4, 5, 6, 7, 8]
        assert store.reads == 0
    await store.close()


async def test_expired_records_are_skipped_without_a_gap() -> None:
    """Past its ttl a message is never delivered late, neither from the tail nor from the store, and nothing is said."""
    for limits in (NEAR, FAR):
        async with bench(**limits) as hub:
            live = await hub.joined("a/t")
            (start,) = await hub.publish("a/t", 0)
            await hub.publish("a/t", 1, 2, ttl_ms=1000)
            await hub.publish("a/t", 3, 4, 5)
            in_time = await hub.joined("a/t", after=start.text)
            await manual().elapse(1)
            late = await hub.joined("a/t", after=start.text)
            assert live.messages == [0, 1, 2, 3, 4, 5]
            assert in_time.messages == [1, 2, 3, 4, 5]
            assert late.messages == [3, 4, 5]
            assert late.gaps == []


class Scripted(MemoryStore):
    """A memory store whose reads a test may replace."""

    def __init__(self) -> None:
        super().__init__(now_ms=now_ms)
        self.answer: Any = None
        self.reads = 0

    async def read(self, *args: Any) -> Page:
        """As asked, unless the test has an answer."""
        self.reads += 1
        assert self.reads < 1000, "a busy loop"
        return await (self.answer(*args) if self.answer else super().read(*args))

    async def bounds(self) -> Bounds:
        """Down when reads are."""
        if self.answer is unavailable:
            raise UnavailableError("down")
        return await super().bounds()


async def unavailable(*_args: object) -> Page:
    """A store that is not there."""
    raise UnavailableError("down")


async def test_a_store_that_is_away_is_waited_for() -> None:
    """No gap, no cut: priming, heartbeats, and when the store is back the catch-up goes on. Who is covered by the
    tail never notices.
    """
    store = Scripted()
    await store.open()
    async with bench(store, tail_records_max=3) as hub:
        cursors = await hub.publish("a/t", *range(9))
        store.answer = unavailable
        far = await hub.joined("a/t", after=cursors[0].text)
        earliest = await hub.joined("a/t", earliest=True)
        near = await hub.joined("a/t", after=cursors[6].text)
        await manual().elapse(60)
        assert near.messages == [7, 8]
        for peer in (far, earliest):
            assert peer.subscriber.state == CATCHING_UP
            assert peer.heartbeats >= 3
            assert peer.events == []
        assert far.ids == [1]
        assert store.reads < 40
        store.answer = None
        await manual().elapse(hub.limits.retry_store_s_max)
        assert far.messages == list(range(1, 9))
        assert earliest.messages == list(range(9))
        assert not hub.facts.of(StreamEvicted)
    await store.close()


async def test_a_store_that_answers_without_progress_is_not_asked_in_a_busy_loop() -> None:
    """A page that leads nowhere is followed by a pause, whatever made it so; the loop stays free."""
    store = Scripted()
    await store.open()
    async with bench(store, tail_records_max=3) as hub:
        cursors = await hub.publish("a/t", *range(9))

        async def nowhere(_wanted: object, after: Cursor, *_args: object) -> Page:
            return Page([], after, after)

        store.answer = nowhere
        peer = await hub.joined("a/t", after=cursors[0].text)
        await manual().elapse(10)
        assert store.reads < 60
        store.answer = None
        await manual().elapse(1)
        assert peer.messages == list(range(1, 9))
    await store.close()


async def test_a_store_of_a_new_epoch_is_not_asked_in_a_busy_loop_before_the_follower_sees_it() -> None:
    """After a gap into an epoch that the follower does not know yet, the stream waits with pauses."""
    store = Scripted()
    await store.open()
    async with bench(store, tail_records_max=3) as hub:
        cursors = await hub.publish("a/t", *range(9))
        fresh = Cursor("m1", "z" * 13, 5)

        async def other(_wanted: object, after: Cursor, *_args: object) -> Page:
            return Page([], fresh, fresh, None if after.epoch == fresh.epoch else Gap("epoch", fresh))

        store.answer = other
        peer = await hub.joined("a/t", after=cursors[0].text)
        await manual().elapse(10)
        assert store.reads < 60
        assert [gap["reason"] for gap in peer.gaps] == ["epoch"]
        hub.fanout.leap(fresh)
        await manual().elapse(1)
        assert peer.subscriber.state == LIVE
    await store.close()


async def test_a_stream_waits_for_a_follower_that_lags_behind_the_store() -> None:
    """After a hop the store shows more than this node's follower has: no repetition when it comes, no busy loop."""
    store = Scripted()
    await store.open()
    async with bench(store, pending_bytes_max=1) as hub:
        full = await hub.joined("*/*")
        hub.fanout._not_before_s = manual().time() + 5  # flushing is the bottleneck: the follower has no room
        cursors = await hub.publish("a/t", *range(9))
        assert hub.fanout.level.position == 1
        peer = await hub.joined("a/t", after=cursors[4].text)
        assert peer.messages == [5, 6, 7, 8]
        assert peer.subscriber.state == CATCHING_UP
        assert store.reads <= 2
        await manual().elapse(6)
        assert peer.subscriber.state == LIVE
        await hub.publish("a/t", 9)
        assert peer.messages == [5, 6, 7, 8, 9]
        assert full.messages == list(range(10))
    await store.close()


@pytest.mark.parametrize(("missed", "reads"), [(4, 0), (5, 1)])
async def test_what_one_look_at_the_tail_reaches_needs_no_store(missed: int, reads: int) -> None:
    """`tail_scan_records_max` records behind, a stream is still levelled from memory; one more, and the store is asked."""
    store = Scripted()
    await store.open()
    async with bench(store, tail_scan_records_max=4) as hub:
        (start,) = await hub.publish("a/t", 0)
        await hub.publish("a/t", *range(1, missed + 1))
        peer = await hub.joined("a/t", after=start.text)
        assert peer.messages == list(range(1, missed + 1))
        assert store.reads == reads
    await store.close()


async def test_a_dense_catch_up_goes_on_in_the_tail() -> None:
    """Pages that are cut short by their bounds bring a stream into the tail's reach; from there it needs no store,
    however far `tail_scan_records_max` says that one look may go.
    """
    store = Scripted()
    await store.open()
    async with bench(store, tail_records_max=100, tail_scan_records_max=4, page_records_max=10) as hub:
        await hub.publish("a/t", *range(150))
        peer = await hub.joined("a/t", earliest=True)
        assert peer.messages == list(range(150))
        assert store.reads <= 6
    await store.close()


async def test_a_catch_up_leaves_the_loop_to_others_between_pages() -> None:
    """A store that answers at once does not keep the loop: others run between any two pages."""
    async with bench(**FAR) as hub:
        await hub.publish("a/t", *range(100))
        peer = hub.join("a/t", earliest=True)
        turns = 0
        while peer.subscriber.state != LIVE:
            await asyncio.sleep(0)
            turns += 1
        assert turns > 40


@pytest.mark.parametrize("reached", [0, 1, 2])
async def test_a_stream_that_ends_in_mid_catch_up_leaves_nothing(reached: int) -> None:
    """Cancelled before its first step, while asking, or while waiting: no task, no warning, no write."""
    async with bench(**FAR) as hub:
        await hub.publish("a/t", *range(9))
        peer = hub.join("a/t", earliest=True)
        for _ in range(reached):
            await asyncio.sleep(0)
        peer.subscriber.cut("defect")
        written = len(peer.transport.writes)
        await manual().idle()
        assert len(peer.transport.writes) == written
        assert not hub.streams._tasks


class Defective(MemoryStore):
    """A memory store whose every answer to a catch-up is an exception, once there is one."""

    def __init__(self) -> None:
        super().__init__(now_ms=now_ms)
        self.error: Exception | None = None

    async def _fail(self) -> None:
        if self.error is not None:
            raise self.error

    async def read(self, *args: Any) -> Page:
        """Fail or answer."""
        await self._fail()
        return await super().read(*args)

    async def bounds(self) -> Bounds:
        """Fail or answer."""
        await self._fail()
        return await super().bounds()

    async def last(self, *args: Any) -> Page:
        """Fail or answer."""
        await self._fail()
        return await super().last(*args)

    async def since(self, time_ms: int) -> Page:
        """Fail or answer."""
        await self._fail()
        return await super().since(time_ms)


@pytest.mark.parametrize("start", ["after", "unreadable", "earliest", "last", "since"])
@pytest.mark.parametrize(
    ("error", "reasons"), [(TypeError("a defect"), ["defect"]), (StoreClosedError("the store is closed"), [])]
)
async def test_a_catch_up_that_cannot_go_on_ends_its_stream(
    start: str, error: Exception, reasons: list[str]
) -> None:
    """Wherever the stream begins: a defect is told and cuts it, so that the client resumes; a closed store cuts it only."""
    store = Defective()
    await store.open()
    async with bench(store, tail_records_max=2) as hub:
        cursors = await hub.publish("a/t", *range(9))
        ways: dict[str, dict[str, Any]] = {
            "after": {"after": cursors[0].text},
            "unreadable": {"after": "nonsense"},
            "earliest": {"earliest": True},
            "last": {"last": 2},
            "since": {"since": "1h"},
        }
        store.error = error
        peer = await hub.joined("a/t", **ways[start])
        await manual().elapse(1)
        assert peer.transport.closed
        assert peer.messages == []
        assert [fact.reason for fact in hub.facts.of(StreamEvicted)] == reasons
        assert [fact.where for fact in hub.facts.of(DefectSeen)] == ["catch-up" for _ in reasons]
        assert peer.subscriber.task is None
        assert peer.subscriber.ended == (reasons[0] if reasons else "shutdown")
        store.error = None
    await store.close()
