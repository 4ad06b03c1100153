"""A channel that is erased: out of the tail, and its streams come back to what is published from now on."""

from __future__ import annotations

from tests.hub.loops import manual
from tests.hub.support import bench, place


async def test_the_tail_forgets_and_the_streams_end() -> None:
    """Exactly this channel's streams are told to come back; nobody is replayed what is gone, live or from the tail."""
    async with bench() as hub:
        (before, *_) = await hub.publish("b/t", 0)
        own, wide = await hub.joined("a/t"), await hub.joined("a/*")
        await hub.publish("a/t", 1, 2)
        await hub.publish("b/t", 3)
        erasing = manual().create_task(hub.hub.erase(place("a/t")))
        await manual().idle()
        assert erasing.result().entries == 2
        assert own.transport.is_closing()
        assert own.body.rstrip(b"\n").rpartition(b"\n")[2].startswith(b"retry: ")
        assert not wide.transport.is_closing()
        resumed = await hub.joined("*/*", after=before.text)
        assert resumed.messages == [3]
        assert resumed.gaps == []
        await hub.publish("a/t", 4)
        assert resumed.messages == [3, 4]
        assert wide.messages == [1, 2, 4]


async def test_nobody_is_sent_the_control_record() -> None:
    """It speaks to nodes: a stream of everything sees its place in the log at most as an id."""
    async with bench() as hub:
        everything = await hub.joined("*/*")
        await hub.publish("a/t", 1)
        erasing = manual().create_task(hub.hub.erase(place("b/t")))
        await manual().idle()
        assert erasing.result().entries == 0
        late = await hub.joined("*/*", earliest=True)
        for peer in (everything, late):
            assert peer.messages == [1]
            assert [event.type for event in peer.events] == ["message"]
