"""A topic on the worker's broker, and what the world may do to it.

A broker applies retention every five minutes and to whole segments, so the place plays that part at once, with the
request that moves a topic's beginning for real (DeleteRecords). A topic cannot be made to lose its tail on demand
without breaking the broker that others use: a loss is a copy of the topic without its tail, which the store takes for
the topic itself, beside the node's view of what was there before. A broker that really loses a tail is in
tests/store/kafka.
"""

from __future__ import annotations

import asyncio
import functools
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from tests.contract.places import BOUNDS, DurablePlace, NowMs
from tests.support.kafka_broker import shared_broker, topic_name

from fast_sse.model.cursor import Position
from fast_sse.store.base import Retention, Store, Windows
from fast_sse.store.kafka.settings import KafkaSettings, OnError, make_producer, topic_config
from fast_sse.store.kafka.store import KafkaStore
from fast_sse.store.kafka.topic import Facts, Topic
from fast_sse.store.letters import LetterBounds


def _make_producer(settings: KafkaSettings, bytes_max: int, on_error: OnError) -> Producer:
    return _producer(settings.bootstrap_servers)


@functools.cache
def _producer(bootstrap_servers: str) -> Producer:
    """The store's own producer, but one for all of them: a new one waits half a second for its place in the order."""
    settings = KafkaSettings(bootstrap_servers=bootstrap_servers, deadline_s=30.0)
    return make_producer(settings, settings.entry_bytes_max, lambda error: None)


class Copy(NamedTuple):
    """A topic's entries from offset `low` on: time, key, value."""

    low: int
    entries: list[tuple[int, bytes | None, bytes | None]]


class Passing(Topic):
    """A topic that passes for another one: its epoch is the other's."""

    epoch = ""

    def look(self) -> Facts:
        facts = super().look()
        self.own_epoch = facts.epoch
        return facts._replace(epoch=self.epoch or facts.epoch)

    async def check_writable(self, epoch: str) -> None:
        await super().check_writable(self.own_epoch)

    def is_still(self, found: Any, epoch: str) -> bool:
        return super().is_still(found, self.own_epoch)


class Trimmed(KafkaStore):
    """The store, and a broker that does not wait for its next look at retention."""

    kept: Retention
    place: KafkaPlace

    async def trim(self, keep_after: Position | None = None) -> int:
        kept, clock = self.kept, self.now_ms()
        rows = await self._opened().run(lambda log: log.oldest(1_000_000))
        size, low = sum(weight for _, _, weight in rows), 0
        for left, (position, time_ms, weight) in zip(range(len(rows), 0, -1), rows, strict=True):
            too_old = kept.max_age_s is not None and time_ms < clock - kept.max_age_s * 1000
            too_big = kept.max_bytes is not None and size > kept.max_bytes
            too_many = kept.max_messages is not None and left > kept.max_messages
            if not (too_old or too_big or too_many):
                break
            low, size = position, size - weight
        if low > self._topic._ends()[0]:
            await asyncio.to_thread(self.place.delete_records, low)
        return await super().trim(keep_after)


class KafkaPlace(DurablePlace):
    """One topic at a time: what hurts it may put another one in its place."""

    keeps_what_waits = False
    poison_has_a_place = True
    losses = "anchors"
    reuses_numbers = True
    keys_by_entries = True
    #: A topic that is put back has another UUID: it is another log, as one that was made anew.
    restorable = False
    identity_damages = ("topic made anew",)
    keeps_records_without_identity = False

    def __init__(self, directory: Path) -> None:
        self.broker = shared_broker()
        self.directory = directory
        self.topic = topic_name()
        self._topics = [self.topic]
        self._epoch = ""
        self._clients: dict[str, str | int | float | bool] = {
            "bootstrap.servers": self.broker.bootstrap,
            "log_level": 0,
        }
        self._admin = AdminClient(self._clients)

    def settings(self) -> KafkaSettings:
        return KafkaSettings(bootstrap_servers=self.broker.bootstrap, topic=self.topic, deadline_s=30.0)

    def make(
        self, retention: Retention, windows: Windows, clock: NowMs, letters: LetterBounds = BOUNDS
    ) -> Store:
        store = Trimmed(
            self.settings(),
            self.directory,
            retention,
            windows,
            letters=letters,
            now_ms=clock,
            make_topic=Passing,
            make_producer=_make_producer,
        )
        store.kept, store.place = retention, self
        assert isinstance(store._topic, Passing)
        store._topic.epoch = self._epoch
        return store

    async def clear(self) -> None:
        for future in self._admin.delete_topics(self._topics).values():
            await asyncio.wait({asyncio.wrap_future(future)})
        del self._admin

    async def kill(self, store: Store) -> None:
        left = self.directory.with_suffix(".left")
        shutil.copytree(self.directory, left)
        await store.close()
        shutil.rmtree(self.directory)
        shutil.move(left, self.directory)

    async def lose_tail(self, store: Store, last: Position) -> None:
        """Everything from the next record on, so that the duplicates behind the last one stay."""
        assert isinstance(store, KafkaStore)
        sql = "SELECT min(seq) FROM log WHERE seq > ?"
        following = await store._opened().run(lambda log: log.connection.execute(sql, (last,)).fetchone()[0])
        whole = await asyncio.to_thread(self.copied)
        kept = whole.entries if following is None else whole.entries[: following - 1 - whole.low]
        await self._replace_by(whole._replace(entries=kept), store)

    async def lose_identity(self, store: Store, damage: str) -> None:
        await store.close()
        self._epoch = ""
        self._next_topic()

    # -- the topic ----------------------------------------------------------------------------------

    def delete_records(self, low: int) -> None:
        place = TopicPartition(self.topic, 0, low)
        self._admin.delete_records([place])[place].result()

    def copied(self) -> Copy:
        """What the topic holds now."""
        settings = {"group.id": "copy", "auto.offset.reset": "earliest", "enable.partition.eof": True}
        consumer = Consumer({**self._clients, **settings})
        try:
            low, high = consumer.get_watermark_offsets(TopicPartition(self.topic, 0), timeout=10)
            consumer.assign([TopicPartition(self.topic, 0, low)])
            entries: list[tuple[int, bytes | None, bytes | None]] = []
            while low + len(entries) < high:
                message = consumer.poll(10)
                assert message is not None
                assert message.error() is None
                entries.append((message.timestamp()[1], message.key(), message.value()))
            return Copy(low, entries)
        finally:
            consumer.close()

    async def _replace_by(self, copy: Copy, store: Store) -> None:
        self._epoch = (await store.bounds()).newest.epoch
        await store.close()
        self._next_topic()
        await asyncio.to_thread(self._fill, copy)

    def _next_topic(self) -> None:
        self.topic = topic_name()
        self._topics.append(self.topic)

    def _fill(self, copy: Copy) -> None:
        config = topic_config(self.settings(), Retention(max_age_s=None, max_bytes=None), broker_time=False)
        self._admin.create_topics([NewTopic(self.topic, 1, config=config)])[self.topic].result()
        producer = Producer({**self._clients, "linger.ms": 1})
        for _ in range(copy.low):
            producer.produce(self.topic, b"", partition=0)
        for time_ms, key, value in copy.entries:
            producer.produce(self.topic, value, key, partition=0, timestamp=time_ms)
        assert producer.flush(10) == 0
        if copy.low:
            self.delete_records(copy.low)
