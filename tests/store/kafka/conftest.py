"""Topics on the worker's broker, and nodes that share one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)
from tests.support.kafka_broker import Broker, shared_broker, topic_name

from fast_sse.model.channel import Channel, Filter
from fast_sse.model.message import Record
from fast_sse.store.base import Retention, Windows
from fast_sse.store.kafka.settings import KafkaSettings
from fast_sse.store.kafka.store import KafkaStore
from fast_sse.store.kafka.topic import Topic
from fast_sse.store.letters import LetterBounds

EVERYTHING = Filter.of(Channel("*", "*"))
FOREVER = Retention(max_age_s=None, max_bytes=None)


class Cluster:
    """One topic name on a broker, what an operator does to it, and nodes of a hub on it."""

    def __init__(self, broker: Broker, directory: Path, bootstrap: str = "") -> None:
        self.broker = broker
        self.directory = directory
        self.topic = topic_name()
        self.bootstrap = bootstrap or broker.bootstrap
        self.nodes: list[KafkaStore] = []
        self.topics: list[Topic] = []
        self._client: AdminClient | None = None

    @property
    def admin(self) -> AdminClient:
        if self._client is None:
            self._client = AdminClient({"bootstrap.servers": self.broker.bootstrap, "log_level": 0})
        return self._client

    # -- the topic ----------------------------------------------------------------------------------

    def create(self, *, partitions: int = 1, **config: Any) -> None:
        named = {name.replace("_", "."): value for name, value in config.items()}
        self.admin.create_topics([NewTopic(self.topic, partitions, config=named)])[self.topic].result(10)

    def delete(self) -> None:
        self.admin.delete_topics([self.topic])[self.topic].result(10)

    def delete_records(self, below: int) -> None:
        place = TopicPartition(self.topic, 0, below)
        self.admin.delete_records([place])[place].result(10)

    def add_partitions(self, total: int) -> None:
        self.admin.create_partitions([NewPartitions(self.topic, total)])[self.topic].result(10)

    def configure(self, **config: str) -> None:
        entries = [
            ConfigEntry(name.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
            for name, value in config.items()
        ]
        resource = ConfigResource(ResourceType.TOPIC, self.topic, incremental_configs=entries)
        self.admin.incremental_alter_configs([resource])[resource].result(10)

    def produce(self, *values: bytes | None, headers: Any = None) -> None:
        """Write what is not ours, as anybody may who reaches the topic."""
        producer = Producer({"bootstrap.servers": self.broker.bootstrap, "log_level": 0})
        for value in values:
            producer.produce(self.topic, value, b"key", partition=0, headers=headers)
        assert producer.flush(10) == 0

    # -- nodes --------------------------------------------------------------------------------------

    def settings(self, node: str, deadline_s: float, **more: Any) -> KafkaSettings:
        return KafkaSettings(
            bootstrap_servers=self.bootstrap, topic=self.topic, node=node, deadline_s=deadline_s, **more
        )

    def make(
        self,
        node: str = "a",
        *,
        deadline_s: float = 10.0,
        retention: Retention = FOREVER,
        windows: Windows | None = None,
        letters: LetterBounds | None = None,
        **more: Any,
    ) -> KafkaStore:
        store = KafkaStore(
            self.settings(node, deadline_s, **more),
            self.directory,
            retention,
            windows or Windows(),
            letters=letters or LetterBounds(),
        )
        self.nodes.append(store)
        return store

    async def open(self, node: str = "a", **more: Any) -> KafkaStore:
        store = self.make(node, **more)
        await store.open()
        return store

    def view(self, node: str = "a") -> Path:
        return self.directory / f"view-{node}.db"

    async def close(self) -> None:
        for store in self.nodes:
            await store.close()
        for topic in self.topics:
            topic.close()
        self._client = None


MakeCluster = Callable[..., Cluster]


@pytest.fixture
async def make_cluster(tmp_path: Path) -> AsyncIterator[MakeCluster]:
    made: list[Cluster] = []

    def make(broker: Broker, bootstrap: str = "") -> Cluster:
        made.append(Cluster(broker, tmp_path / "data", bootstrap))
        return made[-1]

    yield make
    for cluster in made:
        await cluster.close()


@pytest.fixture
async def cluster(make_cluster: MakeCluster) -> Cluster:
    """A topic of its own on the shared broker."""
    return make_cluster(await asyncio.to_thread(shared_broker))


async def records(store: KafkaStore) -> list[Record]:
    """Everything that a node's view retains."""
    return (await store.read(EVERYTHING, (await store.bounds()).trimmed, 100_000, 1 << 30)).records


async def until(store: KafkaStore, count: int) -> list[Record]:
    """What follows from the beginning, once there are `count` records."""
    found: list[Record] = []
    async with asyncio.timeout(30):
        async for group in store.follow((await store.bounds()).trimmed):
            found += group
            if len(found) >= count:
                break
    return found
