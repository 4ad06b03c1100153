"""A topic that changes under a node at its end, where no read fails and nobody asks anything."""

from __future__ import annotations

import asyncio

import pytest
from tests.contract.asserting import put
from tests.contract.backends import draft
from tests.store.kafka.conftest import Cluster

from fast_sse.model.cursor import Cursor
from fast_sse.model.errors import UnavailableError
from fast_sse.store.base import Appended, Gap, OvertakenError
from fast_sse.store.kafka import watch
from fast_sse.store.kafka.store import KafkaStore

pytestmark = [pytest.mark.slow, pytest.mark.wire, pytest.mark.timeout(180)]


async def until_down(store: KafkaStore) -> str:
    """Why the log cannot be followed, as soon as it cannot."""
    async with asyncio.timeout(20):
        while store._down is None:  # noqa: ASYNC110  another thread finds it
            await asyncio.sleep(0.02)
    return store._down.message


async def told_gap(store: KafkaStore, after: Cursor) -> Gap:
    """What a follower is told, however often there is no log to follow before."""
    async with asyncio.timeout(20):
        while True:
            try:
                async for _ in store.follow(after):
                    raise AssertionError("it was to hear of no record")
            except OvertakenError as overtaken:
                return overtaken.gap
            except UnavailableError:
                await asyncio.sleep(0.05)


async def test_a_topic_made_again_is_noticed(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """By whoever follows it, though the consumer hears of nothing; another node may make it again, or this one does."""
    monkeypatch.setattr(watch, "LOOK_S", 0.3)
    store = await cluster.open()
    (old,) = await put(store, draft(data=b"old"))
    told = asyncio.create_task(told_gap(store, old))
    await asyncio.sleep(0)
    cluster.delete()
    gap = await told
    assert (gap.reason, gap.resumed_at.epoch != old.epoch) == ("epoch", True)


async def test_partitions_added_are_noticed(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order is no longer promised by the topic: it is not written to, long before the next start refuses it."""
    monkeypatch.setattr(watch, "LOOK_S", 0.3)
    store = await cluster.open()
    cluster.add_partitions(2)
    assert "has 2 partitions" in await until_down(store)


async def test_a_publish_waits_for_the_topic_to_be_made_again(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A topic that is gone is noticed and made within the deadline of who publishes meanwhile; nobody has to ask."""
    monkeypatch.setattr(watch, "LOOK_S", 0.3)
    store = await cluster.open(deadline_s=20.0)
    (old,) = await put(store, draft(data=b"old"))
    cluster.delete()
    (outcome,) = await store.append([draft(data=b"new")])
    assert isinstance(outcome, Appended), outcome
    assert outcome.cursor.epoch != old.epoch
