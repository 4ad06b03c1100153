"""What the doctor asks a Kafka cluster about itself and about the hub's topic, in seconds, changing nothing.

No request names a topic that is not there. An ordinary client's request would make it, with the broker's defaults.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import msgspec
from confluent_kafka import KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, OffsetSpec, ResourceType

from fast_sse.model.errors import UnavailableError
from fast_sse.store.kafka.failures import refused_credentials, wrong_credentials
from fast_sse.store.kafka.settings import KafkaSettings, check_options

#: Seconds for the first answer, and for each one after it.
ANSWER_S = 5.0
ROUND_TRIPS = 11


class TopicFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The topic as its cluster describes it.

    Attributes:
        partitions: how many.
        leader: whether each has one now.
        replicas: of the partition that has the fewest.
        in_sync: those of them that are level, of the partition that has the fewest.
        messages: offsets between the ends of the log; None where reading is not allowed.
        settings: its configuration; None where asking is not allowed.
        rights: what our user may do with it, such as READ; None where the cluster does not say.
    """

    partitions: int
    leader: bool = True
    replicas: int = 1
    in_sync: int = 1
    messages: int | None = None
    settings: dict[str, str] | None = None
    rights: frozenset[str] | None = None


class ClusterFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a cluster said about itself.

    Attributes:
        place: the bootstrap servers.
        protocol: `security.protocol`: plaintext, ssl, sasl_plaintext, sasl_ssl.
        brokers: how many.
        topic: None when there is none (or none that we may know of).
        rights: what our user may do with the cluster; None where it does not say.
        round_trip_ms: of a request about the cluster, the median.
    """

    place: str
    protocol: str = "plaintext"
    brokers: int = 1
    topic: TopicFacts | None = None
    rights: frozenset[str] | None = None
    round_trip_ms: float = 0.0


def ask_kafka(settings: KafkaSettings, *, answer_s: float = ANSWER_S) -> ClusterFacts:
    """Ask the cluster and the topic of these settings.

    Raises:
        ConfigError: the hub would not start with these options, or the broker refuses the credentials.
        UnavailableError: no broker answers. The message says why, and names no secret.
    """
    check_options(settings.options)
    said: list[Any] = []
    client: dict[str, Any] = {**settings.options, "bootstrap.servers": settings.bootstrap_servers}
    client |= {"error_cb": said.append, "log_level": 0}
    client |= {"socket.timeout.ms": int(max(1.0, answer_s) * 1000), "reconnect.backoff.max.ms": 500}
    admin = AdminClient(client)
    try:
        listed = _listed(admin, said, answer_s)
        cluster, round_trip_ms = _timed(admin)
        return ClusterFacts(
            place=settings.bootstrap_servers,
            protocol=settings.options.get("security.protocol", "plaintext").lower(),
            brokers=len(listed.brokers),
            topic=_topic(admin, settings.topic) if settings.topic in listed.topics else None,
            rights=_rights(cluster),
            round_trip_ms=round_trip_ms,
        )
    except KafkaException as error:
        admin.poll(0)
        if any(map(refused_credentials, said)):
            raise wrong_credentials() from error
        why = [one for one in said if one.name() != "_ALL_BROKERS_DOWN"] or [error.args[0]]
        raise UnavailableError(f"{settings.bootstrap_servers}: {why[-1].str()}") from error


def _listed(admin: Any, said: list[Any], answer_s: float) -> Any:
    """The first answer. A refused connection does not end the question: the client reports it aside, into `said`."""
    deadline_s = time.monotonic() + answer_s
    while True:
        try:
            return admin.list_topics(timeout=answer_s / 10)
        except KafkaException:
            admin.poll(0)
            if _said(said, "_AUTHENTICATION", "_SSL") or time.monotonic() > deadline_s:
                raise


def _said(errors: list[Any], *names: str) -> bool:
    return any(error.name() in names for error in errors)


def _timed(admin: Any) -> tuple[Any, float]:
    """The cluster's description, and the milliseconds that the question takes."""
    times_s, cluster = [], None
    for _ in range(ROUND_TRIPS):
        began_s = time.perf_counter()
        cluster = admin.describe_cluster(include_authorized_operations=True).result(ANSWER_S)
        times_s.append(time.perf_counter() - began_s)
    return cluster, statistics.median(times_s) * 1000


def _topic(admin: Any, name: str) -> TopicFacts:
    asked = admin.describe_topics(TopicCollection([name]), include_authorized_operations=True)
    described = asked[name].result(ANSWER_S)
    partitions = described.partitions
    return TopicFacts(
        partitions=len(partitions),
        leader=all(partition.leader is not None and partition.leader.id >= 0 for partition in partitions),
        replicas=min(len(partition.replicas) for partition in partitions),
        in_sync=min(len(partition.isr) for partition in partitions),
        messages=_messages(admin, name),
        settings=_settings(admin, name),
        rights=_rights(described),
    )


def _messages(admin: Any, name: str) -> int | None:
    """Offsets that partition 0 holds."""
    ends = []
    for spec in (OffsetSpec.earliest(), OffsetSpec.latest()):
        try:
            (answer,) = admin.list_offsets({TopicPartition(name, 0): spec}).values()
            ends.append(answer.result(ANSWER_S).offset)
        except KafkaException:
            return None
    return int(ends[1] - ends[0])


def _settings(admin: Any, name: str) -> dict[str, str] | None:
    (answer,) = admin.describe_configs([ConfigResource(ResourceType.TOPIC, name)]).values()
    try:
        return {key: str(entry.value) for key, entry in answer.result(ANSWER_S).items()}
    except KafkaException:
        return None


def _rights(described: Any) -> frozenset[str] | None:
    operations = described.authorized_operations
    return None if operations is None else frozenset(operation.name for operation in operations)
