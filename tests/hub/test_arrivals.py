"""From a publish to the flush that first wrote it: a clock that the test moves, on a real hub where the way matters."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.hub.loops import manual
from tests.hub.support import Bench, bench, drafted, now_ms, record_at

from fast_sse.hub import arrivals
from fast_sse.hub.arrivals import Arrivals
from fast_sse.hub.frames import id_texts
from fast_sse.hub.tail import Entry
from fast_sse.model.cursor import Cursor
from fast_sse.model.message import Key
from fast_sse.store.memory.store import MemoryStore

LOG = Cursor("s1", "0" * 13, 0)


def seen(some: Arrivals) -> dict[str, tuple[int, float]]:
    """How many were observed since which moment, and their sum in seconds."""
    return {sample.labels[0][1]: (sample.buckets[-1].total, sample.value) for sample in some.samples()}


def written(position: int, sockets: int, *, time_ms: int = 0) -> Entry:
    """An entry that was written to so many sockets."""
    entry = Entry(replace(record_at(position), time_ms=time_ms), id_texts(LOG))
    entry.written = sockets
    return entry


class Moved:
    """Arrivals with both clocks in the test's hand."""

    def __init__(self) -> None:
        self.now_s, self.store_ms = 50.0, 9_000
        self.arrivals = Arrivals(lambda: self.store_ms, lambda: self.now_s)


@pytest.fixture
def moved() -> Moved:
    """Nothing has arrived yet."""
    return Moved()


def test_a_publish_is_measured_from_its_arrival(moved: Moved) -> None:
    """To the flush, once, however many sockets that wrote."""
    moved.arrivals.note(1, 49.5)
    moved.arrivals.flushed([written(1, 1000)], 1000)
    assert seen(moved.arrivals) == {"arrival": (1, 0.5), "stored": (0, 0.0)}


def test_what_was_written_before_is_not_measured_again(moved: Moved) -> None:
    """By another live set, or by a catch-up: it is the first sockets that count."""
    moved.arrivals.note(1, 49.0)
    moved.arrivals.flushed([written(1, 3)], 2)
    assert seen(moved.arrivals)["arrival"] == (0, 0.0)


def test_other_records_are_measured_by_the_store_s_time(moved: Moved) -> None:
    """Apart from the others; a clock that stands behind the store's makes no time negative."""
    moved.arrivals.flushed([written(1, 1, time_ms=8_750), written(2, 1, time_ms=9_400)], 1)
    assert seen(moved.arrivals) == {"arrival": (0, 0.0), "stored": (2, 0.25)}


def test_arrivals_without_a_subscriber_are_forgotten(moved: Moved, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest are kept, and at most twice the bound of all."""
    monkeypatch.setattr(arrivals, "UNTAKEN_MAX", 10)
    for position in range(1, 96):
        moved.arrivals.note(position, 49.0)
        assert len(moved.arrivals._young) + len(moved.arrivals._old) <= 20
    moved.arrivals.flushed([written(position, 1, time_ms=9_000) for position in (1, 80, 86, 95)], 1)
    assert seen(moved.arrivals)["arrival"] == (2, 2.0)


def by_manual_clock(hub: Bench) -> None:
    """Let the hub measure by the loop's time, which the test moves."""
    hub.ground.arrivals.clock = hub.hub._publishes._clock = manual().time


async def test_a_hub_measures_what_its_own_publishers_wait_for() -> None:
    """From the moment that a publish comes to it: a store that takes its time is part of that."""
    async with bench() as hub:
        by_manual_clock(hub)
        await hub.joined("a/t")
        await hub.joined("a/*")
        await hub.publish("a/t", 1, 2)
        await hub.publish("b/t", 3)
        assert seen(hub.ground.arrivals) == {"arrival": (2, 0.0), "stored": (0, 0.0)}


async def test_a_duplicate_is_not_measured() -> None:
    """It is not delivered again; the message that it repeats may yet be, and is measured from its own arrival."""
    async with bench() as hub:
        by_manual_clock(hub)
        keyed = replace(drafted("a/t"), keys=(Key(b"k" * 16, 60_000),))
        for _ in range(2):
            hub.hub.publish([keyed])
            await manual().elapse(1)
        assert [*hub.ground.arrivals._young.values()] == [manual().time() - 2]


async def test_a_hub_measures_records_of_other_nodes_by_the_store() -> None:
    """What was appended beside the hub, as by another node, was stored a while ago when a flush writes it."""
    store = MemoryStore(now_ms=now_ms)
    await store.open()
    async with bench(store) as hub:
        by_manual_clock(hub)
        await hub.joined("a/t")
        store.append([drafted("a/t")])
        manual().now_s += 0.5  # before the follower has its turn
        await manual().idle()
        assert seen(hub.ground.arrivals) == {"arrival": (0, 0.0), "stored": (1, 0.5)}
    await store.close()
