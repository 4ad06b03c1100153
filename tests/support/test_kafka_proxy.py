"""The proxy is a part of proofs, so it is proved itself: it knows what passes, and what it cuts was done by the broker."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from confluent_kafka import KafkaError, Producer
from tests.ingest.kafka import QUIET, Topic
from tests.support.kafka_broker import Broker, topic_name
from tests.support.kafka_proxy import PRODUCE, CutError, KafkaProxy, Request, Rule

pytestmark = [pytest.mark.wire, pytest.mark.slow]


class Noting(Rule):
    """Notes what passes, and raises at the reply to a Produce request what it is told to."""

    def __init__(self, *problems: Exception) -> None:
        self.problems = list(problems)
        self.requests: list[Request] = []
        self.replies: list[Request] = []
        self.gone: list[Request] = []

    async def asked(self, request: Request) -> None:
        self.requests.append(request)

    async def answered(self, request: Request) -> None:
        self.replies.append(request)
        if request.api == PRODUCE and self.problems:
            raise self.problems.pop(0)

    def lost(self, request: Request) -> None:
        self.gone.append(request)


async def produced(proxy: KafkaProxy, topic: Topic, value: bytes, **more: Any) -> KafkaError | None:
    """What becomes of one record that goes through the proxy."""
    errors: list[KafkaError | None] = []

    def send() -> None:
        settings = {**QUIET, "bootstrap.servers": proxy.bootstrap, "client.id": "some-name", **more}
        producer = Producer(settings)
        producer.produce(topic.name, value, partition=0, on_delivery=lambda error, _: errors.append(error))
        assert producer.flush(20) == 0

    await asyncio.to_thread(send)
    (error,) = errors
    return error


@pytest.fixture
def topic(kafka_broker: Broker) -> Topic:
    return Topic(kafka_broker, topic_name())


async def test_requests_and_replies_pass_and_are_told(topic: Topic) -> None:
    """Each request with what it asks and who asks, before its reply; a client that came by the proxy stays with it."""
    rule = Noting()
    async with KafkaProxy(topic.broker, rule) as proxy:
        assert await produced(proxy, topic, b"x" * 100_000) is None
    (request,) = [request for request in rule.requests if request.api == PRODUCE]
    assert request.client == "some-name"
    assert rule.replies.count(request) == 1
    assert request not in rule.gone
    assert topic.end() == 1


async def test_what_is_cut_at_its_reply_was_done(topic: Topic) -> None:
    """The client hears of a lost connection and does not know; the broker has the record."""
    rule = Noting(CutError())
    async with KafkaProxy(topic.broker, rule) as proxy:
        error = await produced(proxy, topic, b"x", retries=0)
    assert error is not None
    assert error.name() == "_TRANSPORT"
    assert [request.api for request in rule.gone if request.api == PRODUCE] == [PRODUCE]
    assert topic.end() == 1


async def test_a_connection_that_was_cut_may_come_back(topic: Topic) -> None:
    """The client sends its request again on another connection, and that is another request."""
    rule = Noting(CutError())
    async with KafkaProxy(topic.broker, rule) as proxy:
        assert await produced(proxy, topic, b"x", **{"enable.idempotence": True}) is None
    assert [request.api for request in rule.requests].count(PRODUCE) == 2
    assert topic.end() == 1


async def test_a_rule_that_fails_is_told(topic: Topic) -> None:
    """A defect of a rule does not pass for a fault that it makes."""
    with pytest.raises(ExceptionGroup) as told:
        async with KafkaProxy(topic.broker, Noting(ZeroDivisionError())) as proxy:
            await produced(proxy, topic, b"x")
    assert told.group_contains(ZeroDivisionError)
