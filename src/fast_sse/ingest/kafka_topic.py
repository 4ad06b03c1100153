"""A Kafka topic as a source: what others produce to it is published here, each partition in its order.

The value of a record is the JSON package; its headers `event_id` and `event_type` name the channel where the package
does not. The offset is committed only after the hub stored the record, so a topic is read at least once, and its
idempotency key (partition, offset, timestamp, content) makes that exactly one message within the key window.

The nodes of a consumer group share the partitions among them, and Kafka moves those of a node that vanished to the
others. A new group begins at the oldest record. What the broker let go before the group read it is counted and reported:
its place and how many offsets, which are at least as many as the records that were there. Order is kept within a
partition, as Kafka itself keeps it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping

from confluent_kafka import KafkaError, KafkaException

from fast_sse.hub.hub import Hub
from fast_sse.ingest.forward import Forwarder, PoisonEntry
from fast_sse.ingest.kafka_session import Session
from fast_sse.ingest.package import Packages, QueueEntry, without_schema
from fast_sse.ingest.poison import Quarantine
from fast_sse.ingest.source import QueueError, QueueSource
from fast_sse.model.channel import Channel
from fast_sse.observe.observer import Observer

#: A broker's own least session, `group.min.session.timeout.ms`, unless its operator lowered it.
_SESSION_MS_MIN = 6_000
_CLOSE_S = 1.0
#: What takes a package out of a value, by the setting's word.
_UNWRAP: Mapping[str, Callable[[bytes], bytes]] = {"json": bytes, "confluent-json": without_schema}

#: What the client says, in words that may be logged: neither host nor secret.
_WORDS = {
    KafkaError._ALL_BROKERS_DOWN: "Kafka cannot be reached",  # noqa: SLF001
    KafkaError._RESOLVE: "Kafka's host name is not known",  # noqa: SLF001
    KafkaError._AUTHENTICATION: "Kafka refuses the user or its password",  # noqa: SLF001
    KafkaError.SASL_AUTHENTICATION_FAILED: "Kafka refuses the user or its password",
    KafkaError._SSL: "TLS with Kafka failed",  # noqa: SLF001
    KafkaError.UNKNOWN_TOPIC_OR_PART: "the topic does not exist",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "Kafka does not let us use the topic",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "Kafka does not let us use the group",
}
#: One connection lost, a request late: the client tries again by itself, and reports when no broker is left.
_PASSING = frozenset({KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._MAX_POLL_EXCEEDED})  # noqa: SLF001


class KafkaTopic(QueueSource):
    """One topic of Kafka.

    Args:
        settings: of librdkafka: bootstrap.servers and whatever TLS and SASL ask for; never shown.
        topic: the queue.
        group: the consumer group's name.
        node: this node's name.
        hub, observer: where entries and facts go.
        now: seconds since 1970.
        check: raises ForbiddenError for a channel that this hub does not allow.
        value_format: `confluent-json` where values may begin with the five bytes of a schema registry.
    """

    kind = "kafka_topic"

    def __init__(  # noqa: PLR0913  what a deployment may choose, and what a test may
        self,
        settings: Mapping[str, str],
        topic: str,
        group: str,
        node: str,
        hub: Hub,
        observer: Observer,
        *,
        now: Callable[[], float] = time.time,
        check: Callable[[Channel], None] = lambda _channel: None,
        value_format: str = "json",
    ) -> None:
        super().__init__(topic, hub.limits, observer)
        session_ms = max(_SESSION_MS_MIN, int(hub.limits.ingest_lease_s * 1000))
        self._consumer_settings = {
            "reconnect.backoff.max.ms": int(hub.limits.retry_store_s_max * 1000),
            "client.id": node,
            "log_level": 0,  # what it would log, its callbacks report
            "logger": logging.getLogger("fast_sse.kafka"),
            "topic.metadata.refresh.interval.ms": 10_000,
            "session.timeout.ms": session_ms,
            "heartbeat.interval.ms": session_ms // 3,
            **settings,
            "partition.assignment.strategy": "cooperative-sticky",
            "group.id": group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
        }
        packages = Packages(f"hub:{self.kind}:{topic}", hub.limits, now, check, _UNWRAP[value_format])
        quarantine = Quarantine(hub.store.letters, self.kind, topic, node)
        self._forwarder = Forwarder(hub, packages, quarantine, self.figures, observer, self._held_up)

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            session = Session(
                self._consumer_settings, self.queue, self._limits.ingest_entries_max, loop, self
            )
        except KafkaException as error:
            raise QueueError(f"the client refuses its settings: {error.args[0].name()}") from error
        end: asyncio.Future[None] = loop.create_future()
        end.add_done_callback(asyncio.Future.exception)  # looked at, also when the wait was given up
        threading.Thread(target=_run, args=(session, loop, end), name=self.queue, daemon=True).start()
        try:
            await asyncio.shield(end)
        except KafkaException as error:
            raise QueueError(_said(error.args[0])) from error
        finally:
            session.abandon()
            await asyncio.wait({end}, timeout=_CLOSE_S)

    # -- what the session asks and reports ------------------------------------------------------------------

    def ended(self) -> bool:
        """Whether the drain has begun."""
        return self._ending

    async def forward(self, entries: list[QueueEntry]) -> list[PoisonEntry]:
        """Publish a batch, and keep its poison."""
        return await self._forwarder.forward(entries)

    def done(self, entries: int, poison: list[PoisonEntry], tombstones: int) -> None:
        """Count a batch."""
        self.figures.taken += entries
        self.figures.tombstones += tombstones
        self._poisoned(poison)
        self._well()

    def gone(self, partition: int, first: int, end: int) -> None:
        """Count and name what was never read."""
        self._gone(end - first, f"{partition}/{first}..{end - 1}", "at most")

    def level(self, lag: int | None, *, reading: bool) -> None:
        """Note how far behind this node's partitions are."""
        if self._ending:
            return
        if reading and not self.figures.reading:
            self._well()
        self.figures.lag, self.figures.reading = lag, reading

    def failed(self, error: KafkaError) -> None:
        """Report what is wrong, unless the client is about to mend it."""
        if error.code() not in _PASSING:
            self._in_trouble(_said(error))


def _said(error: KafkaError) -> str:
    return _WORDS.get(error.code()) or f"Kafka says {error.name()}"


def _run(session: Session, loop: asyncio.AbstractEventLoop, end: asyncio.Future[None]) -> None:
    """The session's thread; its outcome is brought to the loop."""
    error: BaseException | None = None
    try:
        session.run()
    except BaseException as caught:  # noqa: BLE001  whatever it is, the loop has to hear of it
        error = caught
    loop.call_soon_threadsafe(_bring, end, error)


def _bring(end: asyncio.Future[None], error: BaseException | None) -> None:
    if end.cancelled():
        return
    if error is None:
        end.set_result(None)
    else:
        end.set_exception(error)
