"""What retention took is gone from this node's memory, too."""

from __future__ import annotations

from tests.hub.loops import manual
from tests.hub.support import bench, now_ms

from fast_sse.store.base import Retention
from fast_sse.store.memory.store import MemoryStore


async def test_a_trimmed_cursor_is_a_gap_however_near_it_is() -> None:
    """Below the trim mark a cursor is `trimmed` and goes on from the mark, also where the tail would still reach back."""
    store = MemoryStore(Retention(max_age_s=None, max_bytes=None, max_messages=10), now_ms=now_ms)
    await store.open()
    async with bench(store, trim_interval_s=5) as hub:
        cursors = await hub.publish("a/t", *range(30))
        await manual().elapse(5.1)
        mark = (await store.bounds()).trimmed
        assert mark == cursors[19]
        late, near = await hub.joined("a/t", after=cursors[2].text), await hub.joined("a/t", after=mark.text)
        assert [gap["reason"] for gap in late.gaps] == ["trimmed"]
        assert late.gaps[0]["resumed_at"] == mark.text
        assert late.messages == near.messages == list(range(20, 30))
        assert near.gaps == []
    await store.close()


async def test_live_streams_notice_no_trimming() -> None:
    """Whoever is level stays level when everything before is trimmed away, and what comes next arrives once."""
    store = MemoryStore(Retention(max_age_s=60, max_bytes=None), now_ms=now_ms)
    await store.open()
    async with bench(store, trim_interval_s=5) as hub:
        live = await hub.joined("a/t")
        await hub.publish("a/t", 1, 2)
        await manual().elapse(70)
        assert len(hub.fanout.tail) == 0
        await hub.publish("a/t", 3)
        fresh = await hub.joined("a/t", after=live.last_event_id)
        assert live.messages == [1, 2, 3]
        assert fresh.gaps == live.gaps == []
    await store.close()
