"""Whether the topic that is followed is still the same one, asked from time to time.

A consumer at the end of a topic is not notified that the topic was deleted, was made again under its name, or was given
more partitions: it goes on waiting at its place, and what is written to the new one may lie below that.
"""

from __future__ import annotations

import time
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaException

from fast_sse.store.kafka.topic import Topic

#: Seconds between two looks: how long streams may stand still on a topic that is another one.
LOOK_S = 5.0


class Watch:
    """Looks at one topic. `changed` never blocks."""

    def __init__(self, topic: Topic, epoch: str) -> None:
        self._topic = topic
        self._epoch = epoch
        self._due_s = time.monotonic() + LOOK_S
        self._asked: Future[Any] | None = None

    def changed(self) -> bool:
        """Whether the last look found no topic, or one that cannot be gone on with; False while no broker answers."""
        if self._asked is None:
            if time.monotonic() >= self._due_s:
                self._asked = self._topic.asked()
            return False
        if not self._asked.done():
            return False
        asked, self._asked = self._asked, None
        self._due_s = time.monotonic() + LOOK_S
        try:
            return not self._topic.is_still(asked.result(), self._epoch)
        except KafkaException as problem:  # of a broker that is away the consumer hears by itself
            return bool(problem.args[0].name() == "UNKNOWN_TOPIC_OR_PART")
