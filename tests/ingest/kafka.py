"""A topic as its producers and its operator see it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from confluent_kafka import (
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec
from confluent_kafka.cimpl import NewTopic
from tests.ingest.conftest import package
from tests.support.kafka_broker import Broker

QUIET = {"log_level": "0", "reconnect.backoff.ms": "20", "reconnect.backoff.max.ms": "100"}
ANSWER_S = 20.0


class Topic:
    """One topic. What it does blocks; tests call it between awaits."""

    def __init__(self, broker: Broker, name: str, partitions: int = 1) -> None:
        self.broker = broker
        self.name = name
        self.settings: dict[str, str] = {"bootstrap.servers": broker.bootstrap, **QUIET}
        self.admin = AdminClient({**self.settings})
        self.make(partitions)

    def make(self, partitions: int = 1) -> None:
        """Create it, for records larger than a message may be."""
        topic = NewTopic(self.name, partitions, config={"max.message.bytes": "4000000"})
        self.admin.create_topics([topic])[self.name].result(ANSWER_S)

    def delete(self) -> None:
        """Delete it, and wait until it is gone."""
        self.admin.delete_topics([self.name])[self.name].result(ANSWER_S)

    def add(self, *data: Any, partition: int = 0) -> None:
        """What a producer of the original would write."""
        self.add_raw(*map(package, data), partition=partition)

    def add_raw(self, *values: bytes | None, partition: int = 0, **more: Any) -> None:
        """Records as they are, acknowledged."""
        producer = Producer({**self.settings, "message.max.bytes": 4_000_000})
        for value in values:
            producer.produce(self.name, value=value, partition=partition, **more)
        assert producer.flush(ANSWER_S) == 0

    def committed(self, group: str = "fast-sse", partition: int = 0) -> int:
        """The committed offset of the group; negative for none."""
        asked = ConsumerGroupTopicPartitions(group, [TopicPartition(self.name, partition)])
        found = self.admin.list_consumer_group_offsets([asked])[group].result(ANSWER_S)
        return int(found.topic_partitions[0].offset)

    def commit(self, offset: int, group: str = "fast-sse", partition: int = 0) -> None:
        """Move the group, of which nobody reads now, to an offset."""
        moved = ConsumerGroupTopicPartitions(group, [TopicPartition(self.name, partition, offset)])
        self.admin.alter_consumer_group_offsets([moved])[group].result(ANSWER_S)

    def members(self, group: str = "fast-sse") -> dict[str, set[int]]:
        """By client name, the partitions that each member of the group reads; of nobody while it is not settled."""
        found = self.admin.describe_consumer_groups([group])[group].result(ANSWER_S)
        if found.state != ConsumerGroupState.STABLE:
            return {}
        return {
            member.client_id: {place.partition for place in member.assignment.topic_partitions}
            for member in found.members
        }

    def trim(self, before: int, partition: int = 0) -> None:
        """Let go what lies below an offset, as retention does."""
        place = TopicPartition(self.name, partition, before)
        (answer,) = self.admin.delete_records([place]).values()
        answer.result(ANSWER_S)

    def end(self, partition: int = 0) -> int:
        """The offset behind the last record."""
        return self._ends([TopicPartition(self.name, partition)])

    def _ends(self, places: list[TopicPartition]) -> int:
        """The sum of their ends; asked again when a broker that was away has led to another epoch."""
        deadline_s = time.monotonic() + ANSWER_S
        while True:
            answers = self.admin.list_offsets({place: OffsetSpec.latest() for place in places}).values()
            try:
                return sum(answer.result(ANSWER_S).offset for answer in answers)
            except KafkaException:
                if time.monotonic() > deadline_s:
                    raise
                self.admin.list_topics(timeout=ANSWER_S)

    async def until_committed(self, offset: int, within_s: float = 20.0, partition: int = 0) -> None:
        """Wait until the group has committed that far."""
        async with asyncio.timeout(within_s):
            while await asyncio.to_thread(self.committed, partition=partition) != offset:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
