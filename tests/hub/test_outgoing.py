"""What a stream says first, and what may stand before and between its messages."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.hub.loops import manual
from tests.hub.support import Peer, bench, drafted, now_ms, wanted
from tests.hub.transport import FakeTransport
from tests.support.events import Block

from fast_sse.hub.form import Form, Prime
from fast_sse.hub.subscription import Start, Subscription
from fast_sse.model.cursor import Cursor
from fast_sse.model.errors import UnavailableError
from fast_sse.model.parser import EventParser
from fast_sse.store.base import Bounds, Page, Retention
from fast_sse.store.memory.store import MemoryStore


def names(peer: Peer) -> list[str]:
    """The names of all blocks, in order."""
    return [item.event for item in peer.items if isinstance(item, Block)]


class Away(MemoryStore):
    """A memory store whose reads fail until it is back."""

    def __init__(self) -> None:
        super().__init__(now_ms=now_ms)
        self.back = asyncio.Event()
        self.bounds_away = False

    async def bounds(self) -> Bounds:
        """The ends, unless they cannot be told."""
        if self.bounds_away:
            raise UnavailableError("away")
        return await super().bounds()

    async def read(self, *arguments: Any) -> Page:
        """A page, once it is back."""
        if not self.back.is_set():
            raise UnavailableError("away")
        return await super().read(*arguments)


async def test_the_first_block_says_whether_a_cursor_was_shown() -> None:
    """`resumed` is true for a cursor of ours, also one that a gap follows, and for nothing else."""
    async with bench() as hub:
        (first, _) = await hub.publish("a/t", 0, 1)
        foreign = Cursor("m1", "z" * 13, 1).text
        told = []
        for options in ({}, {"earliest": True}, {"last": 1}, {"after": first.text}, {"after": foreign}):
            peer = await hub.joined("a/t", **options)
            (block, *_) = [item for item in peer.items if isinstance(item, Block)]
            assert block.event == "fast-sse.start"
            assert f'"cursor":"{block.id}"' in (block.data or "")
            told.append('"resumed":true' in (block.data or ""))
        assert told == [False, False, False, True, True]


async def test_the_retry_line_belongs_to_the_first_block() -> None:
    """It is no block of its own: a client that dispatches on a blank line would see an empty event."""
    async with bench() as hub:
        (first,) = await hub.publish("a/t", 0)
        for options in ({}, {"earliest": True}, {"after": "nonsense"}, {"prime": "id"}):
            peer = await hub.joined("a/t", chunked=False, **options)
            block = peer.body.partition(b"\n\n")[0]
            assert block.startswith(b"retry: ")
            assert b"\nid: " in block
        quiet = await hub.joined("a/t", chunked=False, prime="off", after=first.text)
        assert quiet.body.startswith(b"retry: ")
        assert b"\n\n" not in quiet.body


@pytest.mark.parametrize("prime", ["event", "id", "off"])
async def test_a_cursor_that_is_ahead_or_unreadable_is_told_first(prime: Prime) -> None:
    """No block repeats a place that the log does not have: the gap is the first that the client reads."""
    async with bench() as hub:
        (first,) = await hub.publish("a/t", 0)
        for after in (first.at(99).text, "nonsense", ""):
            peer = await hub.joined("a/t", after=after, prime=prime)
            assert names(peer) == ["fast-sse.gap"]
            assert peer.last_event_id == first.text


async def test_a_cursor_ahead_of_this_node_alone_is_no_gap() -> None:
    """After a hop the follower may lag behind what the store has: the client is told its own cursor, then the rest."""
    async with bench() as hub:
        cursors = await hub.publish("a/t", 0, 1)
        level, hub.fanout._level = hub.fanout.level, hub.fanout.level.at(0)
        hub.fanout.tail.reset(level.at(0))
        peer = hub.join("a/t", after=cursors[0].text)
        hub.fanout.start_at(level)
        await manual().idle()
        assert names(peer) == ["fast-sse.start", "message"]
        assert peer.messages == [1]


async def test_with_the_store_away_a_client_is_told_its_own_cursor() -> None:
    """Also one that looks ahead of this node; its catch-up waits, and there is neither gap nor cut."""
    store = Away()
    await store.open()
    async with bench(store) as hub:
        (first,) = await hub.publish("a/t", 0)
        peer = await hub.joined("a/t", after=first.at(99).text)
        assert names(peer) == ["fast-sse.start"]
        assert peer.last_event_id == first.at(99).text
        store.back.set()
        await manual().elapse(10)
        assert names(peer) == ["fast-sse.start", "fast-sse.gap"]
        assert peer.last_event_id == first.text
    await store.close()


async def test_before_the_first_block_a_heartbeat_is_a_comment() -> None:
    """An event without an id would clear the cursor that the client came with, before it was told a gap."""

    class Silent(MemoryStore):
        """Says where it ends when the test allows it."""

        def __init__(self) -> None:
            super().__init__(now_ms=now_ms)
            self.may = asyncio.Event()
            self.may.set()

        async def bounds(self) -> Any:
            await self.may.wait()
            return await super().bounds()

    store = Silent()
    await store.open()
    async with bench(store, heartbeat_s=1.0) as hub:
        store.may.clear()
        peer = await hub.joined("a/t", after="nonsense", heartbeat="event")
        await manual().elapse(3)
        assert peer.heartbeats >= 2
        assert names(peer) == []
        store.may.set()
        await manual().elapse(3)
        assert names(peer)[0] == "fast-sse.gap"
        assert "fast-sse.heartbeat" in names(peer)
    await store.close()


@pytest.mark.parametrize("prime", ["event", "id", "off"])
async def test_heartbeat_events_never_clear_or_move_back_a_cursor(prime: Prime) -> None:
    """Whatever a client last knew, it still knows after a heartbeat, and what it knows brings it what it misses."""
    async with bench(heartbeat_s=1.0) as hub:
        (first,) = await hub.publish("a/t", 0)
        await hub.publish("b/t", "not ours")
        peer = await hub.joined("a/t", after=first.text, prime=prime, heartbeat="event")
        known = []
        for number in range(3):
            await manual().elapse(2)
            parser = EventParser(first.text)
            parser.feed(peer.body)
            known.append(parser.last_event_id)
            await hub.publish("a/t", number)
        assert names(peer).count("fast-sse.heartbeat") >= 4
        positions = [int(one.rpartition(".")[2]) for one in known]
        assert positions == sorted(positions)
        assert positions[0] >= first.position
        for at, cursor in enumerate(known):
            assert (await hub.joined("a/t", after=cursor)).messages == list(range(at, 3))


async def test_a_grant_that_had_ended_is_told_at_once_with_the_clients_own_cursor() -> None:
    """One block: when to come back, what happened, and what the client showed, which the event must not clear: a cursor
    of another server would be gone without a gap, and `earliest` would become now.
    """
    async with bench() as hub:
        (first,) = await hub.publish("a/t", 0)
        waits = set()
        starts = [(Start(after=first.text), first.text)] * 10
        starts += [(Start(), ""), (Start(after="nonsense"), "nonsense"), (Start(earliest=True), "earliest")]
        starts += [
            (Start(after="n\0o\nsense"), ""),
            (Start(after="\udcff"), ""),
            (Start(after="x" * 129), ""),
        ]
        for start, kept in starts:
            asked = Subscription(wanted("a/t"), Form(), start, expired=True)
            peer = Peer(hub.hub, asked)
            assert peer.transport.is_closing()
            (event,) = peer.events
            assert (event.type, event.data) == ("fast-sse.expired", b'{"reason":"expired"}')
            assert event.last_event_id == kept
            assert peer.body.startswith(b"retry: ")
            assert peer.body.count(b"\n\n") == 1
            waits.add(peer.retries[0])
        assert len(waits) > 6
        assert hub.ground.expired == len(starts)
        assert 30_000 <= min(waits) <= max(waits) <= 60_000


@pytest.mark.parametrize("prime", ["event", "id", "off"])
async def test_the_last_words_to_a_client_that_came_without_a_cursor_give_it_one(prime: Prime) -> None:
    """It began now and has heard nothing: with the place in its last words it misses nothing while it is away."""
    async with bench() as hub:
        await hub.publish("a/t", 0)
        peer = await hub.joined("a/t", prime=prime)
        (cursor,) = await hub.publish("b/t", 1)
        peer.subscriber.expire()
        await manual().idle()
        assert peer.last_event_id == cursor.text


@pytest.mark.parametrize("state", ["live", "joining", "quiet"])
async def test_the_last_words_of_a_grant_say_where_the_stream_stood(state: str) -> None:
    """Going on from there misses nothing, also what waited for its flush."""
    async with bench() as hub:
        (first,) = await hub.publish("a/t", 0)
        peer = await hub.joined("a/t", after=first.text, expires_in_s=60.0)
        if state == "live":
            await hub.publish("a/t", 1)
        elif state == "joining":
            await asyncio.wait([hub.hub.publish([drafted("a/t", 1)])])  # it waits for its flush
        peer.subscriber.expire()
        await manual().idle()
        told = [event for event in peer.events if event.type == "fast-sse.expired"]
        assert len(told) == 1
        after = told[0].last_event_id
        have = peer.messages
        again = await hub.joined("a/t", after=after)
        assert have + again.messages == ([] if state == "quiet" else [1])


async def test_a_stream_begins_at_a_time() -> None:
    """`since` is what the store took at that time or later, then live; an age is counted back from now."""
    async with bench() as hub:
        await hub.publish("a/t", "old")
        await manual().elapse(100)
        await hub.publish("a/t", 1)
        await manual().elapse(60)
        await hub.publish("a/t", 2)
        aged = await hub.joined("a/t", since="90s")
        exact = await hub.joined("a/t", since="2100-01-01T00:00:00Z")
        await hub.publish("a/t", 3)
        assert aged.messages == [1, 2, 3]
        assert exact.messages == [3]
        assert names(aged)[0] == "fast-sse.start"


async def test_a_time_that_retention_has_passed_begins_with_a_gap() -> None:
    """What was there at that time is gone: the first that the client is told."""
    store = MemoryStore(Retention(max_messages=1), now_ms=now_ms)
    await store.open()
    async with bench(store) as hub:
        await manual().elapse(10)
        cursors = await hub.publish("a/t", 1, 2, 3)
        await store.trim()
        peer = await hub.joined("a/t", since="1h")
        assert names(peer) == ["fast-sse.gap", "message"]
        (gap,) = peer.gaps
        assert (gap["reason"], gap["from"], gap["resumed_at"]) == ("trimmed", "1h", cursors[1].text)
        assert peer.messages == [3]
    await store.close()


async def test_a_first_block_that_pauses_its_peer_is_a_write_like_any_other() -> None:
    """The stream waits for its peer, says nothing twice, and misses nothing."""
    async with bench(write_buffer_bytes_max=50) as hub:
        (first, _) = await hub.publish("a/t", 0, 1)
        for options in ({"after": first.text}, {"earliest": True}, {"last": 1}):
            peer = await hub.joined("a/t", transport=FakeTransport(reading=False), **options)
            peer.transport.read()
            await manual().idle()
            assert names(peer).count("fast-sse.start") == 1
            assert peer.messages[-1] == 1


@pytest.mark.parametrize("prime", ["event", "id", "off"])
async def test_an_event_never_clears_a_cursor_by_the_rules_of_the_whatwg(prime: Prime) -> None:
    """A connection begins with an empty id: whatever is dispatched on a resumed one has an id by then, and a heartbeat
    has one of its own only where nothing else may have told it.
    """
    async with bench(heartbeat_s=1.0) as hub:
        (first,) = await hub.publish("a/t", 0)
        peer = await hub.joined("a/t", after=first.text, prime=prime, heartbeat="event")
        await manual().elapse(3)
        assert all(event.last_event_id for event in EventParser().feed(peer.body))
        beat = b"event: fast-sse.heartbeat\ndata: {}\n"
        beats = peer.body.count(beat)
        assert beats >= 2
        assert peer.body.count(beat + (b"id: " if prime == "off" else b"\n")) == beats


@pytest.mark.parametrize("prime", ["event", "id", "off"])
async def test_a_quiet_channel_is_moved_on_where_positions_are_told(prime: Prime) -> None:
    """Where they are not there is nothing to write: an empty chunk would end the stream."""
    async with bench(heartbeat_s=1.0, quiet_id_s=2.0) as hub:
        peer = await hub.joined("a/t", prime=prime)
        for number in range(2):
            await hub.publish("b/t", number)
            await manual().elapse(120)
        level = hub.fanout.level
        assert b"\r\n0\r\n" not in peer.transport.wire
        assert not peer.transport.wire.startswith(b"0\r\n")
        assert (peer.last_event_id == level.text) is (prime != "off")


async def test_a_grant_that_ends_leaves_the_wait_as_it_was() -> None:
    """A `retry: 0` would bring every page back at once."""
    async with bench() as hub:
        peer = await hub.joined("a/t", expires_in_s=5.0)
        await manual().elapse(6)
        assert len(peer.retries) == 1


@pytest.mark.parametrize("reading", [True, False])
async def test_a_cursor_that_the_follower_reaches_before_the_stream_begins(reading: bool) -> None:
    """Ahead when it was opened and near when it starts, as after a hop: the first block is sent, and a pause by it is one."""
    async with bench(write_buffer_bytes_max=60) as hub:
        cursors = await hub.publish("a/t", 0, 1)
        level, hub.fanout._level = hub.fanout.level, hub.fanout.level.at(0)
        transport = FakeTransport(reading=reading)
        peer = hub.join("a/t", after=cursors[0].text, transport=transport)
        hub.fanout._level = level
        await manual().idle()
        if not reading:
            assert peer.subscriber.live_set is None
            assert len(transport.writes) <= 2
            transport.read()
            await manual().idle()
        assert names(peer) == ["fast-sse.start", "message"]


@pytest.mark.parametrize("options", [{"earliest": True}, {"since": "1h"}, {"last": 1}])
async def test_a_start_without_records_still_ends_at_the_level(options: dict[str, Any]) -> None:
    """Nothing of the catch-up matched: the position behind it is told all the same."""
    async with bench() as hub:
        (level,) = await hub.publish("b/t", 0)
        assert (await hub.joined("a/t", **options)).kept_id == level.text


async def test_a_grant_that_is_revoked_before_the_first_block_clears_nothing() -> None:
    """The store is away and the start is not known: the client keeps what it came with."""
    store = Away()
    await store.open()
    async with bench(store) as hub:
        store.bounds_away = True
        for after in ("nonsense", "earliest"):
            options: dict[str, Any] = {"earliest": True} if after == "earliest" else {"after": after}
            peer = await hub.joined("a/t", **options)
            peer.subscriber.expire()
            await manual().idle()
            assert [event.last_event_id for event in peer.events] == [after]
        store.bounds_away = False
        store.back.set()
    await store.close()
