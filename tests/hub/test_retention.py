"""Retention: what it took is gone from this node's memory, no step makes a false gap, and it goes on whatever it meets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import pytest
from tests.hub.loops import manual
from tests.hub.support import bench as bench_of
from tests.hub.support import now_ms

from fast_sse.hub.outgoing import PAUSED
from fast_sse.hub.telling import LetterRules
from fast_sse.model.cursor import Position
from fast_sse.model.errors import UnavailableError
from fast_sse.observe.observer import DefectSeen, Trimmed, TrimmingFailed
from fast_sse.store.base import Retention
from fast_sse.store.memory.store import MemoryStore

#: Trimming spares what waits for a hand-over: here nothing does.
bench = partial(bench_of, rules=LetterRules(enabled=False))


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


class Watched(MemoryStore):
    """A memory store that lets a test look right after each trim step."""

    def __init__(self, kept: int) -> None:
        super().__init__(Retention(max_messages=kept), now_ms=now_ms)
        self.after_step: Callable[[int], None] = lambda _trimmed: None

    async def trim(self, keep_after: Position | None = None) -> int:
        """One step."""
        entries = await super().trim(keep_after)
        self.after_step((await self.bounds()).trimmed.position)
        return entries


@pytest.mark.parametrize("kept", [3, 700, 3000])
async def test_trimming_never_makes_a_quiet_stream_resume_with_a_gap(kept: int) -> None:
    """However much busy channels push out: after every single step the last id that each quiet client has can still be
    continued, should its connection break now.
    """
    store = Watched(kept)
    await store.open()
    async with bench(store) as hub:
        quiet = [await hub.joined("quiet/t")]
        steps = []

        def look(trimmed: int) -> None:
            steps.append(trimmed)
            for peer in quiet:
                assert peer.ids[-1] >= trimmed
                assert peer.kept_id == peer.last_event_id

        store.after_step = look
        for _ in range(40):
            await hub.publish("busy/t", *range(150))
            quiet.append(await hub.joined("quiet/t" if len(quiet) % 2 else f"quiet{len(quiet)}/t"))
            await manual().elapse(2)
        assert steps[-1] > 6000 - kept - 500
        assert not hub.facts.of(DefectSeen)
        assert all(peer.events == [] for peer in quiet)
        resumed = await hub.joined("quiet/t", after=quiet[0].kept_id)
        assert resumed.gaps == []
    await store.close()


@pytest.mark.parametrize(
    ("before", "after"),
    [(400, 300), (1, 999), (501, 499), (999, 2), (1001, 1), (1100, 900), (1551, 1549), (2001, 1999)],
)
async def test_no_trim_step_passes_the_id_of_a_quiet_stream(before: int, after: int) -> None:
    """Wherever in the log its id lies, and whether the log is a few steps long or only one: the id moves on in time."""
    store = Watched(100)
    await store.open()
    async with bench(store) as hub:
        await hub.publish("busy/t", *range(before))
        quiet = await hub.joined("quiet/t")
        await hub.publish("busy/t", *range(after))
        steps = []

        def look(trimmed: int) -> None:
            steps.append(trimmed)
            assert quiet.ids[-1] >= trimmed

        store.after_step = look
        await manual().elapse(hub.limits.trim_interval_s + 1)
        assert steps[-1] == before + after - 100
        assert not hub.facts.of(DefectSeen)
    await store.close()


@pytest.mark.slow
async def test_a_quiet_stream_is_told_a_newer_id_at_least_once_an_hour() -> None:
    """Also when nothing is trimmed by count: retention by age must not overtake it."""
    async with bench(quiet_id_s=3600.0, heartbeat_s=900.0, stall_s=1800.0, trim_interval_s=60.0) as hub:
        quiet = await hub.joined("quiet/t")
        cursors = await hub.publish("busy/t", *range(2000))
        await hub.publish("quiet/t", "a word")
        cursors = await hub.publish("busy/t", *range(10))
        await manual().elapse(3500)
        assert quiet.last_event_id != cursors[-1].text
        await manual().elapse(200)
        assert quiet.last_event_id == cursors[-1].text
        assert quiet.messages == ["a word"]
        blocks = len(quiet.ids)
        await manual().elapse(20_000)
        assert len(quiet.ids) == blocks, "once is enough while nothing happens"


@pytest.mark.slow
async def test_a_quiet_stream_is_not_told_every_place_of_a_busy_log() -> None:
    """Once an hour is enough as long as nothing is trimmed, however much others publish."""
    async with bench(quiet_id_s=3600.0, heartbeat_s=900.0, stall_s=1800.0, trim_interval_s=60.0) as hub:
        quiet = await hub.joined("quiet/t")
        await hub.publish("busy/t", *range(2000))
        await hub.publish("quiet/t", "a word")
        blocks = len(quiet.ids)
        for number in range(30):
            await hub.publish("busy/t", number)
            await manual().elapse(300)
        assert len(quiet.ids) == blocks + 2


async def test_streams_without_ids_never_get_an_id_only_block() -> None:
    """`prime=0` is for clients that would dispatch an empty event for it, also when the channel is quiet."""
    store = MemoryStore(Retention(max_messages=3), now_ms=now_ms)
    await store.open()
    async with bench(store) as hub:
        unprimed = await hub.joined("quiet/t", prime="off")
        await hub.publish("busy/t", *range(50))
        await manual().elapse(10)
        assert (await store.bounds()).trimmed.position > 0
        assert unprimed.ids == []
    await store.close()


async def test_an_id_block_that_pauses_its_peer_is_a_write_like_any_other() -> None:
    """Whoever pauses in it leaves the set, stands at that id, and comes back without loss."""
    store = MemoryStore(Retention(max_messages=3), now_ms=now_ms)
    await store.open()
    async with bench(store, write_buffer_bytes_max=10, stall_s=1000.0) as hub:
        quiet = await hub.joined("quiet/t")
        quiet.transport.stop_reading()
        cursors = await hub.publish("busy/t", *range(50))
        await manual().elapse(6)
        assert quiet.subscriber.state == PAUSED
        assert quiet.subscriber.cursor == cursors[-1]
        quiet.transport.read()
        await hub.publish("quiet/t", 1)
        assert quiet.messages == [1]
        assert quiet.gaps == []
    await store.close()


async def test_many_quiet_sets_are_looked_at_in_slices() -> None:
    """A pass over many live sets leaves the loop to others in between."""
    async with bench() as hub:
        for number in range(600):
            hub.join(f"quiet{number}/t")
        await manual().idle()
        await hub.publish("busy/t", 1)
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        running = asyncio.ensure_future(others())
        await hub.hub._trimmer._advance_quiet()
        running.cancel()
        assert turns >= 2


async def test_retention_ends_with_the_store() -> None:
    """A closed store is the end of trimming: no failure, no defect, and nothing goes on asking."""
    async with bench(trim_interval_s=5.0) as hub:
        await hub.store.close()
        await manual().elapse(6)
        assert "trimmer" in {task.get_name() for task in hub.hub._tasks if task.done()}
        assert not hub.facts.of(TrimmingFailed)
        assert not hub.facts.of(DefectSeen)


async def test_trimming_goes_on_whatever_one_step_met() -> None:
    """A store that fails, or a defect, costs one interval; what went is told."""

    class Stumbling(MemoryStore):
        errors: list[Exception] = [UnavailableError("down"), TypeError("a defect")]  # noqa: RUF012

        async def trim(self, keep_after: Position | None = None) -> int:
            if self.errors:
                raise self.errors.pop(0)
            return await super().trim(keep_after)

    store = Stumbling(Retention(max_messages=10), now_ms=now_ms)
    await store.open()
    async with bench(store, trim_interval_s=5.0) as hub:
        await hub.publish("a/t", *range(1510))
        await manual().elapse(5)
        assert len(hub.facts.of(TrimmingFailed)) == 1
        await manual().elapse(5)
        assert [fact.where for fact in hub.facts.of(DefectSeen)] == ["trimmer"]
        await manual().elapse(5)
        assert [fact.entries for fact in hub.facts.of(Trimmed)] == [500, 500, 500]
    await store.close()
