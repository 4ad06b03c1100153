"""What became of an entry that could not be written, and why the topic cannot be used."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError

from fast_sse.model.errors import FastSseError, NotStoredError, TooLargeError, UnknownOutcomeError
from fast_sse.store.kafka.failures import not_written, unavailable


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (KafkaError.MSG_SIZE_TOO_LARGE, TooLargeError),
        (KafkaError._QUEUE_FULL, NotStoredError),
        (KafkaError._UNKNOWN_TOPIC, NotStoredError),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, NotStoredError),
        (KafkaError._MSG_TIMED_OUT, UnknownOutcomeError),
        (KafkaError._PURGE_INFLIGHT, UnknownOutcomeError),
        # What waits to be sent again after a lost answer is in the queue, too.
        (KafkaError._PURGE_QUEUE, UnknownOutcomeError),
        (KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND, UnknownOutcomeError),
        (KafkaError._FATAL, UnknownOutcomeError),
    ],
)
def test_only_what_was_refused_is_certainly_not_stored(code: int, outcome: type[FastSseError]) -> None:
    """A refusal before anything was written is 503 or 413; everything else may be in the log (guarantee G2)."""
    assert type(not_written(KafkaError(code))) is outcome


def test_why_the_topic_cannot_be_used_is_a_sentence() -> None:
    """The reasons that an operator can do something about are said in words, others by their name."""
    assert unavailable(KafkaError(KafkaError._AUTHENTICATION)).message == "the broker refuses our credentials"
    assert unavailable(KafkaError(KafkaError._ALL_BROKERS_DOWN)).message == "no broker can be reached"
    assert unavailable(KafkaError(KafkaError.BROKER_NOT_AVAILABLE)).message == (
        "the broker answers BROKER_NOT_AVAILABLE"
    )
