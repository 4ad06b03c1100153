"""A channel that is erased: out of the tail, and its streams come back to what is published from now on."""

from __future__ import annotations

import random

import pytest
from tests.hub.letter_box import desk_rig
from tests.hub.loops import manual
from tests.hub.support import bench, place

from fast_sse.hub.hub import Hub
from fast_sse.model.limits import Limits
from fast_sse.observe.observer import NullObserver


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


@pytest.mark.parametrize("tail_records_max", [1000, 1])
async def test_nobody_is_sent_the_control_record(tail_records_max: int) -> None:
    """It speaks to nodes: a stream of everything sees its place in the log at most as an id, from the tail or the store."""
    async with bench(tail_records_max=tail_records_max) as hub:
        everything = await hub.joined("*/*")
        await hub.publish("a/t", 1)
        erasing = manual().create_task(hub.hub.erase(place("b/t")))
        await manual().idle()
        assert erasing.result().entries == 0
        await hub.publish("a/t", 2, 3)
        late = await hub.joined("*/*", earliest=True)
        for peer in (everything, late):
            assert peer.messages == [1, 2, 3]
            assert [event.type for event in peer.events] == ["message"] * 3


async def test_dead_letters_go_with_their_channel() -> None:
    """Those of exactly this channel, and what still waits there can become none; asked again after an error, it goes on."""
    async with desk_rig() as rig:
        hub = Hub(rig.store, Limits(), NullObserver(), now_ms=lambda: rig.now_ms, rng=random.Random(1))
        kept = await rig.die(1, place("b/t"))
        await rig.die(2, place("a/t"))
        waiting = await rig.waits(place("a/t"))
        assert await hub.erase(place("a/t")) == (3, 2)
        assert await rig.ids() == kept
        assert await rig.decide(waiting) == []
        assert await hub.erase(place("a/t")) == (0, 0)
