"""The timer wheel: heartbeats, deadlines, and how it goes on."""

from __future__ import annotations

from tests.hub.loops import manual
from tests.hub.support import bench
from tests.hub.transport import FakeTransport

from fast_sse.hub.outgoing import PAUSED


async def test_each_stream_hears_a_heartbeat_once_a_period_at_a_moment_of_its_own() -> None:
    """A comment line without a blank line, every heartbeat_s, and not all at once."""
    async with bench(heartbeat_s=15.0, stall_s=30.0) as hub:
        peers = [await hub.joined("a/t") for _ in range(50)]
        await manual().elapse(7.5)
        half = sum(peer.heartbeats for peer in peers)
        assert 10 < half < 40
        await manual().elapse(7.6)
        assert [peer.heartbeats for peer in peers] == [1] * 50
        await manual().elapse(150)
        assert {peer.heartbeats for peer in peers} <= {10, 11}
        assert b":\n\n" not in peers[0].body
        assert peers[0].events == []


async def test_the_wheel_turns_often_enough_for_a_short_deadline() -> None:
    """A stall deadline below the heartbeat is kept, too."""
    async with bench(heartbeat_s=15.0, stall_s=2.0, write_buffer_bytes_max=100) as hub:
        peers = [await hub.joined("a/t") for _ in range(20)]
        for peer in peers:
            peer.transport.stop_reading()
        await hub.publish("a/t", "x" * 300)
        await manual().elapse(3.1)
        assert all(peer.transport.closed for peer in peers)


async def test_a_defect_in_one_visit_ends_that_stream_and_no_other() -> None:
    """It is cut, loudly; all others, those of its slot too, are visited in this turn and in the next."""
    async with bench(heartbeat_s=0.004, stall_s=30.0) as hub:  # a wheel of a single slot
        peers = [await hub.joined("a/t") for _ in range(30)]

        def raises(_data: bytes) -> None:
            raise TypeError("a defect")

        for broken in peers[::10]:
            broken.transport.write = raises  # type: ignore[assignment, method-assign]
        await manual().elapse(0.0081)
        assert [peer.heartbeats for peer in peers] == [0 if peer in peers[::10] else 2 for peer in peers]
        assert [peer.transport.closed for peer in peers] == [peer in peers[::10] for peer in peers]
        assert hub.ground.evicted == {"defect": 3}


async def test_a_paused_stream_gets_no_heartbeat() -> None:
    """Its queue is full enough."""
    async with bench(write_buffer_bytes_max=100, stall_s=1000.0) as hub:
        peer = await hub.joined("a/t", transport=FakeTransport(reading=False))
        await hub.publish("a/t", "x" * 300)
        queued = peer.transport.get_write_buffer_size()
        await manual().elapse(100)
        assert peer.subscriber.state == PAUSED
        assert peer.transport.get_write_buffer_size() == queued


async def test_the_wheel_says_when_nothing_is_left_on_it() -> None:
    """`emptied` is set while it is empty: before the first stream, after the last, and not while one sits there."""
    async with bench() as hub:
        wheel = hub.ground.wheel
        assert wheel.emptied.is_set()
        for _ in range(2):
            peers = [await hub.joined("a/t") for _ in range(2)]
            assert len(wheel) == 2
            for peer in peers:
                assert not wheel.emptied.is_set()
                peer.transport.hang_up()
                await manual().idle()
                peer.subscriber.connection_lost(None)  # a second time: it is counted once
            assert len(wheel) == 0
            assert wheel.emptied.is_set()
