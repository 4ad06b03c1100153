"""The topic that is the log: made with our settings, and refused as anything else."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from tests.store.kafka.conftest import FOREVER, Cluster

from fast_sse.model.errors import ConfigError, NotStoredError, UnavailableError
from fast_sse.store.kafka.topic import Facts, Topic

pytestmark = [pytest.mark.slow, pytest.mark.wire]


def topic_of(cluster: Cluster, *, deadline_s: float = 10.0, **more: object) -> Topic:
    topic = Topic(cluster.settings("a", deadline_s, **more), FOREVER)
    cluster.topics.append(topic)
    return topic


async def look(topic: Topic) -> Facts:
    return await asyncio.to_thread(topic.look)


async def test_a_missing_topic_is_made_with_our_settings(cluster: Cluster) -> None:
    """One partition, the broker's time, our size of messages: the broker's own defaults have no say."""
    topic = topic_of(cluster, message_bytes_max=2_000_000)
    facts = await look(topic)
    assert (facts.low, facts.high, facts.bytes_max) == (0, 0, 2_016_384)
    found = cluster.admin.list_topics(cluster.topic, timeout=10).topics[cluster.topic]
    assert len(found.partitions) == 1
    config = topic._config()
    assert (config["cleanup.policy"], config["message.timestamp.type"]) == ("delete", "LogAppendTime")
    assert (config["retention.ms"], config["retention.bytes"]) == ("-1", "-1")


async def test_two_nodes_may_find_it_missing_at_once(cluster: Cluster) -> None:
    """One of them makes it, the others take it, and all have one epoch."""
    found = await asyncio.gather(*(look(topic_of(cluster)) for _ in range(3)))
    assert len({facts.epoch for facts in found}) == 1


async def test_a_topic_made_anew_is_another_log(cluster: Cluster) -> None:
    """The epoch is the topic's UUID: the same name is not the same log."""
    topic = topic_of(cluster)
    before = await look(topic)
    assert (await look(topic)).epoch == before.epoch
    await topic.check_writable(before.epoch)
    await asyncio.to_thread(cluster.delete)
    after = await look(topic)
    assert after.epoch != before.epoch
    assert len(after.epoch) == 13
    with pytest.raises(NotStoredError, match="deleted and made again"):
        await topic.check_writable(before.epoch)


async def test_several_partitions_are_refused_with_the_reason(cluster: Cluster) -> None:
    """More partitions have no order between them, and would gain nothing."""
    cluster.create(partitions=3)
    with pytest.raises(
        ConfigError, match=r"^kafka.topic: .* has 3 partitions, .* exactly one; set it to another name"
    ):
        await look(topic_of(cluster))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"message_timestamp_type": "CreateTime"}, "kafka.topic: .*message.timestamp.type is CreateTime"),
        (
            {"message_timestamp_type": "LogAppendTime", "cleanup_policy": "compact"},
            "kafka.topic: .*cleanup.policy is compact",
        ),
    ],
)
async def test_a_topic_that_breaks_a_promise_is_refused(
    cluster: Cluster, config: dict[str, Any], said: str
) -> None:
    """Ages by the publishers' clocks, entries that vanish from the middle: not a log of ours."""
    cluster.create(**config)
    with pytest.raises(ConfigError, match=f"^{said}"):
        await look(topic_of(cluster))


async def test_fewer_copies_than_the_floor_are_refused(cluster: Cluster) -> None:
    """acks=all means as many brokers as the topic's min.insync.replicas says."""
    cluster.create(message_timestamp_type="LogAppendTime")
    with pytest.raises(
        ConfigError, match=r"^kafka.min_insync_replicas: is 2, and the topic's min.insync.replicas is 1"
    ):
        await look(topic_of(cluster, min_insync_replicas=2))


async def test_what_is_allowed_and_unsafe_is_said_once(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    """One copy, messages smaller than ours, another retention: the topic's settings count, and the log says so."""
    cluster.create(message_timestamp_type="LogAppendTime", max_message_bytes="50000")
    topic = topic_of(cluster)
    with caplog.at_level(logging.WARNING):
        await look(topic)
        await look(topic)
    said = [line.message for line in caplog.records]
    assert len(said) == len(set(said)) == 3
    assert any("min.insync.replicas is 1" in line for line in said)
    assert any("max.message.bytes is 50000" in line for line in said)
    assert any(
        "retention.ms is 604800000, which counts; change it, or retention.* that says -1" in line
        for line in said
    )


async def test_too_few_brokers_are_said(cluster: Cluster) -> None:
    """A replication factor that the cluster cannot give is named, and may be met later."""
    with pytest.raises(UnavailableError, match="fewer brokers than"):
        await look(topic_of(cluster, replication_factor=3))


async def test_the_ends_are_asked_now(cluster: Cluster) -> None:
    """Where the topic begins and ends is the broker's word."""
    topic = topic_of(cluster)
    await look(topic)
    cluster.produce(b"1", b"2", b"3")
    cluster.delete_records(2)
    assert (await topic.begin(), await topic.end()) == (2, 3)


async def test_nobody_there_is_told_in_time(cluster: Cluster) -> None:
    """A broker that is not there is unavailable, not a wrong setting."""
    cluster.bootstrap = "127.0.0.1:1"
    with pytest.raises(UnavailableError):
        await look(topic_of(cluster, deadline_s=1.0))
