"""Counts of hand-overs, at the write and nowhere else, and the sweep that reads them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from tests.hub.loops import manual
from tests.hub.support import Bench, bench, drafted, now_ms, place, record_at
from tests.hub.transport import FakeTransport

from fast_sse.hub import handover
from fast_sse.hub.handover import Handover
from fast_sse.hub.waiting import Wait
from fast_sse.model.message import Draft
from fast_sse.store.memory.store import MemoryStore


def kept(hub: Bench, ignored: Sequence[str] = (), waiting_max: int = 1000) -> Handover:
    """The hand-overs of a hub where nothing but the test takes turns."""
    made: Handover = hub.fanout.handover
    made.keep(frozenset(ignored), waiting_max)
    return made


def counts(hub: Bench) -> list[int]:
    """Of each entry of the tail: to how many sockets it was written."""
    return [entry.written for entry in hub.fanout.tail.first_after(0, 1000)]


async def test_each_socket_that_is_written_counts_once() -> None:
    """Over all filters and forms that match, and whatever the size of a piece; nobody is nothing."""
    async with bench(flush_bytes_max=200) as hub:
        for texts in (["a/t"], ["a/t"], ["a/*"], ["a/t", "*/t"], ["b/t"]):
            await hub.joined(*texts)
        await hub.joined("a/t", chunked=False)
        manual().now_s += 7.0
        await hub.publish("a/t", 1, 2, 3)
        await hub.publish("c/u", 4)
        assert counts(hub) == [5, 5, 5, 0]
        (first, *_, last) = hub.fanout.tail.first_after(0, 10)
        assert (first.first_s, last.first_s) == (manual().now_s, 0.0)
        assert hub.fanout.handover.written == {"live": 15, "catch_up": 0}
        assert hub.fanout.deliveries == 15


async def test_a_transport_that_is_closed_was_not_written() -> None:
    """It raises instead of taking the bytes; where it is the only one, the message was handed to nobody."""
    async with bench() as hub:
        closed, open_ = await hub.joined("a/t"), await hub.joined("a/t")
        alone = await hub.joined("b/t")
        closed.transport.closed = alone.transport.closed = True
        await hub.publish("a/t", 1)
        await hub.publish("b/t", 2)
        assert counts(hub) == [1, 0]
        for peer in (closed, alone):
            peer.transport.closed = False
            peer.transport.hang_up()
        assert open_.messages == [1]


async def test_a_flush_of_an_empty_set_hands_nothing_over() -> None:
    """Its last member left while it waited for the flush; a joiner of that moment is levelled, and then it counts."""
    async with bench() as hub:
        leaving = await hub.joined("a/t")
        future = hub.hub.publish([drafted("a/t", 1)])
        while not hub.fanout._dirty:  # noqa: ASYNC110  turn by turn, to stop just before the flush
            await asyncio.sleep(0)
        joiner = hub.join("a/t", after=leaving.last_event_id)
        leaving.subscriber.cut("defect")
        assert counts(hub) == [0]
        await manual().idle()
        await future
        assert joiner.messages == [1]
        assert counts(hub) == [1]
        assert hub.fanout.handover.written == {"live": 0, "catch_up": 1}


@pytest.mark.parametrize("reach", [4096, 1])
async def test_a_catch_up_counts_what_it_writes(reach: int) -> None:
    """From the tail and from pages of the store alike, piece by piece."""
    async with bench(tail_scan_records_max=reach, flush_bytes_max=150) as hub:
        cursors = await hub.publish("a/t", *range(6))
        manual().now_s += 3.0
        peer = await hub.joined("a/t", after=cursors[1].text)
        assert peer.messages == [2, 3, 4, 5]
        assert counts(hub) == [0, 0, 1, 1, 1, 1]
        assert hub.fanout.tail.find(cursors[5].position).first_s == manual().now_s
        assert hub.fanout.handover.written == {"live": 0, "catch_up": 4}


async def test_a_catch_up_whose_transport_is_closed_counts_nothing() -> None:
    """The stream is about to end, and its client has none of it."""
    async with bench() as hub:
        (first, *_) = await hub.publish("a/t", 0, 1, 2)
        peer = hub.join("a/t", after=first.text)
        peer.transport.closed = True
        await manual().idle()
        assert counts(hub) == [0, 0, 0]
        peer.transport.closed = False
        peer.transport.hang_up()


async def test_a_paused_stream_counts_when_it_reads_on() -> None:
    """What paused it was taken; what came behind that was not written to anybody."""
    async with bench(write_buffer_bytes_max=300) as hub:
        peer = await hub.joined("a/t", transport=FakeTransport(reading=False))
        await hub.publish("a/t", "x" * 300)
        await hub.publish("a/t", 2)
        assert counts(hub) == [1, 0]
        peer.transport.read()
        await manual().idle()
        assert counts(hub) == [1, 1]


# -- the sweep --------------------------------------------------------------------------------------


async def test_the_sweep_tells_what_was_written_and_lets_the_rest_wait() -> None:
    """But for what wants no letter: broadcasts, ignored types, what its publisher declined, and control records."""
    async with bench() as hub:
        made = kept(hub, ignored=["typing"])
        await hub.joined("a/t")
        drafts = [
            *(drafted(text) for text in ("a/t", "b/t", "*/t", "b/*", "b/typing")),
            declined("b/t", b"false"),
            declined("*/t", b"true"),
            declined("b/typing", b"true"),
        ]
        hub.hub.publish(drafts)
        await manual().idle()
        await hub.hub.erase(place("zz/t"))
        await manual().idle()
        made.sweep_all()
        assert made.handed == {1: 1, 3: 1, 7: 1}
        assert list(made.waiting.newer) == [2, 8]
        assert made.swept == hub.fanout.level.position


def declined(text: str, wants: bytes) -> Draft:
    """A draft whose publisher said whether it is to become a letter."""
    event_id, event_type = text.split("/")
    return Draft(
        channel=place(f"{event_id}/{event_type}"),
        data=b"0",
        headers=b"{}",
        meta=b'{"dead_letter":%b}' % wants,
    )


async def test_nothing_is_dropped_unswept() -> None:
    """A tail of 16 records and bursts of 1,000: each is told or waits, once."""
    async with bench(tail_records_max=16) as hub:
        made = kept(hub, waiting_max=10_000)
        await hub.joined("a/t")
        for _ in range(3):
            for text in ("a/t", "b/t"):
                await hub.publish(text, *range(500))
        made.sweep_all()
        assert len(made.handed) == 1500
        assert set(made.handed.values()) == {1}
        assert len(made.waiting) == 1500
        assert made.waiting.newer.keys().isdisjoint(made.handed)


async def test_the_sweep_goes_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backlog holds nobody up."""
    monkeypatch.setattr(handover, "SLICE", 10)
    async with bench() as hub:
        made = kept(hub)
        await hub.publish("a/t", *range(25))
        assert [made.sweep() for _ in range(4)] == [True, True, True, False]
        assert len(made.waiting) == 25


async def test_a_hand_over_after_the_sweep_waits_no_more_and_is_told() -> None:
    """Live, from the tail, and from the store when the tail holds it no more."""
    async with bench(tail_records_max=3) as hub:
        made = kept(hub)
        cursors = await hub.publish("a/t", *range(6))
        made.sweep_all()
        assert len(made.waiting) == 6
        peer = await hub.joined("a/t", after=cursors[0].text)
        assert peer.messages == [1, 2, 3, 4, 5]
        assert list(made.waiting.newer) == [1]
        assert made.handed == dict.fromkeys(range(2, 7), 1)
        await hub.joined("a/t", after=cursors[2].text)
        assert made.handed == {2: 1, 3: 1, 4: 2, 5: 2, 6: 2}, "below the tail, and settled: there is no need"


async def test_a_letter_whose_message_is_handed_over_is_late() -> None:
    """By its id, once, wherever the tail begins; also when it was asked for and the answer is still out."""
    async with bench(tail_records_max=3) as hub:
        made = kept(hub)
        cursors = await hub.publish("a/t", *range(6))
        made.sweep_all()
        made.waiting.clear()
        made.dead |= {2, 5}
        made.asked = {6: Wait(0.0)}
        for _ in range(2):
            await hub.joined("a/t", after=cursors[0].text)
        assert set(made.late) == {cursors[1].text, cursors[4].text, cursors[5].text}
        assert set(made.handed) == {4, 5, 6}


async def test_above_its_bound_the_oldest_waits_no_more() -> None:
    """And each is counted."""
    async with bench() as hub:
        made = kept(hub, waiting_max=10)
        await hub.publish("a/t", *range(25))
        made.sweep_all()
        assert list(made.waiting.newer) == list(range(16, 26))
        assert made.waiting.dropped["overflow"] == 15


async def test_what_others_told_of_the_future_is_met_by_the_sweep() -> None:
    """A node that lags makes no letter of what others handed over, and adds their counts."""
    async with bench() as hub:
        made = kept(hub)
        made.ahead.update({1: 3, 2: 0})
        await hub.publish("a/t", 1, 2, 3)
        made.sweep_all()
        assert list(made.waiting.newer) == [3]
        assert [entry.elsewhere for entry in hub.fanout.tail.first_after(0, 9)] == [3, 0, 0]
        assert not made.ahead


class Held(MemoryStore):
    """The log is there for readers before its followers see it."""

    def __init__(self) -> None:
        super().__init__(now_ms=now_ms)
        self.open_ = asyncio.Event()
        self.open_.set()

    async def follow(self, after: Any) -> Any:
        async for group in super().follow(after):
            await self.open_.wait()
            yield group


async def test_a_catch_up_that_overtakes_the_follower_counts() -> None:
    """The store showed the record before this node took it from the log: when it does, it was handed over."""
    store = Held()
    await store.open()
    async with bench(store, tail_scan_records_max=1) as hub:
        made = kept(hub)
        await hub.publish("a/t", 0, 1)
        store.open_.clear()
        await hub.publish("a/t", 2)
        peer = await hub.joined("a/t", earliest=True)
        assert peer.messages == [0, 1, 2]
        assert counts(hub) == [1, 1]
        store.open_.set()
        await manual().idle()
        made.sweep_all()
        assert counts(hub) == [1, 1, 1]
        assert made.handed == {1: 1, 2: 1, 3: 1}
        assert not made._early
    await store.close()


async def test_what_is_erased_waits_no_more() -> None:
    """Of exactly this channel."""
    async with bench() as hub:
        made = kept(hub)
        await hub.publish("a/t", 1, 2)
        await hub.publish("b/t", 3)
        made.sweep_all()
        await hub.publish("a/t", 4)
        await hub.hub.erase(place("a/t"))
        await manual().idle()
        made.sweep_all()
        assert list(made.waiting.newer) == [3]


# -- leaps ------------------------------------------------------------------------------------------


async def test_a_leap_sweeps_first_and_forgets_what_is_gone() -> None:
    """Retention passed the follower: what waited below is counted. A new epoch: nothing of the old one waits."""
    async with bench() as hub:
        made = kept(hub)
        await hub.joined("a/t")
        (told,) = await hub.publish("a/t", 1)
        await hub.publish("b/t", *range(4))
        hub.fanout.leap(told.at(3), "trimmed")
        assert made.handed == {1: 1}
        assert list(made.waiting.newer) == [4, 5]
        assert made.waiting.dropped["trimmed"] == 2
        assert (made.swept, made.leaps) == (3, 0)
        hub.fanout.leap(told.at(0), "epoch")
        assert (made.handed, len(made.waiting), made.leaps) == ({}, 0, 1)


async def test_after_a_lost_tail_only_records_that_are_found_again_are_told() -> None:
    """Their numbers may be given again: what has another fingerprint was handed to nobody."""
    async with bench() as hub:
        made = kept(hub)
        await hub.joined("a/t")
        (first, *_) = await hub.publish("a/t", 1, 2)
        for entry, fingerprint in zip(hub.fanout.tail.first_after(0, 9), "xy", strict=True):
            entry.record = record_at(entry.position, fingerprint=fingerprint)
        hub.fanout.leap(first.at(0), "lost_tail")
        assert (made.handed, made.leaps) == ({}, 1)
        made.load(record_at(1, fingerprint="x"))
        made.load(record_at(2, fingerprint="z"))
        assert made.handed == {1: 1}
        assert list(made.waiting.older) == [2]


async def test_after_a_lost_tail_what_was_told_is_told_again_where_that_is_lost() -> None:
    """The receipts went with the tail: without them others would let it die without a doubt."""
    async with bench() as hub:
        made = kept(hub)
        await hub.joined("a/t")
        (first, *_) = await hub.publish("a/t", 1, 2, 3)
        made.sweep_all()
        made.handed = {3: 1}
        records = [entry.record for entry in hub.fanout.tail.first_after(0, 9)]
        hub.fanout.leap(first.at(0), "lost_tail")
        assert made.doubts
        made.heard = {2}
        for record in records:
            made.load(record)
        assert made.handed == {1: 1, 3: 1}, "the receipt of the second is there"
        made.loaded()
        assert not made.doubts


async def test_what_was_settled_while_the_log_was_loaded_does_not_wait() -> None:
    """Handed over here meanwhile; it is told all the same."""
    async with bench(tail_records_max=1) as hub:
        made = kept(hub)
        await hub.publish("a/t", 1, 2, 3)
        made.sweep_all()
        made.waiting.clear()
        made.heard = {1}
        await hub.joined("a/t", last=2)
        for position in (1, 2, 3):
            made.load(record_at(position))
        assert not len(made.waiting)
        assert made.handed == {2: 1, 3: 1}
        made.loaded()
        made.load(record_at(1))
        assert list(made.waiting.older) == [1]
