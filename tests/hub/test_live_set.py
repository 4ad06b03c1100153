"""A live set: the same bytes to every member, in pieces, whatever a single member does meanwhile."""

from __future__ import annotations

import pytest
from tests.hub.loops import manual
from tests.hub.support import bench
from tests.hub.transport import FakeTransport

from fast_sse.hub.outgoing import LIVE, PAUSED


async def test_every_member_is_handed_the_very_same_bytes() -> None:
    """One flush is one bytes object: a thousand members share it, and none has a copy."""
    async with bench() as hub:
        peers = [await hub.joined("a/t") for _ in range(5)]
        await hub.publish("a/t", 1, 2, 3)
        assert peers[0].messages == [1, 2, 3]
        assert len({id(peer.transport.writes[-1]) for peer in peers}) == 1


async def test_forms_share_frames_but_not_framing() -> None:
    """Streams until close and chunked ones are two live sets; what they say is the same."""
    async with bench() as hub:
        chunked, plain = await hub.joined("a/t"), await hub.joined("a/t", chunked=False)
        await hub.publish("a/t", 1)
        assert len(hub.fanout.sets) == 2
        assert plain.transport.writes[-1] in chunked.transport.writes[-1]
        assert chunked.events == plain.events


async def test_a_flush_is_at_most_flush_bytes_max_or_one_larger_record() -> None:
    """Pending frames leave in bounded pieces; a record above the bound leaves alone."""
    async with bench(flush_bytes_max=500) as hub:
        peer = await hub.joined("a/t", chunked=False)
        seen = len(peer.transport.writes)
        await hub.publish("a/t", *range(20), "x" * 2000, *range(3))
        sizes = [len(data) for data in peer.transport.writes[seen:]]
        assert peer.messages == [*range(20), "x" * 2000, *range(3)]
        assert [size for size in sizes if size > 500] == [size for size in sizes if size > 2000]
        assert len([size for size in sizes if size > 2000]) == 1
        assert max(size for size in sizes if size <= 500) > 250
        for data in peer.transport.writes[seen:]:
            assert data.count(b"data: ") == 1 or len(data) <= 500


async def test_a_closed_transport_does_not_stop_the_others() -> None:
    """A transport that raises because it is closed is passed over; the next in line gets its bytes."""
    async with bench() as hub:
        peers = [await hub.joined("a/t") for _ in range(3)]
        for peer in peers[:2]:
            peer.transport.closed = True
        await hub.publish("a/t", 1)
        assert peers[2].messages == [1]
        for peer in peers[:2]:
            peer.transport.closed = False
            peer.transport.hang_up()


@pytest.mark.parametrize("leaving", [0, 1, 2, 3])
async def test_members_leave_from_any_place(leaving: int) -> None:
    """Whoever leaves, the others keep getting everything, each once."""
    async with bench() as hub:
        peers = [await hub.joined("a/t") for _ in range(4)]
        gone = peers.pop(leaving)
        gone.transport.hang_up()
        await hub.publish("a/t", 1)
        assert gone.messages == []
        assert [peer.messages for peer in peers] == [[1]] * 3
        (live_set,) = hub.fanout.sets
        assert [member.place for member in live_set.members] == [0, 1, 2]


async def test_a_member_that_pauses_during_a_flush_leaves_after_it_at_that_flush() -> None:
    """Pausing inside `write` breaks nothing: the others are written, and the cursor of the paused one is this flush."""
    async with bench(write_buffer_bytes_max=100) as hub:
        deaf = await hub.joined("a/t")
        peers = [await hub.joined("a/t") for _ in range(3)]
        deaf.transport.stop_reading()
        (cursor,) = await hub.publish("a/t", "x" * 200)
        assert deaf.subscriber.state == PAUSED
        assert deaf.subscriber.cursor == cursor
        assert [peer.messages for peer in peers] == [["x" * 200]] * 3
        await hub.publish("a/t", 2)
        assert [peer.messages for peer in peers] == [["x" * 200, 2]] * 3
        deaf.transport.read()
        await manual().idle()
        assert deaf.messages == ["x" * 200, 2]
        assert deaf.subscriber.state == LIVE


async def test_all_members_may_pause_in_one_flush() -> None:
    """The set is deserted then, what was pending is nobody's, and everyone comes back without loss or repetition."""
    async with bench(write_buffer_bytes_max=100, flush_bytes_max=150) as hub:
        peers = [await hub.joined("a/t", transport=FakeTransport()) for _ in range(3)]
        for peer in peers:
            peer.transport.stop_reading()
        await hub.publish("a/t", *range(10))
        assert [peer.subscriber.state for peer in peers] == [PAUSED] * 3
        assert hub.fanout.sets == []
        assert hub.fanout._pending_bytes == 0
        await hub.publish("a/t", 10)
        for peer in peers:
            peer.transport.read()
        await manual().idle()
        assert [peer.messages for peer in peers] == [list(range(11))] * 3
