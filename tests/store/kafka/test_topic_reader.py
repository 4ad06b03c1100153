"""The reader of the topic: it goes on exactly where it was, and notices when that place is not what it was.

The broker here is one of its own: its log loses its tail for real, as after an unclean election.
"""

from __future__ import annotations

import asyncio
import sqlite3
import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from tests.contract.backends import draft
from tests.store.kafka.conftest import EVERYTHING, Cluster, MakeCluster, records
from tests.support.kafka_broker import Broker, need_kafka

from fast_sse.model.cursor import Cursor
from fast_sse.model.errors import UnavailableError
from fast_sse.model.message import Record
from fast_sse.store.base import Appended, Gap, OvertakenError
from fast_sse.store.kafka import topic_reader
from fast_sse.store.kafka.sender import Sender
from fast_sse.store.kafka.settings import make_consumer
from fast_sse.store.kafka.store import KafkaStore
from fast_sse.store.rows.wal import WAL_BYTES

pytestmark = [pytest.mark.slow, pytest.mark.wire, pytest.mark.timeout(180)]

#: Base offset and length, before every batch of a segment.
_BATCH = struct.Struct(">qi")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    need_kafka()
    with Broker(tmp_path_factory.mktemp("broker")) as made:
        yield made


@pytest.fixture
def cluster(broker: Broker, make_cluster: MakeCluster) -> Cluster:
    return make_cluster(broker)


def lose_tail(cluster: Cluster, below: int) -> None:
    """Kill the broker, cut its segment at an offset, and start it again: it never had what lay above."""
    cluster.broker.kill()
    directory = cluster.broker.directory / "log" / f"{cluster.topic}-0"
    segment = directory / "00000000000000000000.log"
    content, place = segment.read_bytes(), 0
    while place < len(content):
        base, length = _BATCH.unpack_from(content, place)
        if base >= below:
            break
        place += _BATCH.size + length
    assert place < len(content), "there was nothing to lose"
    with segment.open("r+b") as file:
        file.truncate(place)
    cluster.broker.start()


async def publish(store: KafkaStore, data: bytes) -> Cursor:
    """As a publisher does: again with the same key until it is answered."""
    async with asyncio.timeout(40):
        while True:
            (outcome,) = await store.append([draft(data=data, keys=(f"k{data.decode()}",))])
            if isinstance(outcome, Appended):
                return outcome.cursor
            assert isinstance(outcome, UnavailableError)
            await asyncio.sleep(0.05)


async def put_one_by_one(store: KafkaStore, *datas: bytes) -> list[Cursor]:
    """Each in a batch of its own, so that the tail can be cut anywhere."""
    return [await publish(store, data) for data in datas]


async def next_gap(store: KafkaStore, after: Cursor) -> Gap:
    """What a follower at a cursor is told, however often the log cannot be reached before."""
    async with asyncio.timeout(30):
        while True:
            try:
                await anext(store.follow(after))
            except OvertakenError as overtaken:
                return overtaken.gap
            except UnavailableError:
                await asyncio.sleep(0.05)


async def until_healthy(store: KafkaStore) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                return await store.ping()
            except UnavailableError:
                await asyncio.sleep(0.05)


def datas(found: list[Record]) -> list[bytes]:
    return [record.data for record in found]


@pytest.mark.parametrize("renews", [True, False], ids=["renewed in time", "sent before"])
async def test_a_lost_tail_is_noticed_and_told(
    cluster: Cluster, renews: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The view drops what the topic lost, keys included; who had it is told; reused offsets are other places.

    Also where something is sent before the producer was replaced: the broker then ends it for good (a sequence number
    that it did not expect), and the next one sends.
    """
    if not renews:
        monkeypatch.setattr(Sender, "renew", lambda _self: None)
    store = await cluster.open(deadline_s=5.0)
    cursors = await put_one_by_one(store, *(b"%d" % number for number in range(8)))
    follower = store.follow(cursors[-1])
    waiting = asyncio.ensure_future(anext(follower))
    await asyncio.to_thread(lose_tail, cluster, 5)
    with pytest.raises((OvertakenError, UnavailableError)):
        await asyncio.wait_for(waiting, 30)
    gap = await next_gap(store, cursors[-1])
    assert gap == Gap("ahead", cursors[4])
    assert datas(await records(store)) == [b"%d" % number for number in range(5)]
    await until_healthy(store)
    again = await put_one_by_one(store, b"5", b"6", b"new")
    assert [cursor.position for cursor in again] == [cursor.position for cursor in cursors[5:]]
    assert {cursor.text for cursor in again}.isdisjoint(cursor.text for cursor in cursors)
    for lost in cursors[5:]:
        found = await store.read(EVERYTHING, lost, 10, 1 << 20)
        assert found.gap is not None
        assert found.gap.reason == "lost_tail"
    for kept in (*cursors[:5], *again):
        assert (await store.read(EVERYTHING, kept, 10, 1 << 20)).gap is None


async def test_a_tail_lost_while_the_node_was_down(cluster: Cluster) -> None:
    """A view that is ahead of its topic, or differs from it, is cut at the last entry that both have."""
    store = await cluster.open(deadline_s=5.0)
    cursors = await put_one_by_one(store, *(b"%d" % number for number in range(8)))
    await store.close()
    await asyncio.to_thread(lose_tail, cluster, 3)
    other = await cluster.open("b", deadline_s=20.0)
    new = await put_one_by_one(other, *(b"1%d" % number for number in range(9)))
    again = await cluster.open("a", deadline_s=20.0)
    assert await records(again) == await records(other)
    assert (await again.read(EVERYTHING, cursors[2], 20, 1 << 20)).records[0].position == new[0].position
    found = await again.read(EVERYTHING, cursors[6], 20, 1 << 20)
    assert found.gap == Gap("lost_tail", new[2])


class Noted:
    """A consumer that notes where it is sent."""

    def __init__(self, consumer: Consumer, offsets: list[int]) -> None:
        self._consumer = consumer
        self._offsets = offsets

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)

    def assign(self, places: list[TopicPartition]) -> None:
        self._offsets += [place.offset for place in places]
        self._consumer.assign(places)


async def test_a_session_reads_on_from_the_entry_that_it_compared(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not sent behind it: a fetch from there is under way, and on a quiet topic takes half a second to be answered."""
    offsets: list[int] = []
    monkeypatch.setattr(topic_reader, "make_consumer", lambda *how: Noted(make_consumer(*how), offsets))
    store = await cluster.open()
    await put_one_by_one(store, b"0", b"1")
    assert offsets == [0]
    store._suspect()
    async with asyncio.timeout(30):
        while len(offsets) == 1:  # noqa: ASYNC110  the follower's thread does not tell when it begins to compare
            await asyncio.sleep(0.01)
    await put_one_by_one(store, b"2")
    assert offsets == [0, 1]
    assert datas(await records(store)) == [b"0", b"1", b"2"]


async def test_a_broker_that_was_killed_goes_on(cluster: Cluster) -> None:
    """Kill -9 and restart: what was answered is there, in its order, once; what was not is told in time, or stored."""
    store = await cluster.open(deadline_s=8.0)
    follower = store.follow((await store.bounds()).newest)
    unanswered = 0

    async def under_load(number: int) -> Cursor:
        nonlocal unanswered
        unanswered += 1
        cursor = await publish(store, b"%d" % number)
        unanswered -= 1
        return cursor

    sent = [asyncio.ensure_future(under_load(number)) for number in range(200)]
    await asyncio.gather(*sent[:50])
    sent += [asyncio.ensure_future(under_load(number)) for number in range(200, 220)]
    await asyncio.sleep(0)
    cluster.broker.kill()  # the loop stands still meanwhile, so nothing is answered before it
    assert unanswered >= 20, "the kill came too late to strike anything"
    sent += [asyncio.ensure_future(under_load(number)) for number in range(220, 240)]
    await asyncio.to_thread(cluster.broker.start)
    cursors = await asyncio.gather(*sent)
    found = await records(store)
    assert sorted(datas(found)) == sorted(b"%d" % number for number in range(240))
    assert {record.data: record.position for record in found} == {
        b"%d" % number: cursor.position for number, cursor in enumerate(cursors)
    }
    heard = await heard_by(store, follower, len(found))
    assert heard == found


async def heard_by(store: KafkaStore, follower: AsyncIterator[list[Record]], count: int) -> list[Record]:
    """What a follower hears that begins again after each failure, as the hub's does."""
    heard: list[Record] = []
    start = (await store.bounds()).trimmed
    async with asyncio.timeout(30):
        while len(heard) < count:
            try:
                heard += await anext(follower)
            except (UnavailableError, StopAsyncIteration):
                place = start.at(heard[-1].position, heard[-1].fingerprint) if heard else start
                follower = store.follow(place)
                await asyncio.sleep(0.02)
    return heard


async def test_a_broker_that_is_down_at_the_start(make_cluster: MakeCluster, tmp_path: Path) -> None:
    """Opening says that it is unavailable, in time, and succeeds when it is asked again later."""
    need_kafka()
    own = Broker(tmp_path / "own")
    cluster = make_cluster(own)
    try:
        store = cluster.make(deadline_s=2.0)
        with pytest.raises(UnavailableError):
            await asyncio.wait_for(store.open(), 10)
        await asyncio.to_thread(own.start)
        async with asyncio.timeout(30):
            while True:
                try:
                    await store.open()
                    break
                except UnavailableError:
                    await asyncio.sleep(0.05)
        await publish(store, b"there")
    finally:
        own.kill()


async def test_a_view_that_somebody_holds_is_bounded(cluster: Cluster) -> None:
    """A stranger's open transaction ends in refusals before it fills the disk, and is forgotten once it has ended."""
    store = await cluster.open(deadline_s=6.0)
    assert store._reader is not None
    wal = store._reader.wal
    wal._bytes_max = 1 << 20
    start = (await store.bounds()).newest
    stranger = sqlite3.connect(cluster.view(), isolation_level=None)
    stranger.execute("BEGIN")
    stranger.execute("SELECT count(*) FROM log").fetchone()
    stored = 0
    while True:
        (outcome,) = await store.append([draft(data=b"x" * 100_000)])
        if not isinstance(outcome, Appended):
            break
        stored += 1
        assert stored < 50, "nobody was refused"
    with pytest.raises(UnavailableError, match="write-ahead log"):
        await store.ping()
    assert {one.name: one.value for one in store.samples()}["log_wal_held"]
    assert wal.path.stat().st_size < 3 << 20
    stranger.execute("ROLLBACK")
    stranger.close()
    await until_healthy(store)
    await publish(store, b"last")
    found = datas((await store.read(EVERYTHING, start, 1000, 1 << 30)).records)
    assert found.count(b"x" * 100_000) >= stored
    assert found[-1] == b"last"
    assert not wal.held
    assert wal.path.stat().st_size < 1 << 20


async def test_a_view_stays_small_by_itself(cluster: Cluster) -> None:
    """Its write-ahead log is begun anew as it grows, whoever reads meanwhile."""
    store = await cluster.open()
    assert store._reader is not None
    wal = store._reader.wal
    for _ in range(60):
        await store.append([draft(data=b"x" * 100_000) for _ in range(10)])
        await store.last(EVERYTHING, 1)
    assert wal.path.stat().st_size < 2 * WAL_BYTES
