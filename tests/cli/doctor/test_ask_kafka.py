"""What the doctor asks of a Kafka cluster: the truth, within seconds, and no topic is made by asking."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from tests.contract.asserting import everything, put
from tests.contract.backends import draft
from tests.support.kafka_broker import Broker, need_kafka, sasl_broker, topic_name

from fast_sse.cli.doctor.ask_kafka import TopicFacts, ask_kafka
from fast_sse.cli.doctor.check_kafka import rights
from fast_sse.model.errors import ConfigError, UnavailableError
from fast_sse.store.base import Retention
from fast_sse.store.kafka.settings import RIGHTS, KafkaSettings, topic_config
from fast_sse.store.kafka.store import KafkaStore


def settings(bootstrap_servers: str, topic: str, **options: str) -> KafkaSettings:
    """Of a hub on this topic."""
    return KafkaSettings(bootstrap_servers=bootstrap_servers, topic=topic, options=options)


def told(wanted: KafkaSettings, *allowed: str) -> TopicFacts:
    """What is said of the topic, once these rights are: a broker learns of a topic and of a right after the controller's answer."""
    until_s = time.monotonic() + 20
    while (found := ask_kafka(wanted).topic) is None or not {*allowed} <= (found.rights or frozenset()):
        assert time.monotonic() < until_s, f"the broker never knew of the topic and {allowed}: {found}"
    return found


AUTHORIZER = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"


@pytest.mark.wire
@pytest.mark.slow
def test_asking_for_a_topic_does_not_make_it(kafka_broker: Broker) -> None:
    """A broker that makes topics for whoever names one has none after the doctor's visit."""
    name = topic_name()
    facts = ask_kafka(settings(kafka_broker.bootstrap, name))
    assert (facts.topic, facts.brokers) == (None, 1)
    assert facts.rights is not None
    assert "CREATE" in facts.rights
    assert 0 < facts.round_trip_ms < 5000
    again = ask_kafka(settings(kafka_broker.bootstrap, name))
    assert again.topic is None


@pytest.mark.wire
@pytest.mark.slow
def test_a_topic_is_described(kafka_broker: Broker) -> None:
    """Partitions, copies, ends, settings and rights, as the broker has them."""
    name = topic_name()
    admin = AdminClient({"bootstrap.servers": kafka_broker.bootstrap})
    admin.create_topics([NewTopic(name, 1, config={"retention.ms": "5000"})])[name].result(10)
    topic = told(settings(kafka_broker.bootstrap, name), "READ", "WRITE")
    assert (topic.partitions, topic.replicas, topic.in_sync, topic.leader, topic.messages) == (
        1,
        1,
        1,
        True,
        0,
    )
    assert topic.settings is not None
    assert topic.settings["retention.ms"] == "5000"
    assert topic.rights is not None
    assert {"READ", "WRITE"} <= topic.rights


@pytest.mark.wire
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_rights_are_those_of_our_user(tmp_path: Path) -> None:
    """With SASL: a user that may only read and describe is told apart; a wrong password is a sentence without it."""
    need_kafka()
    authorized = {"authorizer.class.name": AUTHORIZER, "super.users": "User:ANONYMOUS"}
    broker, options = sasl_broker(tmp_path, "s3cret-word", **authorized)
    bootstrap, name = options.pop("bootstrap.servers"), topic_name()
    with broker:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        admin.create_topics([NewTopic(name, 1)])[name].result(10)
        assert ask_kafka(settings(bootstrap, name, **options)).topic is None
        _allow(admin, name, "READ")
        topic = told(settings(bootstrap, name, **options), "READ")
        assert ask_kafka(settings(bootstrap, name, **options)).protocol == "sasl_plaintext"
        assert topic.rights == frozenset({"READ", "DESCRIBE"})
        assert topic.settings is None
        with pytest.raises(ConfigError, match=r"^kafka\.options: .*sasl\.password") as refused:
            ask_kafka(settings(bootstrap, name, **{**options, "sasl.password": "wr0ng-word"}))
    assert "wr0ng-word" not in str(refused.value)


@pytest.mark.wire
@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_the_rights_of_the_list_are_enough(tmp_path: Path) -> None:
    """A user who has exactly the rights that the doctor asks for runs the store: publish, read, trim, readiness."""
    need_kafka()
    authorized = {"authorizer.class.name": AUTHORIZER, "super.users": "User:ANONYMOUS"}
    broker, options = sasl_broker(tmp_path, "s3cret-word", **authorized)
    wanted = settings(options.pop("bootstrap.servers"), topic_name(), **options)
    with broker:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        made = topic_config(wanted, Retention(), broker_time=True)
        await asyncio.wrap_future(admin.create_topics([NewTopic(wanted.topic, 1, config=made)])[wanted.topic])
        await asyncio.to_thread(_allow, admin, wanted.topic, *RIGHTS)
        assert rights(await asyncio.to_thread(told, wanted, *RIGHTS)).level == "green"
        store = KafkaStore(wanted, tmp_path)
        await store.open()
        assert len(await put(store, draft(), draft(keys=("k",)))) == 2
        assert len(await everything(store)) == 2
        await store.trim()
        await store.ping()
        await store.close()


def _allow(admin: AdminClient, topic: str, *operations: str) -> None:
    from confluent_kafka.admin import (
        AclBinding,
        AclOperation,
        AclPermissionType,
        ResourcePatternType,
        ResourceType,
    )

    bindings = [
        AclBinding(
            ResourceType.TOPIC,
            topic,
            ResourcePatternType.LITERAL,
            "User:hub",
            "*",
            AclOperation[operation],
            AclPermissionType.ALLOW,
        )
        for operation in operations
    ]
    for future in admin.create_acls(bindings).values():
        future.result(10)


def test_nobody_there_is_one_sentence() -> None:
    """A port where nothing listens: an error that names it and why, without a secret."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused for certain
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(UnavailableError, match="refused") as refused:
            ask_kafka(settings(place, "t"), answer_s=0.2)
    assert str(refused.value).startswith(f"{place}: ")


def test_options_that_are_ours_are_refused_as_at_a_start() -> None:
    """What the promises rest on cannot be set: the doctor says what a hub says that does not start with it."""
    with pytest.raises(ConfigError, match="acks is set by the hub itself"):
        ask_kafka(settings("127.0.0.1:1", "t", acks="1"))


def test_wrong_options_are_named_without_their_values() -> None:
    """An option that the client does not know, or a value that it does not take: the name, never the value."""
    for options in ({"sasl.passwrod": "s3cret-word"}, {"security.protocol": "s3cret-word"}):
        with pytest.raises(ConfigError) as refused:
            ask_kafka(settings("127.0.0.1:1", "t", **options))
        assert next(iter(options)) in str(refused.value)
        assert "s3cret-word" not in str(refused.value)
