"""One node without a socket: how far it opens, what operators may ask of it at every step, and its end."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.app.conftest import StubbornStore
from tests.support.sign import SECRET

from fast_sse.config import Config, load
from fast_sse.model.channel import Channel
from fast_sse.model.errors import ConfigError, NotStoredError, StoreClosedError, UnavailableError
from fast_sse.node import Node
from fast_sse.observe.logging import make_log
from fast_sse.observe.metrics import Sample
from fast_sse.observe.observer import Fact, HubStarted, HubStopped
from fast_sse.parts import make_sources

CART = Channel("carid000001", "cart_changed")


class Notes:
    """An observer that keeps what it gets."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []

    def notify(self, fact: Fact) -> None:
        """Keep it."""
        self.facts.append(fact)


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> Config:
    """Quick limits."""
    monkeypatch.setenv("FAST_SSE_AUTH__SECRET", SECRET)
    monkeypatch.setenv("FAST_SSE_LIMITS__RETRY_STORE_S", "0.01")
    return load(None, {"store": "memory", "drain_s": 0.05, "node": "n1"})


@pytest.fixture
def store() -> StubbornStore:
    """Opens when the test says so."""
    return StubbornStore()


@pytest.fixture
def notes() -> Notes:
    """Gets every fact of the node."""
    return Notes()


@pytest.fixture
async def node(config: Config, store: StubbornStore, notes: Notes) -> AsyncIterator[Node]:
    """A node that nothing was done with yet; closed later."""
    node = Node(config, store, make_sources(config), make_log("debug", io.StringIO()), observers=[notes])
    yield node
    await node.close()


async def numbers(node: Node) -> dict[str, float]:
    """What the node tells: value by series."""
    text, _ = await node.metrics("")
    lines = [line for line in text.decode().splitlines() if not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


async def test_a_store_is_opened_once(node: Node, store: StubbornStore) -> None:
    """A store that is open and cannot say where its log ends is asked again, and not opened again."""
    store.silent = [NotStoredError("silent"), NotStoredError("silent")]
    for _ in range(2):
        with pytest.raises(UnavailableError, match="silent"):
            await node.open()
        store.error = ConfigError("data_dir", "is open already")
        assert not node.is_open
    await node.open()
    assert (store.opens, node.is_open) == (1, True)


async def test_a_store_that_is_away_is_waited_for(node: Node, store: StubbornStore) -> None:
    """`open_unless` tries until it is there."""
    store.error = NotStoredError("away")
    opening = asyncio.create_task(node.open_unless(asyncio.Event()))
    for _ in range(3):
        await store.tried.wait()
        store.tried.clear()
    store.error = None
    assert await opening is not None
    assert node.is_open


async def test_waiting_for_a_store_ends_with_the_event(node: Node, store: StubbornStore) -> None:
    """None, at once, and no further try; nor is there a first one when the event came before."""
    store.error, stopped = NotStoredError("away"), asyncio.Event()
    opening = asyncio.create_task(node.open_unless(stopped))
    await store.tried.wait()
    stopped.set()
    assert await opening is None
    opens = store.opens
    assert await node.open_unless(stopped) is None
    assert store.opens == opens


async def test_before_the_store_is_open_nothing_is_promised(node: Node, store: StubbornStore) -> None:
    """What operators ask for is refused as what may work later, and the store is not asked."""
    with pytest.raises(NotStoredError, match="not open yet"):
        await node.erase(CART)
    with pytest.raises(UnavailableError, match="not open yet"):
        await node.probe_publish()
    with pytest.raises(NotStoredError, match="not open yet"):
        await node.put(CART, b'{"data":1}')
    with pytest.raises(UnavailableError, match="not open yet"):
        _ = node.hub
    assert node.letters_by_reason is None
    assert (node.state, node.following, node.is_open, store.opens) == ("starting", False, False, 0)
    told = await numbers(node)
    assert told['fast_sse_ready{node="n1"}'] == 0
    assert not [series for series in told if "streams_open" in series]


async def test_the_numbers_are_those_of_every_part(node: Node) -> None:
    """Process, node, observers, store, hub and routes, and whatever a server adds; none fails."""
    await node.open()
    node.samplers.append(lambda: [Sample("connections", "gauge", "Open connections.", 7)])
    node.serve()
    told = await numbers(node)
    for series in (
        'fast_sse_ready{node="n1"}',
        'fast_sse_store_up{node="n1"}',
        'fast_sse_following{node="n1"}',
        'fast_sse_node_info{durability="process",node="n1",store="memory"}',
    ):
        assert told[series] == 1
    for series in ("observer_failures_total", "keys_cut_total", "streams_open", "metrics_failed"):
        assert told[f'fast_sse_{series}{{node="n1"}}'] == 0
    assert told['fast_sse_connections{node="n1"}'] == 7
    assert any(series.startswith("process_resident_memory_bytes") for series in told)


async def test_states_follow_one_another(node: Node, store: StubbornStore, notes: Notes) -> None:
    """Starting until it serves, ready until it is withdrawn; then all ends, and another end is none."""
    assert node.state == "starting"
    await node.open()
    assert node.state == "starting"
    node.serve()
    assert node.state == "ready"
    await node.drain()
    assert (node.state, store.closed) == ("draining", False)
    await node.close()
    assert (node.following, store.closed) == (False, True)
    assert [type(fact) for fact in notes.facts if isinstance(fact, HubStarted | HubStopped)] == [
        HubStarted,
        HubStopped,
    ]
    with pytest.raises(StoreClosedError):
        await node.erase(CART)


async def test_a_node_that_never_opened_can_be_drained_and_closed(node: Node, store: StubbornStore) -> None:
    """However far it came."""
    store.error = NotStoredError("away")
    with pytest.raises(NotStoredError):
        await node.open()
    await node.drain()
    await node.close()
    assert (node.state, store.closed) == ("draining", True)


@pytest.mark.parametrize("turns", range(1, 6))
async def test_a_close_that_is_cancelled_is_done_all_the_same(
    node: Node, store: StubbornStore, notes: Notes, turns: int
) -> None:
    """Wherever that meets it: who was cancelled goes on when the store is closed, so that the next start finds it free."""
    await node.open()
    node.serve()
    closing = asyncio.create_task(node.close())
    for _ in range(turns):
        await asyncio.sleep(0)
    assert not store.closed
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert (node.following, store.closed) == (False, True)
    assert isinstance(notes.facts[-1], HubStopped)


class Queue:
    """A foreign queue that says what was done to it."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def start(self) -> None:
        """Read."""
        self.done.append("start")

    async def stop(self) -> None:
        """Read no more."""
        self.done.append("stop")

    def samples(self) -> list[Sample]:
        """One number."""
        return [Sample("ingest_reading", "gauge", "Reads.", 1, (("queue", "q"),))]


async def test_queues_are_read_while_the_node_serves(config: Config, store: StubbornStore) -> None:
    """They are made over the open hub, give their numbers, and are let go even where nothing was drained."""
    queue, made = Queue(), []

    def make(*parts: Any) -> Any:
        made.append(parts)
        return [queue]

    node = Node(config, store, make, make_log("debug", io.StringIO()))
    await node.open()
    assert (made, queue.done) == ([], [])
    node.serve()
    assert (len(made), queue.done) == (1, ["start"])
    assert (await numbers(node))['fast_sse_ingest_reading{node="n1",queue="q"}'] == 1
    await node.close()
    assert queue.done == ["start", "stop"]
