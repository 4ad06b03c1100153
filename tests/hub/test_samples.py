"""The hub's numbers against what a test made happen."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from tests.hub.loops import manual
from tests.hub.support import Bench, bench, drafted, now_ms

from fast_sse.hub.hub import Hub
from fast_sse.model.cursor import Cursor
from fast_sse.model.errors import NotStoredError
from fast_sse.model.message import Key
from fast_sse.store.base import Bounds
from fast_sse.store.memory.store import MemoryStore


def values(hub: Hub) -> dict[str, float]:
    """Every series, as `name` or `name{word}`."""
    return {
        sample.name + "".join(f"{{{word}}}" for _, word in sample.labels): sample.value
        for sample in hub.samples()
    }


async def looked(bench: Bench) -> dict[str, float]:
    """The numbers after a look at the store."""
    look = asyncio.ensure_future(bench.hub.look(1.0))
    await manual().idle()
    await look
    return values(bench.hub)


async def test_deliveries_are_records_times_streams() -> None:
    """Two streams of one filter and one of another: three records are six deliveries and three more."""
    async with bench() as hub:
        peers = [await hub.joined("a/t"), await hub.joined("a/t"), await hub.joined("a/*")]
        await hub.publish("a/t", 1, 2, 3)
        found = values(hub.hub)
        assert found["deliveries_total"] == sum(len(peer.messages) for peer in peers) == 9
        assert (found["streams_open"], found["streams_opened_total"], found["live_sets"]) == (3, 3, 2)
        assert (found["records_total"], found["tail_records"], found["pending_bytes"]) == (3, 3, 0)
        assert found["flushes_total"] == 2
        assert found["tail_bytes"] > 3 * 400


async def test_publishes_are_counted_by_what_came_of_them() -> None:
    """Stored once, a duplicate, and another body under the same key: three outcomes with three names."""
    async with bench() as hub:
        for data in (1, 1, 2):
            keyed = {"keys": (Key(b"k" * 16),), "body_sha256": bytes([data]) * 32}
            hub.hub.publish([msgspec.structs.replace(drafted("a/t", data), **keyed)])
        found = values(hub.hub)
        assert found["publishes_total{stored}"] == 1
        assert found["publishes_total{duplicate}"] == 1
        assert found["publishes_total{key_conflict}"] == 1
        assert found["publishes_pending"] == 0


async def test_slow_streams_and_gaps_are_counted_by_reason() -> None:
    """What happened to a stream that stalled, and to one whose cursor meant nothing."""
    async with bench(stall_s=1.0) as hub:
        slow = await hub.joined("a/t")
        await hub.joined("a/t", after="m1.0000000000000.7")
        slow.subscriber.pause_writing()
        slow.subscriber.resume_writing()
        await manual().idle()
        slow.subscriber.evict("stalled", 1.0)
        found = values(hub.hub)
        assert found["gaps_total{epoch}"] == 1
        assert (found["fell_behind_total"], found["came_back_total"]) == (1, 1)
        assert found["streams_evicted_total{stalled}"] == 1


class Unwell(MemoryStore):
    """A store whose probe and bounds are the test's."""

    def __init__(self) -> None:
        super().__init__(now_ms=now_ms)
        self.down = self.silent = False

    async def ping(self) -> None:
        if self.down:
            raise NotStoredError("down")

    async def bounds(self) -> Bounds:
        if self.silent:
            await asyncio.get_running_loop().create_future()
        return await super().bounds()


async def test_the_store_is_up_when_a_publish_would_be_stored() -> None:
    """A look asks now, whoever else asked before, and a store that refuses is down."""
    store = Unwell()
    await store.open()
    async with bench(store) as hub:
        assert (await looked(hub))["store_up"] == 1
        store.down = True
        await manual().elapse(1.1)
        assert (await looked(hub))["store_up"] == 0
    await store.close()


async def test_a_silent_store_costs_its_own_numbers_only() -> None:
    """Whoever asks for numbers gets those of the node in bounded time; how far it is behind is not known then."""
    store = Unwell()
    await store.open()
    async with bench(store) as hub:
        assert "follower_lag_positions" in await looked(hub)
        store.silent = True
        look = asyncio.ensure_future(hub.hub.look(1.0))
        await manual().elapse(1.1)
        assert look.done()
        found = values(hub.hub)
        assert "follower_lag_positions" not in found
        assert found["following"] == 1
    await store.close()


async def test_a_level_follower_lags_by_nothing() -> None:
    """The lag is in positions, asked of the store and not of the follower."""
    async with bench() as hub:
        await hub.publish("a/t", 1, 2)
        found = await looked(hub)
        assert (found["follower_level"], found["follower_lag_positions"]) == (1, 0)


@pytest.mark.parametrize(
    ("kind", "end", "expected"),
    [
        ("s1", 12, {"follower_level": 0, "follower_lag_positions": 5}),
        ("s1", 7, {"follower_level": 1, "follower_lag_positions": 0}),
        ("s1", 3, {"follower_level": 1, "follower_lag_positions": 0}),
        ("r1", 12, {"follower_level": 0}),
        (None, 0, {}),
    ],
)
async def test_lag_is_told_where_positions_count(
    kind: str | None, end: int, expected: dict[str, int]
) -> None:
    """A Redis id counts milliseconds, so that two of them say who is first and not how many lie between."""
    async with bench() as hub:
        level = Cursor(kind or "s1", "e" * 13, 7)
        hub.fanout.start_at(level)
        follower = hub.hub._follower
        follower._end = None if kind is None else Cursor(kind, level.epoch, end)
        found = {sample.name: sample.value for sample in follower.samples()}
        assert {name: found[name] for name in found if name.startswith("follower_l")} == expected
        follower._end = Cursor("s1", "f" * 13, 9)
        assert not any(sample.name == "follower_level" for sample in follower.samples())


async def test_a_hub_that_does_not_run_has_no_numbers() -> None:
    """Zeros of a node that has not started would look like a node that nobody uses."""
    async with bench() as hub:
        assert values(hub.hub)
    assert values(hub.hub) == {}
