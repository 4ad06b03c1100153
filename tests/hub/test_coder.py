"""Compression of live sets: once for all members, at most twice, and every member can read what it is written."""

from __future__ import annotations

import asyncio
import random
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.hub.loops import manual
from tests.hub.support import Bench, Peer, bench
from tests.support.http1 import Dechunker

from fast_sse.hub.coder import Compression
from fast_sse.hub.outgoing import LIVE, PAUSED
from fast_sse.model.deflate import SMALL_BYTES

#: Of one epoch: so many members, flushes and seconds.
MEMBERS, FLUSHES, EPOCH_S = 3, 4, 100.0


@asynccontextmanager
async def gzipped(**limits: Any) -> AsyncIterator[Bench]:
    """A hub whose epochs are small."""
    given = {
        "epoch_members_min": MEMBERS,
        "epoch_flushes_max": FLUSHES,
        "epoch_s_max": EPOCH_S,
        "epoch_sets_max": 2,
    }
    async with bench(**{**given, **limits}) as hub:
        yield hub


async def members(hub: Bench, count: int, channel: str = "a/t", **options: Any) -> list[Peer]:
    """So many gzip streams of one channel, live."""
    return [await hub.joined(channel, body="gzip", **options) for _ in range(count)]


def compression(hub: Bench) -> Compression:
    found: Compression = hub.fanout.compression
    return found


def last(peer: Peer) -> bytes:
    """The last write to a peer, without chunks."""
    return Dechunker().feed(peer.transport.writes[-1])


async def test_all_members_are_written_the_same_block() -> None:
    """Without an epoch, one block: one compression whatever the number of members, and one object for all."""
    async with gzipped(epoch_sets_max=0) as hub:
        peers = await members(hub, 50)
        await hub.publish("a/t", "x" * 100)
        assert compression(hub).blocks == {"independent": 1}
        assert len({id(peer.transport.writes[-1]) for peer in peers}) == 1
        assert [peer.messages for peer in peers] == [["x" * 100]] * 50


async def test_a_flush_is_compressed_at_most_twice() -> None:
    """Once for those in step with the epoch, once for those who came later; then, in the next epoch, once for all."""
    async with gzipped() as hub:
        peers = await members(hub, 5)
        counts = compression(hub).blocks
        await hub.publish("a/t", 1)
        assert counts == {"epoch": 1}
        peers += await members(hub, 4)
        await hub.publish("a/t", 2)
        assert counts == {"epoch": 2, "independent": 1}
        for number in range(3, FLUSHES + 2):
            await hub.publish("a/t", number)
        assert counts == {"epoch": FLUSHES + 1, "independent": FLUSHES - 1}
        assert peers[0].messages == list(range(1, FLUSHES + 2))
        assert peers[-1].messages == list(range(2, FLUSHES + 2))


async def test_blocks_of_an_epoch_refer_back_and_the_next_epoch_does_not() -> None:
    """A repeated text costs a few bytes inside an epoch; after so many flushes or seconds everybody can join again."""
    async with gzipped() as hub:
        (peer, *_) = await members(hub, MEMBERS)
        sizes = []
        for _ in range(FLUSHES + 1):
            await hub.publish("a/t", "a long text that comes again and again")
            sizes.append(len(last(peer)))
        assert max(sizes[1:FLUSHES]) < 0.7 * sizes[0]
        assert sizes[FLUSHES] > 1.4 * max(sizes[1:FLUSHES])
        manual().now_s += EPOCH_S
        await hub.publish("a/t", "a long text that comes again and again")
        assert len(last(peer)) > 1.4 * max(sizes[1:FLUSHES])


async def test_more_who_wait_than_who_use_it_renew_an_epoch_early() -> None:
    """A crowd that has just come does not wait for the end of an epoch that a few are in step with."""
    async with gzipped() as hub:
        await members(hub, MEMBERS)
        await hub.publish("a/t", 1)
        await members(hub, MEMBERS + 1)
        await hub.publish("a/t", 2)
        assert compression(hub).blocks == {"epoch": 2}


@pytest.mark.parametrize(
    ("count", "channel", "options"),
    [(MEMBERS - 1, "a/t", {}), (MEMBERS, "a/*", {}), (MEMBERS, "a/t", {"heartbeat": "event"})],
)
async def test_few_members_wildcards_and_events_for_heartbeats_have_no_epoch(
    count: int, channel: str, options: dict[str, Any]
) -> None:
    """A compressor costs memory, a wildcard mixes publishers, and an event may differ from member to member."""
    async with gzipped() as hub:
        peers = await members(hub, count, channel, **options)
        await hub.publish("a/t", 1)
        assert compression(hub).blocks == {"independent": 1}
        assert not compression(hub).running
        assert peers[0].messages == [1]


async def test_a_large_flush_ends_an_epoch() -> None:
    """It fills the window by itself; the next small one begins an epoch with everybody."""
    async with gzipped() as hub:
        peers = await members(hub, MEMBERS)
        for value in (1, "x" * SMALL_BYTES, 2):
            await hub.publish("a/t", value)
        assert compression(hub).blocks == {"epoch": 2, "independent": 1}
        assert all(peer.messages == [1, "x" * SMALL_BYTES, 2] for peer in peers)


async def test_epochs_are_bounded_and_end_with_their_set() -> None:
    """Above the bound a set gets blocks that stand for themselves; a set that is gone gives its compressor back."""
    async with gzipped() as hub:
        sets = [await members(hub, MEMBERS, f"{name}/t") for name in ("a", "b", "c")]
        for name in ("a", "b", "c"):
            await hub.publish(f"{name}/t", 1)
        assert compression(hub).running == 2
        for peer in sets[0]:
            peer.transport.hang_up()
        await manual().idle()
        assert compression(hub).running == 1
        await hub.publish("c/t", 2)
        assert compression(hub).running == 2


async def test_an_epoch_ends_with_the_last_who_was_in_step() -> None:
    """Whoever came later and stays in a quiet channel keeps no compressor, and so no other channel from having one."""
    async with gzipped() as hub:
        peers = await members(hub, MEMBERS)
        await hub.publish("a/t", 1)
        (late,) = await members(hub, 1)
        for peer in peers:
            assert compression(hub).running == 1
            peer.transport.hang_up()
            await manual().idle()
        assert not compression(hub).running
        await hub.publish("a/t", 2)
        assert late.messages == [2]


async def test_an_epoch_beats_as_one() -> None:
    """Its heartbeat goes through its compressor to all in step at once; who is not in step has its own, and all can read on."""
    async with gzipped() as hub:
        peers = await members(hub, MEMBERS)
        await hub.publish("a/t", 1)
        (late,) = await members(hub, 1)
        await hub.publish("a/t", 2)
        await manual().elapse(4 * hub.limits.heartbeat_s)
        await hub.publish("a/t", 3)
        beats = {len(peer.transport.writes) for peer in peers}
        assert len(beats) == 1
        assert all(3 <= peer.heartbeats <= 5 for peer in [*peers, late])
        assert len({id(peer.transport.writes[-2]) for peer in peers}) == 1
        assert all(peer.messages == [1, 2, 3] for peer in peers)
        assert late.messages == [2, 3]


async def test_who_pauses_in_a_beat_is_out_of_step() -> None:
    """A member that the heartbeat of the epoch pauses leaves it, also the one whose visit made it; both read on."""
    async with gzipped(write_buffer_bytes_max=1) as hub:
        peers = await members(hub, MEMBERS + 1)
        await hub.publish("a/t", 1)
        for peer in peers[:2]:
            peer.transport.stop_reading()
        await manual().elapse(2 * hub.limits.heartbeat_s)
        assert [peer.subscriber.state for peer in peers] == [PAUSED, PAUSED, LIVE, LIVE]
        await hub.publish("a/t", 2)
        for peer in peers[:2]:
            peer.transport.read()
        await manual().idle()
        await hub.publish("a/t", 3)
        assert [peer.messages for peer in peers] == [[1, 2, 3]] * (MEMBERS + 1)
        assert all(peer.heartbeats for peer in peers)


async def test_a_transport_that_raises_costs_nobody_else_a_block() -> None:
    """Inside an epoch and beside it, the others get every block."""
    async with gzipped() as hub:
        peers = await members(hub, MEMBERS + 1)
        await hub.publish("a/t", 1)
        peers += await members(hub, MEMBERS - 1)
        for peer in (peers[0], peers[-1]):
            peer.transport.closed = True
        await hub.publish("a/t", 2)
        for peer in (peers[0], peers[-1]):
            peer.transport.closed = False
            peer.transport.hang_up()
        await manual().idle()
        await hub.publish("a/t", 3)
        assert [peer.messages for peer in peers[1:-1]] == [[1, 2, 3]] * MEMBERS + [[2, 3]] * (MEMBERS - 2)


async def test_a_log_that_goes_on_elsewhere_ends_the_epoch() -> None:
    """All leave it to read from their own cursors, are told what is lost, and share a window again."""
    async with gzipped() as hub:
        peers = await members(hub, MEMBERS)
        await hub.publish("a/t", 1)
        hub.fanout.leap(hub.fanout.level, "trimmed")
        assert not compression(hub).running
        await manual().idle()
        await hub.publish("a/t", 2)
        assert compression(hub).blocks["epoch"] == 2
        assert all(peer.messages == [1, 2] for peer in peers)


async def test_a_quiet_epoch_ends_and_everybody_beats_alone() -> None:
    """A set that nobody publishes to holds no compressor, and its members lack no heartbeat."""
    async with gzipped(epoch_s_max=20.0) as hub:
        peers = await members(hub, MEMBERS)
        await hub.publish("a/t", 1)
        assert compression(hub).running == 1
        await manual().elapse(6 * hub.limits.heartbeat_s)
        assert not compression(hub).running
        assert all(peer.heartbeats >= 5 for peer in peers)
        await hub.publish("a/t", 2)
        assert all(peer.messages == [1, 2] for peer in peers)


async def test_who_falls_behind_comes_back_out_of_step() -> None:
    """A member that lags gets pages of its own, then blocks that stand for themselves, and is in step in the next epoch."""
    async with gzipped(write_buffer_bytes_max=2000) as hub:
        peers = await members(hub, MEMBERS + 1)
        slow = peers[0]
        await hub.publish("a/t", 0)
        slow.transport.stop_reading()
        for number in range(1, 4):
            await hub.publish(
                "a/t", [number, "".join(str(zlib.crc32(b"%d" % n)) for n in range(300 * number))]
            )
        slow.transport.read()
        await manual().idle()
        for number in range(4, 12):
            await hub.publish("a/t", number)
        seen = [value[0] if isinstance(value, list) else value for value in slow.messages]
        assert seen == list(range(12))
        assert hub.ground.fell_behind == 1


@pytest.mark.parametrize("chunked", [True, False])
async def test_what_is_one_streams_own_is_not_compressed(chunked: bool) -> None:
    """A gap repeats what the client showed. It is stored as it is: its size tells nothing about what others were sent."""
    async with gzipped() as hub:
        await hub.publish("a/t", 1)
        (peer,) = await members(hub, 1, after="not a cursor of ours", chunked=chunked)
        assert peer.gaps[0]["reason"] == "unreadable"
        assert b"not a cursor of ours" in peer.transport.wire
        hub.streams.end_channel(peer.subscriber.filter.patterns[0])
        assert peer.retries


async def test_what_was_saved_is_counted_by_socket() -> None:
    """Plain and sent bytes of shared blocks, times the sockets that took them."""
    async with gzipped() as hub:
        await members(hub, 10)
        await hub.publish("a/t", "x" * 1000)
        counts = compression(hub)
        assert counts.plain_bytes > 10_000
        assert counts.sent_bytes < 2000
        samples = {sample.name: sample.value for sample in counts.samples()}
        assert samples["compression_plain_bytes_total"] == counts.plain_bytes
        assert samples["compression_sent_bytes_total"] == counts.sent_bytes
        assert samples["compression_epochs"] == 1


async def come_and_go(hub: Bench, joins: int) -> None:
    """Streams come at random moments of many epochs, and each is told what was published while it was there."""
    rng = random.Random(joins)
    number, there = 0, list[tuple[int, Peer]]()
    for _ in range(joins):
        there.append((number, hub.join("a/t", body="gzip")))
        if rng.random() < 0.7:
            await manual().idle()
        for _ in range(rng.choice([0, 0, 1, 2])):
            await hub.publish("a/t", number)
            number += 1
        while len(there) > rng.randrange(4, 30):
            await manual().idle()
            since, peer = there.pop(rng.randrange(len(there)))
            assert peer.messages == list(range(since, number))
            peer.transport.hang_up()
    await manual().idle()
    assert all(peer.messages == list(range(since, number)) for since, peer in there)
    assert compression(hub).blocks["epoch"] > number / 2


@pytest.mark.slow
async def test_joins_at_random_moments_of_epochs() -> None:
    """Whenever one of 10,000 streams begins, all that it is written can be read."""
    async with gzipped(epoch_flushes_max=50) as hub:
        await come_and_go(hub, 10_000)


async def test_a_drain_in_the_middle_of_an_epoch() -> None:
    """Streams end one after another while messages and epochs go on; each has its last words, behind whole messages."""
    async with gzipped() as hub:
        peers = await members(hub, 12)
        await hub.publish("a/t", 0)
        draining = asyncio.ensure_future(hub.hub.drain(10.0))
        number = 1
        while not draining.done():
            await manual().elapse(0.5)
            await hub.publish("a/t", number)
            number += 1
        for peer in peers:
            assert peer.messages == list(range(len(peer.messages)))
            assert peer.messages
            assert len(peer.retries) == 2
        assert len({len(peer.messages) for peer in peers}) > 3
        assert compression(hub).blocks["epoch"] > 3
