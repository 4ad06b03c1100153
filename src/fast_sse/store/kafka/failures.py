"""Kafka's errors in our words: what became of an entry, and whether waiting helps.

Only what a broker or librdkafka refused before anything could be written is "certainly not stored" (guarantee
G2). Everything else may be in the log, a delivery time-out above all: the batch may land after we stopped waiting.
"""

from __future__ import annotations

from confluent_kafka import KafkaError

from fast_sse.model.errors import (
    ConfigError,
    FastSseError,
    NotStoredError,
    TooLargeError,
    UnavailableError,
    UnknownOutcomeError,
)

_TOO_LARGE = frozenset({"MSG_SIZE_TOO_LARGE", "RECORD_LIST_TOO_LARGE"})
_REFUSED = frozenset(
    {
        "_QUEUE_FULL",
        "_UNKNOWN_TOPIC",
        "_UNKNOWN_PARTITION",
        "_AUTHENTICATION",
        "TOPIC_AUTHORIZATION_FAILED",
        "CLUSTER_AUTHORIZATION_FAILED",
        "SASL_AUTHENTICATION_FAILED",
        "NOT_ENOUGH_REPLICAS",
        "INVALID_RECORD",
    }
)
_WHY = {
    "_AUTHENTICATION": "the broker refuses our credentials",
    "SASL_AUTHENTICATION_FAILED": "the broker refuses our credentials",
    "_SSL": "TLS with the broker fails",
    "TOPIC_AUTHORIZATION_FAILED": "the broker does not let us use the topic",
    "CLUSTER_AUTHORIZATION_FAILED": "the broker does not let us create the topic",
    "_ALL_BROKERS_DOWN": "no broker can be reached",
    "_TRANSPORT": "no broker can be reached",
    "_TIMED_OUT": "the broker does not answer",
    "UNKNOWN_TOPIC_OR_PART": "the topic is gone",
    "_UNKNOWN_TOPIC": "the topic is gone",
    "_UNKNOWN_PARTITION": "the topic is gone",
    "INVALID_REPLICATION_FACTOR": "there are fewer brokers than kafka.replication_factor",
    "POLICY_VIOLATION": "the cluster's policy refuses the topic we would create",
}


def refused_credentials(error: KafkaError) -> bool:
    """Whether the broker does not let us in as who we say that we are."""
    return error.name() in ("_AUTHENTICATION", "SASL_AUTHENTICATION_FAILED")


def wrong_credentials() -> ConfigError:
    """What is said of that, at a start and by the doctor: waiting does not mend it."""
    return ConfigError(
        "kafka.options", "the broker refuses our credentials: see sasl.username and sasl.password"
    )


def not_written(error: KafkaError) -> FastSseError:
    """What became of an entry that the producer gave up."""
    if error.name() in _TOO_LARGE:
        return TooLargeError("the message is larger than the log takes")
    if error.name() in _REFUSED:
        return NotStoredError(_WHY.get(error.name(), "the log does not take messages now"))
    return UnknownOutcomeError()


def unavailable(error: KafkaError) -> UnavailableError:
    """Why the topic cannot be used now; it may be later."""
    return NotStoredError(_WHY.get(error.name(), f"the broker answers {error.name()}"))
