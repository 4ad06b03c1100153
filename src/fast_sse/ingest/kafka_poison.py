"""Poison of a Kafka topic, kept in `<topic>.dead_letter` before its offset is committed.

The record is copied as it is: key, value and headers, and behind them `fast-sse-reason`, `fast-sse-error` and
`fast-sse-source` (topic/partition/offset). The broker has acknowledged it (acks=all) before its source is committed,
so nothing is lost; a crash between the two keeps it twice, under one source. The topic is made if it is not there,
for records of any size: what the queue took must fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from fast_sse.model.errors import FastSseError

SUFFIX = ".dead_letter"
#: More than a queue takes, so that the broker alone judges the size of a copy.
_BYTES_MAX = 1_000_000_000
_PATIENCE_S = 0.5
#: Longest time that one attempt may take, to make the topic and to copy; then it is tried again.
_ANSWER_S = 1.0
_ATTEMPT_S = 10.0


class KafkaPoison:
    """Where the poison of one topic goes. Called on the poll thread; blocks.

    Args:
        settings: of librdkafka, for a client of the queue's broker.
        topic: the queue.
        waiting: called again and again while the broker is waited for; False gives up.
        trouble: called with the name of an error of the broker.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        topic: str,
        waiting: Callable[[], bool],
        trouble: Callable[[KafkaError], None],
    ) -> None:
        self._settings = {
            **settings,
            "acks": "all",
            "message.max.bytes": _BYTES_MAX,
            "message.timeout.ms": int(_ATTEMPT_S * 1000),
        }
        self._topic = topic
        self._waiting = waiting
        self._trouble = trouble
        self._admin: AdminClient | None = None
        self._producer: Producer | None = None

    def close(self) -> None:
        """Let go of the clients, here and now.

        One whose last owner is a thread of its own, an answer's or the garbage collector's, ends the process: so they
        live as long as this, and not only as long as a question.
        """
        self._admin = self._producer = None

    def keep(self, poison: list[tuple[Message, FastSseError]]) -> bool:
        """Copy records until the broker has acknowledged each; False when it was given up."""
        left = poison
        while left:
            refused: list[tuple[Message, FastSseError]] = []
            if producer := self._ready():
                for one in left:
                    self._send(producer, one, refused)
                while producer.flush(_PATIENCE_S):
                    if not self._waiting():
                        return False
                left = refused
            if left and not self._waiting():
                return False
        return True

    def _send(
        self,
        producer: Producer,
        one: tuple[Message, FastSseError],
        refused: list[tuple[Message, FastSseError]],
    ) -> None:
        message, error = one

        def answered(failure: KafkaError | None, _copy: Message) -> None:
            if failure is not None:
                self._trouble(failure)
                refused.append(one)

        source = f"{message.topic()}/{message.partition()}/{message.offset()}"
        headers = [
            *(message.headers() or ()),
            ("fast-sse-reason", b"poison"),
            ("fast-sse-error", error.message.encode()),
            ("fast-sse-source", source.encode()),
        ]
        producer.produce(
            self._topic + SUFFIX,
            value=message.value(),
            key=message.key(),
            headers=headers,
            on_delivery=answered,
        )

    def _ready(self) -> Producer | None:
        """The producer, once the topic is there; None when that could not be found out, or made so."""
        if self._producer is None:
            topic = NewTopic(self._topic + SUFFIX, config={"max.message.bytes": str(_BYTES_MAX)})
            if self._admin is None:
                self._admin = AdminClient(self._settings)
            try:
                self._admin.create_topics([topic], request_timeout=_ANSWER_S)[topic.topic].result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    self._trouble(error.args[0])
                    return None
            self._producer = Producer(self._settings)
        return self._producer
