"""Rules of `ingest.kafka_poison`, on a real broker: nothing is committed before its copy is acknowledged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
from confluent_kafka.cimpl import NewTopic
from tests.ingest.kafka import ANSWER_S, QUIET, Topic
from tests.support.kafka_broker import Broker, need_kafka, topic_name

from fast_sse.ingest.kafka_poison import KafkaPoison
from fast_sse.model.errors import BadRequestError

pytestmark = [pytest.mark.wire, pytest.mark.slow]


@pytest.fixture
def topic(kafka_broker: Broker) -> Topic:
    return Topic(kafka_broker, topic_name())


def read(topic: Topic) -> Message:
    """The first record of a topic."""
    reader = Consumer({**topic.settings, "group.id": "nobody"})
    reader.assign([TopicPartition(topic.name, 0, 0)])
    message = reader.poll(ANSWER_S)
    reader.close()
    assert message is not None
    assert message.error() is None
    return message


class Waits:
    """Counts how often it was asked to wait, and gives up after `most`."""

    def __init__(self, most: int = 1_000) -> None:
        self.most = most
        self.asked = 0
        self.troubles: list[KafkaError] = []

    def __call__(self) -> bool:
        self.asked += 1
        return self.asked <= self.most


def poison(topic: Topic, waits: Waits, **more: Any) -> KafkaPoison:
    return KafkaPoison({**topic.settings, **more}, topic.name, waits, waits.troubles.append)


def test_a_record_is_copied_whole(topic: Topic) -> None:
    """Key, value and headers as they were, and behind them what is wrong with it and where it stood."""
    topic.add_raw(b"\xff", key=b"k", headers=[("a", b"1"), ("a", None)])
    assert poison(topic, Waits()).keep([(read(topic), BadRequestError("é"))])
    (copy,) = topic.dead()
    assert (copy.key(), copy.value()) == (b"k", b"\xff")
    assert copy.headers() == [
        ("a", b"1"),
        ("a", None),
        ("fast-sse-reason", b"poison"),
        ("fast-sse-error", "é".encode()),
        ("fast-sse-source", f"{topic.name}/0/0".encode()),
    ]


def test_what_the_queue_took_fits(topic: Topic) -> None:
    """The topic is made for records of any size: too large for a message is a reason to be there."""
    topic.add_raw(b"x" * 3_900_000)
    waits = Waits()
    assert poison(topic, waits).keep([(read(topic), BadRequestError())])
    assert len(topic.dead()[0].value() or b"") == 3_900_000
    assert {error.code() for error in waits.troubles} <= {KafkaError._TIMED_OUT}, (
        "a busy broker may be asked twice"
    )


def test_nothing_needs_no_topic(topic: Topic) -> None:
    """Without poison no producer is made, and no topic."""
    assert poison(topic, Waits()).keep([])
    assert f"{topic.name}.dead_letter" not in topic.admin.list_topics(timeout=ANSWER_S).topics


def test_what_is_refused_is_tried_again(topic: Topic) -> None:
    """A topic that does not take the copy is a trouble that is told; the record is not given up for it."""
    small = NewTopic(f"{topic.name}.dead_letter", 1, config={"max.message.bytes": "1000"})
    topic.admin.create_topics([small])[f"{topic.name}.dead_letter"].result(ANSWER_S)
    topic.add_raw(b"x" * 2000)
    waits = Waits(most=3)
    assert not poison(topic, waits).keep([(read(topic), BadRequestError())])
    assert {error.code() for error in waits.troubles} == {KafkaError.MSG_SIZE_TOO_LARGE}
    assert len(waits.troubles) >= 2


def test_a_broker_that_is_away_is_waited_for(topic: Topic) -> None:
    """While no broker acknowledges, whoever waits is asked again and again whether to go on, and may give up."""
    topic.add_raw(b"x")
    message = read(topic)
    waits = Waits(most=2)
    away = KafkaPoison(
        {**QUIET, "bootstrap.servers": "127.0.0.1:1", "socket.timeout.ms": 100},
        topic.name,
        waits,
        waits.troubles.append,
    )
    assert not away.keep([(message, BadRequestError())])
    assert waits.asked == 3


@pytest.mark.timeout(180)
def test_a_copy_that_no_broker_acknowledges_is_waited_for(tmp_path: Path) -> None:
    """The broker stops in the middle: nothing is taken for kept; when it goes on the copy is there."""
    need_kafka()
    with Broker(tmp_path / "kafka") as broker:
        topic = Topic(broker, "queue")
        topic.add_raw(b"first", b"second")
        first = read(topic)
        waits = Waits()
        kept = poison(topic, waits)
        assert kept.keep([(first, BadRequestError())])
        broker.pause()
        waits.most = waits.asked + 2
        assert not kept.keep([(first, BadRequestError())])
        broker.resume()
        waits.most += 1_000
        assert kept.keep([(first, BadRequestError())])
        assert {message.value() for message in topic.dead()} == {b"first"}
