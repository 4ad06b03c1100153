"""The doctor's look at a Kafka cluster: what about its topic is unsafe for one log that every node follows.

Each check is a function of what the cluster said (`ask_kafka`) and of the settings that the store itself would use.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from fast_sse.cli.doctor.ask_kafka import ClusterFacts, TopicFacts, ask_kafka
from fast_sse.cli.doctor.check_settings import is_loopback
from fast_sse.cli.doctor.findings import Finding
from fast_sse.config import Config
from fast_sse.model.errors import ConfigError, UnavailableError
from fast_sse.model.limits import MIB
from fast_sse.parts import kafka_settings
from fast_sse.store.base import Retention
from fast_sse.store.kafka.settings import KEY_WINDOW_S, RIGHTS, KafkaSettings, topic_config

SLOW_MS = 20.0
_AT_START = "a hub does not start with this"


def kafka(config: Config) -> Iterator[Finding]:
    """Every check of the cluster that `kafka.bootstrap_servers` names. One that is not there is one red line."""
    settings = kafka_settings(config)
    try:
        facts = ask_kafka(settings)
    except ConfigError as error:
        yield Finding("kafka", "red", error.message, "see the settings of librdkafka")
    except UnavailableError as error:
        advice = "start it, or set kafka.bootstrap_servers and kafka.options; until it answers a hub waits and is not ready"
        yield Finding("kafka", "red", error.message, advice)
    else:
        yield from judged(facts, settings, config.kept)
        yield view(config.data_dir / f"view-{config.node_name}.db", facts.topic)


def judged(facts: ClusterFacts, settings: KafkaSettings, retention: Retention) -> Iterator[Finding]:
    """Every check of the cluster, in the order of the report."""
    yield cluster(facts)
    yield access(facts)
    yield round_trip(facts)
    topic = facts.topic
    yield exists(facts, settings.topic)
    if topic is None:
        return
    wanted = topic_config(settings, retention, broker_time=True)
    yield rights(topic)
    yield copies(topic, settings.min_insync_replicas)
    yield kept(topic, wanted)
    yield times(topic, wanted)
    yield longest(topic, settings.entry_bytes_max)


def cluster(facts: ClusterFacts) -> Finding:
    """How many brokers there are: with one, its outage is the hub's."""
    found = f"{facts.place}, {facts.brokers} broker{'s' if facts.brokers != 1 else ''}"
    if facts.brokers < 3:
        return Finding(
            "kafka",
            "yellow",
            found,
            "three brokers or more: with fewer, one outage stops publishes or loses messages",
        )
    return Finding("kafka", "green", found)


def access(facts: ClusterFacts) -> Finding:
    """Who else could reach the topic, and what can be read on the way."""
    hosts = [place.strip().rpartition(":")[0].rpartition("://")[2] for place in facts.place.split(",")]
    if all(is_loopback(host.strip("[]")) for host in hosts):
        return Finding("kafka access", "green", f"{facts.protocol}, on this machine")
    advice = 'kafka.options = {"security.protocol": "sasl_ssl", …}'
    if facts.protocol == "plaintext":
        found = "plaintext: any client that reaches the brokers reads and writes the log"
        return Finding("kafka access", "red", found, advice)
    if facts.protocol == "sasl_plaintext":
        return Finding(
            "kafka access", "yellow", "sasl_plaintext: messages cross the network as they are", advice
        )
    return Finding("kafka access", "green", facts.protocol)


def exists(facts: ClusterFacts, name: str) -> Finding:
    """Whether the topic is there and is one log: one partition, with a leader."""
    topic = facts.topic
    if topic is None:
        if facts.rights is not None and not facts.rights & {"CREATE", "ALL"}:
            advice = "create it with one partition, or allow CREATE to the hub's user"
            return Finding("kafka topic", "yellow", f"{name} is not there, and cannot be made", advice)
        return Finding("kafka topic", "green", f"{name} is made at the first start")
    found = f"{name}, {topic.partitions} partition{'s' if topic.partitions != 1 else ''}"
    if topic.partitions != 1:
        advice = "set kafka.topic to another name: one log has one order, and partitions cannot be taken away"
        return Finding("kafka topic", "red", found, advice)
    if not topic.leader:
        return Finding(
            "kafka topic", "red", f"{found}, without a leader", "start the brokers that hold its replicas"
        )
    count = "" if topic.messages is None else f", {topic.messages} offsets"
    return Finding("kafka topic", "green", found + count)


def rights(topic: TopicFacts) -> Finding:
    """Whether our user may do what the store does, as the cluster itself answers."""
    if topic.rights is None:
        return Finding(
            "kafka rights", "yellow", "unknown", "make sure that the hub's user may READ and WRITE the topic"
        )
    missing = [] if "ALL" in topic.rights else [right for right in RIGHTS if right not in topic.rights]
    if missing:
        advice = "allow them to the hub's user on the topic (kafka-acls --add)"
        return Finding("kafka rights", "red", f"missing: {', '.join(missing)}", advice)
    return Finding("kafka rights", "green", f"{', '.join(RIGHTS)} are allowed")


def copies(topic: TopicFacts, floor: int) -> Finding:
    """On how many brokers a message is when it is acknowledged, and how many may fail."""
    name, settings = "kafka copies", topic.settings
    if settings is None:
        return Finding(
            name, "yellow", "unknown", "allow DESCRIBE_CONFIGS: the hub checks min.insync.replicas with it"
        )
    least = int(settings.get("min.insync.replicas", "1"))
    found = f"{topic.replicas} replicas, {topic.in_sync} in sync, min.insync.replicas {least}"
    if least < floor:
        advice = f"raise it on the topic, or lower kafka.min_insync_replicas ({floor}): a hub does not start with this"
        return Finding(name, "red", found, advice)
    if topic.in_sync < least:
        return Finding(name, "red", found, "start the brokers that lag: until then every publish is refused")
    if settings.get("unclean.leader.election.enable") == "true":
        advice = "unclean.leader.election.enable=false: a broker that lags may take over and lose what was acknowledged"
        return Finding(name, "yellow", f"{found}, unclean elections allowed", advice)
    if topic.replicas == 1:
        return Finding(
            name, "yellow", found, "three replicas and min.insync.replicas=2: one broker is the only copy"
        )
    if least == 1:
        advice = "min.insync.replicas=2: acks=all may mean the leader alone otherwise"
        return Finding(name, "yellow", found, advice)
    if least >= topic.replicas:
        return Finding(
            name, "yellow", found, "one replica more: without it one broker's outage stops publishes"
        )
    return Finding(name, "green", found)


def kept(topic: TopicFacts, wanted: Mapping[str, str]) -> Finding:
    """Whether the broker keeps what the settings say: it trims, not the hub, and never by compaction."""
    name, settings = "kafka retention", topic.settings
    if settings is None:
        return Finding(name, "yellow", "unknown", "make sure that cleanup.policy is delete")
    policy, needed = settings.get("cleanup.policy", "delete"), wanted["cleanup.policy"]
    if policy != needed:
        advice = f"cleanup.policy={needed}: {_AT_START}, compaction takes messages out of the middle"
        return Finding(name, "red", f"cleanup.policy {policy}", advice)
    age_ms, size = _retention(settings)
    found = f"{_age(age_ms)}, {_size(size)}"
    if 0 <= age_ms < KEY_WINDOW_S * 1000:
        advice = (
            "keep an hour or more: a node that makes its view again does not know the keys of older messages"
        )
        return Finding(name, "yellow", found, advice)
    wanted_ms, wanted_size = _retention(wanted)
    if (age_ms, size) != (wanted_ms, wanted_size):
        advice = f"the settings say {_age(wanted_ms)}, {_size(wanted_size)}: the topic's own values count; change one of the two"
        return Finding(name, "yellow", found, advice)
    return Finding(name, "green", found)


def times(topic: TopicFacts, wanted: Mapping[str, str]) -> Finding:
    """Whose clock stamps a message: the broker's, or else each node's own."""
    name, kind = "kafka times", (topic.settings or {}).get("message.timestamp.type")
    needed = wanted["message.timestamp.type"]
    if kind is None:
        return Finding(name, "yellow", "unknown", f"make sure that message.timestamp.type is {needed}")
    if kind != needed:
        advice = f"message.timestamp.type={needed}: {_AT_START}, since keys would end by any node's clock"
        return Finding(name, "red", kind, advice)
    return Finding(name, "green", kind)


def longest(topic: TopicFacts, entry_bytes_max: int) -> Finding:
    """Whether the longest message that the hub takes fits."""
    name, text = "kafka sizes", (topic.settings or {}).get("max.message.bytes")
    if text is None:
        return Finding(
            name, "yellow", "unknown", "make sure that max.message.bytes is above limits.inflated_bytes_max"
        )
    if int(text) < entry_bytes_max:
        advice = (
            f"max.message.bytes={entry_bytes_max}, or lower limits.body_bytes_max and"
            " limits.inflated_bytes_max: longer messages are refused with 413"
        )
        return Finding(name, "yellow", f"max.message.bytes {text}", advice)
    return Finding(name, "green", f"max.message.bytes {text}")


def round_trip(facts: ClusterFacts) -> Finding:
    """Every publish waits for one, and for the replicas behind it."""
    found = f"{facts.round_trip_ms:.2f} ms (median)"
    if facts.round_trip_ms > SLOW_MS:
        return Finding(
            "round trip", "yellow", found, "put the hub near its brokers: every publish waits for one"
        )
    return Finding("round trip", "green", found)


def view(path: Path, topic: TopicFacts | None) -> Finding:
    """Whether this node's copy of the topic is there, or how much its first start will read."""
    messages = topic.messages if topic is not None else 0
    if path.is_file():
        return Finding("view", "green", f"{path}, {path.stat().st_size // MIB} MiB")
    if not messages:
        return Finding("view", "green", f"{path} is made at the first start")
    advice = f"keep data_dir over restarts: a node reads {messages} offsets before it is ready"
    return Finding("view", "yellow", f"{path} is not there", advice)


def _retention(settings: Mapping[str, str]) -> tuple[int, int]:
    """Milliseconds and bytes; -1 for any."""
    return int(settings.get("retention.ms", "-1")), int(settings.get("retention.bytes", "-1"))


def _age(ms: int) -> str:
    return "any age" if ms < 0 else f"{ms / 3_600_000:g} h"


def _size(size: int) -> str:
    return "any size" if size < 0 else f"{size / MIB:g} MiB"
