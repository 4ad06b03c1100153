"""Rules of `ingest.forward`: each entry is stored or poison, in the queue's order, whatever the store says meanwhile."""

from __future__ import annotations

import asyncio
import base64
import gzip
import threading
from random import Random
from types import SimpleNamespace

import msgspec
import pytest
from tests.ingest.conftest import LIMITS, Facts, FailingStore, make_hub, package, until

from fast_sse.hub.hub import Hub
from fast_sse.ingest.figures import Figures
from fast_sse.ingest.forward import Forwarder, PoisonEntry
from fast_sse.ingest.package import Packages, QueueEntry
from fast_sse.ingest.poison import Quarantine
from fast_sse.model.channel import Channel
from fast_sse.model.errors import (
    DefectError,
    DiskFullError,
    FastSseError,
    KeyConflictError,
    NotStoredError,
    OverloadedError,
    StoreClosedError,
    TooLargeError,
    UnknownOutcomeError,
)
from fast_sse.model.limits import Limits
from fast_sse.model.message import PublishBody
from fast_sse.model.payload import check_all_compressed
from fast_sse.observe.observer import DefectSeen


def entries(*data: object, first: int = 1) -> list[QueueEntry]:
    """Entries at places that count up."""
    return [QueueEntry(f"{n}-0", package(value)) for n, value in enumerate(data, first)]


class Way:
    """A forwarder and what it told."""

    def __init__(self, hub: Hub, facts: Facts) -> None:
        self.figures = Figures()
        self.held_up: list[FastSseError] = []
        packages = Packages("hub:q", hub.limits, lambda: 0.0, self.check)
        quarantine = Quarantine(hub.store.letters, "redis_stream", "q", "node-1")
        self.forwarder = Forwarder(
            hub, packages, quarantine, self.figures, facts, self.held_up.append, self.may
        )
        self.lost = False
        self.defect: Exception | None = None

    def check(self, _channel: Channel) -> None:
        if self.defect:
            raise self.defect

    def may(self) -> None:
        if self.lost:
            raise PermissionError

    async def go(self, *data: object, first: int = 1) -> list[PoisonEntry]:
        return await self.forwarder.forward(entries(*data, first=first))


@pytest.fixture
def way(hub: Hub, facts: Facts) -> Way:
    return Way(hub, facts)


async def test_queue_order_is_log_order(way: Way, store: FailingStore) -> None:
    """Entries are stored in the order in which they were given, and all of them in one append."""
    assert await way.go(*range(50)) == []
    assert await store.payloads() == list(range(50))
    assert store.appends == [50]


async def test_nothing_is_nothing(way: Way, store: FailingStore) -> None:
    """No entry, no append."""
    assert await way.go() == []
    assert store.appends == []


@pytest.mark.parametrize(
    "error",
    [NotStoredError(), UnknownOutcomeError(), DiskFullError(), OverloadedError(), DefectError()],
    ids=lambda error: error.code,
)
async def test_what_may_work_later_is_tried_until_it_does(
    way: Way, store: FailingStore, error: FastSseError
) -> None:
    """A store that refuses is asked again; each time it is told, and nothing is given up."""
    store.errors = [error] * 3
    assert await way.go(1, 2) == []
    assert await store.payloads() == [1, 2]
    assert way.held_up == [error] * 3


async def test_nothing_overtakes_what_is_tried_again(way: Way, store: FailingStore) -> None:
    """While an entry waits for the store, those behind it wait, too."""
    store.down = NotStoredError()
    first = asyncio.create_task(way.go(1, 2))
    await until(lambda: len(store.appends) >= 3)
    assert await store.payloads() == []
    store.down = None
    await first
    await way.go(3, first=3)
    assert await store.payloads() == [1, 2, 3]


async def test_an_unknown_that_was_stored_is_one_message(way: Way, store: FailingStore) -> None:
    """Tried again with the same key, it is the message that the store had all along, and counted as a duplicate."""
    store.errors, store.stores = [UnknownOutcomeError()], True
    assert await way.go(1, 2) == []
    assert await store.payloads() == [1, 2]
    assert way.figures.duplicates == 2


async def test_poison_does_not_stop_its_neighbours(way: Way, store: FailingStore) -> None:
    """Each entry that cannot become a message is handed back with its error; the others are stored in order."""
    bad = QueueEntry("2-0", b"{")
    one, _, three = entries(1, 2, 3)
    (poison,) = await way.forwarder.forward([one, bad, three])
    assert poison.entry is bad
    assert poison.error.status == 400
    assert await store.payloads() == [1, 3]


async def test_a_package_that_inflates_is_read_in_a_thread(
    way: Way, store: FailingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds up nobody meanwhile, keeps its place in the queue, and damage in it is poison as any other."""
    threads: list[str] = []

    def check(body: PublishBody, limits: Limits) -> None:
        threads.append(threading.current_thread().name)
        check_all_compressed(body, limits)

    monkeypatch.setattr("fast_sse.ingest.package.check_all_compressed", check)
    member = gzip.compress(Random(1).randbytes(100_000))
    headers = {"message_compressed": "true"}
    good, cut = (base64.b64encode(one).decode() for one in (member, member[:-1]))
    one, _, _, four = entries(1, 2, 3, 4)
    whole = QueueEntry("2-0", package(good, headers=headers))
    broken = QueueEntry("3-0", package(cut, headers=headers))
    (poison,) = await way.forwarder.forward([one, whole, broken, four])
    assert poison.entry is broken
    assert poison.error.status == 400
    assert await store.payloads() == [1, good, 4]
    assert [name == "MainThread" for name in threads] == [True, False, False, True]


@pytest.mark.parametrize("error", [KeyConflictError("used"), TooLargeError("the broker says so")])
async def test_what_the_store_refuses_for_good_is_poison(
    way: Way, store: FailingStore, error: FastSseError
) -> None:
    """A refusal that would be the same tomorrow must not hold up the queue for ever."""
    store.errors = [error]
    assert [poison.error for poison in await way.go(1)] == [error]


async def test_another_body_under_a_producers_key_is_poison(way: Way, store: FailingStore) -> None:
    """The same `idempotency_key` with another body is a conflict, as over HTTP, and only that entry's."""
    keyed = [QueueEntry(f"{n}-0", package(n, idempotency_key="k")) for n in (1, 2)]
    (poison,) = await way.forwarder.forward([*keyed, *entries(3, first=3)])
    assert poison.entry is keyed[1]
    assert isinstance(poison.error, KeyConflictError)
    assert await store.payloads() == [1, 3]


async def test_poison_is_kept_before_it_is_handed_back(way: Way, store: FailingStore) -> None:
    """Each is one letter by then, however many come at once and however often."""
    bad = [QueueEntry(f"{n}-0", b"%d" % n) for n in range(40)]
    for _ in range(2):
        assert [poison.entry for poison in await way.forwarder.forward(bad)] == bad
    assert [letter.raw for letter in await store.poison()] == [entry.package for entry in bad]


@pytest.mark.parametrize("stores", [False, True])
async def test_what_cannot_be_kept_is_tried_until_it_is(way: Way, store: FailingStore, stores: bool) -> None:
    """Nothing is handed back before; what was kept by an attempt of unknown outcome is the same letter."""
    store.dead.down, store.dead.stores = UnknownOutcomeError(), stores
    work = asyncio.create_task(way.forwarder.forward([QueueEntry(f"{n}-0", b"{") for n in range(40)]))
    await until(lambda: len(way.held_up) > 2)
    assert not work.done()
    store.dead.down = None
    assert len(await work) == len(await store.poison()) == 40


async def test_who_may_not_publish_keeps_nothing(way: Way, store: FailingStore) -> None:
    """A reader that lost its queue would bring back what an operator has purged."""
    way.lost = True
    with pytest.raises(PermissionError):
        await way.forwarder.forward([QueueEntry("1-0", b"{")])
    assert await store.poison() == []


async def test_an_error_that_no_wait_mends_ends_it(way: Way, store: FailingStore) -> None:
    """A store that is closed, and a defect of ours: both come out, and no entry is taken for kept."""
    for error in (StoreClosedError("closed"), DefectError()):
        store.dead.down = error
        with pytest.raises(type(error)):
            await way.forwarder.forward([QueueEntry("1-0", b"{")])


async def test_a_defect_in_one_entry_does_not_hold_up_the_queue(
    way: Way, store: FailingStore, facts: Facts
) -> None:
    """An error of ours that one entry provokes is told as a defect, and the entry is kept aside."""
    way.defect = ZeroDivisionError("x")
    (poison,) = await way.go(1)
    assert poison.error.code == "internal"
    assert "ZeroDivisionError" in facts.of(DefectSeen)[0].traceback


async def test_entries_that_come_again_are_known(way: Way, store: FailingStore) -> None:
    """What was stored and not acknowledged is stored once, also beside what is new."""
    await way.go(1, 2, 3)
    await way.go(1, 2, 3, 4)
    assert await store.payloads() == [1, 2, 3, 4]
    assert way.figures.duplicates == 3


async def test_one_append_has_a_size(store: FailingStore, facts: Facts) -> None:
    """Large entries go to the store in groups that stay below the bound, in order; a larger one goes alone."""
    hub = make_hub(store, facts, msgspec.structs.replace(LIMITS, ingest_bytes_max=4000))
    await hub.start()
    data = ["a" * 1500, "b" * 1500, "c" * 1500, "d" * 9000, "e"]
    assert await Way(hub, facts).go(*data) == []
    await hub.close()
    assert store.appends == [2, 1, 1, 1]
    assert await store.payloads() == data


async def test_large_packages_leave_others_their_turn(way: Way) -> None:
    """Between some hundred kilobytes of parsing the loop serves everybody else."""
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    await way.go(*["x" * 200_000] * 10)
    beside.cancel()
    assert turns >= 4


async def test_who_may_not_publish_does_not(way: Way, store: FailingStore) -> None:
    """The right to publish is looked at before each attempt, also between two of them."""
    store.down = NotStoredError()
    work = asyncio.create_task(way.go(1))
    await until(lambda: store.appends)
    way.lost, store.down = True, None
    with pytest.raises(PermissionError):
        await work
    assert await store.payloads() == []


async def test_a_closed_store_ends_it(way: Way, store: FailingStore) -> None:
    """There is nothing to wait for: the hub is going."""
    await store.close()
    with pytest.raises(StoreClosedError):
        await way.go(1)


async def test_the_store_says_how_long_to_wait(
    way: Way, store: FailingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two attempts lies the wait that doubles, or the longer one that the error asks for."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("fast_sse.ingest.forward.asyncio", SimpleNamespace(sleep=sleep))
    store.errors = [NotStoredError(), NotStoredError(retry_after_s=7), NotStoredError(), NotStoredError()]
    assert await way.go(1) == []
    first = LIMITS.retry_store_s
    assert waits == [first, 7, 4 * first, LIMITS.retry_store_s_max]


@pytest.mark.parametrize(("less", "appends"), [(0, [3]), (1, [2, 1])])
async def test_an_append_holds_exactly_its_bytes(
    hub: Hub, facts: Facts, store: FailingStore, less: int, appends: list[int]
) -> None:
    """Entries that weigh exactly as much as one append may go together; one byte less divides them."""
    packages = Packages("hub:q", hub.limits, lambda: 0.0, lambda _channel: None)
    size = sum(packages.draft(entry).size_bytes for entry in entries(1, 2, 3))
    small = make_hub(store, facts, msgspec.structs.replace(LIMITS, ingest_bytes_max=size - less))
    assert await Way(small, facts).go(1, 2, 3) == []
    assert store.appends == appends
