"""What a topic may be set to that a log must not stand on: each is named, by the real broker."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from tests.cli.doctor.test_ask_kafka import told
from tests.support.kafka_broker import Broker, topic_name

from fast_sse.cli.doctor.ask_kafka import ClusterFacts, TopicFacts, ask_kafka
from fast_sse.cli.doctor.check_kafka import (
    access,
    cluster,
    copies,
    exists,
    judged,
    rights,
    round_trip,
    view,
)
from fast_sse.cli.doctor.findings import Finding
from fast_sse.model.limits import MIB
from fast_sse.store.base import Retention
from fast_sse.store.kafka.settings import FIXED, KafkaSettings, topic_config

KEPT = Retention(max_age_s=86_400.0, max_bytes=64 * MIB)
WANTED = KafkaSettings(bootstrap_servers="", message_bytes_max=4 * MIB)
#: As the store would make it.
SAFE = topic_config(WANTED, KEPT, broker_time=True)


def asked(
    broker: Broker, partitions: int = 1, wanted: KafkaSettings = WANTED, **config: str
) -> dict[str, Finding]:
    """Every line about a topic made with these settings (underscores for dots), by its name."""
    name = topic_name()
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    settings = {**SAFE, **{key.replace("_", "."): value for key, value in config.items()}}
    admin.create_topics([NewTopic(name, partitions, config=settings)])[name].result(10)
    wanted = msgspec.structs.replace(wanted, bootstrap_servers=broker.bootstrap, topic=name)
    told(wanted)
    return {finding.name: finding for finding in judged(ask_kafka(wanted), wanted, KEPT)}


@pytest.mark.wire
@pytest.mark.slow
def test_a_topic_set_up_as_the_docs_say(kafka_broker: Broker) -> None:
    """As the store makes it: all green, but for what one broker cannot be, a cluster with copies."""
    found = asked(kafka_broker)
    assert {name for name, finding in found.items() if finding.level != "green"} == {"kafka", "kafka copies"}
    assert found["kafka copies"].advice.startswith("three replicas")


UNSAFE = {
    "two partitions": ({"partitions": 2}, "kafka topic", "red", "one order"),
    "compacted": ({"cleanup_policy": "compact"}, "kafka retention", "red", "cleanup.policy=delete"),
    "kept shorter": ({"retention_ms": "7200000"}, "kafka retention", "yellow", "24 h"),
    "kept for ever": ({"retention_bytes": "-1"}, "kafka retention", "yellow", "64 MiB"),
    "times of nodes": ({"message_timestamp_type": "CreateTime"}, "kafka times", "red", "LogAppendTime"),
    "shorter than keys live": ({"retention_ms": "60000"}, "kafka retention", "yellow", "keys"),
    "short messages": ({"max_message_bytes": "1048588"}, "kafka sizes", "yellow", "413"),
    "unclean elections": (
        {"unclean_leader_election_enable": "true"},
        "kafka copies",
        "yellow",
        "acknowledged",
    ),
    "fewer copies than asked for": (
        {"wanted": msgspec.structs.replace(WANTED, min_insync_replicas=2)},
        "kafka copies",
        "red",
        "does not start",
    ),
    "more copies than there are": ({"min_insync_replicas": "2"}, "kafka copies", "red", "refused"),
}


@pytest.mark.wire
@pytest.mark.slow
@pytest.mark.parametrize("case", UNSAFE)
def test_each_unsafe_setting_is_named(kafka_broker: Broker, case: str) -> None:
    """A real topic with one thing wrong: the line about it has the colour, and says what to do."""
    how, name, level, advice = UNSAFE[case]
    finding = asked(kafka_broker, **how)[name]  # type: ignore[arg-type]  # a table of keyword arguments
    assert (finding.level, advice in finding.advice) == (level, True), finding


FACTS = ClusterFacts(place="kafka.example:9092", brokers=3)
TOPIC = TopicFacts(partitions=1, replicas=3, in_sync=3, settings={"min.insync.replicas": "2"})


@pytest.mark.parametrize(
    ("facts", "level"),
    [
        ({"protocol": "sasl_ssl"}, "green"),
        ({"protocol": "ssl"}, "green"),
        ({"protocol": "sasl_plaintext"}, "yellow"),
        ({"protocol": "plaintext"}, "red"),
        ({"place": "127.0.0.1:9092,localhost:9093,[::1]:9094"}, "green"),
        ({"place": "127.0.0.1:9092,kafka.example:9092"}, "red"),
    ],
)
def test_a_cluster_across_a_network_needs_tls(facts: dict[str, str], level: str) -> None:
    """Open to whoever reaches it: red; readable on the way: yellow; each bootstrap server counts."""
    assert access(msgspec.structs.replace(FACTS, **facts)).level == level


@pytest.mark.parametrize(
    ("topic", "floor", "level"),
    [
        ({}, 2, "green"),
        ({}, 3, "red"),
        ({"in_sync": 1}, 1, "red"),
        ({"settings": {"min.insync.replicas": "1"}}, 1, "yellow"),
        ({"replicas": 2, "in_sync": 2}, 1, "yellow"),
        ({"settings": None}, 1, "yellow"),
    ],
)
def test_copies(topic: dict[str, object], floor: int, level: str) -> None:
    """Three copies of which two must have a message are green; fewer are worth a look, and refused ones red."""
    assert copies(msgspec.structs.replace(TOPIC, **topic), floor).level == level


def test_a_topic_that_is_not_there() -> None:
    """It is made at the first start where that is allowed; where it is not, somebody has to make it."""
    assert exists(FACTS, "t").level == "green"
    assert exists(msgspec.structs.replace(FACTS, rights=frozenset({"CREATE"})), "t").level == "green"
    assert exists(msgspec.structs.replace(FACTS, rights=frozenset({"DESCRIBE"})), "t").level == "yellow"
    headless = msgspec.structs.replace(FACTS, topic=msgspec.structs.replace(TOPIC, leader=False))
    assert exists(headless, "t").level == "red"


@pytest.mark.parametrize(
    ("allowed", "level"),
    [
        ({"ALL"}, "green"),
        ({"READ", "WRITE", "DESCRIBE", "DESCRIBE_CONFIGS"}, "green"),
        ({"READ", "DESCRIBE"}, "red"),
        (None, "yellow"),
    ],
)
def test_rights(allowed: set[str] | None, level: str) -> None:
    """What the store does must be allowed; what is not told is not taken for allowed."""
    told = None if allowed is None else frozenset(allowed)
    assert rights(msgspec.structs.replace(TOPIC, rights=told)).level == level


@pytest.mark.parametrize("name", FIXED)
def test_what_the_store_refuses_is_red(name: str) -> None:
    """Any value of such a setting but the store's own keeps a hub from starting, and the report says so."""
    for value, level in ((SAFE[name], "green"), ("of tomorrow", "red")):
        topic = msgspec.structs.replace(TOPIC, settings={**SAFE, "min.insync.replicas": "2", name: value})
        facts = msgspec.structs.replace(FACTS, topic=topic)
        found = {finding.name: finding for finding in judged(facts, WANTED, KEPT)}
        assert {found["kafka retention"].level, found["kafka times"].level} == {"green", level}


def test_few_brokers_and_long_ways_are_worth_a_look() -> None:
    """One broker is one outage; twenty milliseconds are in every publish."""
    few = msgspec.structs.replace(FACTS, brokers=1, round_trip_ms=35.0)
    assert [cluster(few).level, round_trip(few).level] == ["yellow", "yellow"]
    assert [cluster(FACTS).level, round_trip(FACTS).level] == ["green", "green"]


def test_the_view_of_this_node(tmp_path: Path) -> None:
    """There: green; missing beside a topic that holds messages: the first start reads them all."""
    path = tmp_path / "view-a.db"
    full = msgspec.structs.replace(TOPIC, messages=1000)
    assert [view(path, None).level, view(path, TOPIC).level, view(path, full).level] == [
        "green",
        "green",
        "yellow",
    ]
    assert "1000 offsets" in view(path, full).advice
    path.write_bytes(bytes(3 * MIB))
    assert view(path, full).found == f"{path}, 3 MiB"
