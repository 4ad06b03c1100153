"""How the topic is made and how librdkafka is configured: what we decide, and what `kafka.options` may add.

Defaults are not safe (reliability 3.2): acks=all without idempotence, five minutes to deliver, and a consumer that
jumps over what it cannot read. What this store's promises rest on cannot be overridden.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from fast_sse.model.errors import ConfigError
from fast_sse.store.base import Retention

_log = logging.getLogger("fast_sse.store.kafka.client")

#: What an entry weighs on the broker beyond its data, headers and meta: channel, keys, framing of a batch.
ENTRY_OVERHEAD_BYTES = 16_384
#: How long an idempotency key is remembered. A view that is made anew knows those that the topic still has.
KEY_WINDOW_S = 3600.0
#: With other values of these settings than `topic_config` says, a topic cannot be the log.
FIXED = ("cleanup.policy", "message.timestamp.type")
#: What the user must be allowed to do with the topic.
RIGHTS = ("DESCRIBE", "DESCRIBE_CONFIGS", "READ", "WRITE")


class KafkaSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the log is and what is asked of it.

    Attributes:
        node: the name of this process; its view is `view-<node>.db`.
        min_insync_replicas: the topic's `min.insync.replicas` may not be lower.
        replication_factor: of a topic that this node creates; None is the broker's default.
        options: librdkafka settings passed through, for TLS and SASL. Their values are secret.
        message_bytes_max: the largest data, headers and meta of one message.
        deadline_s: an append is answered by then, as unknown if need be.
    """

    bootstrap_servers: str
    topic: str = "fast-sse"
    node: str = "node"
    min_insync_replicas: int = 1
    replication_factor: int | None = None
    options: dict[str, str] = {}
    message_bytes_max: int = 4 << 20
    deadline_s: float = 9.0

    def __repr__(self) -> str:
        """Without the options: a password may be among them."""
        return f"KafkaSettings({self.bootstrap_servers!r}, {self.topic!r}, {self.node!r})"

    @property
    def entry_bytes_max(self) -> int:
        """What the topic must take in one entry."""
        return self.message_bytes_max + ENTRY_OVERHEAD_BYTES


def topic_config(settings: KafkaSettings, kept: Retention, *, broker_time: bool) -> dict[str, str]:
    """The settings of a topic that we create (docs/store-kafka.md lists them)."""
    return {
        "cleanup.policy": "delete",
        "message.timestamp.type": "LogAppendTime" if broker_time else "CreateTime",
        "max.message.bytes": str(settings.entry_bytes_max),
        "retention.ms": str(-1 if kept.max_age_s is None else int(kept.max_age_s * 1000)),
        "retention.bytes": str(-1 if kept.max_bytes is None else kept.max_bytes),
        "min.insync.replicas": str(settings.min_insync_replicas),
    }


def _common(settings: KafkaSettings) -> dict[str, Any]:
    return {
        "bootstrap.servers": settings.bootstrap_servers,
        "client.id": f"fast-sse-{settings.node}",
        # The admin client creates the topic, with our settings: nothing else may, with the broker's.
        "allow.auto.create.topics": False,
    }


def _quick(settings: KafkaSettings) -> dict[str, Any]:
    """Notice a peer that is silent, and come back soon: everything below the deadline of an append."""
    timeout_ms = max(1500, int(settings.deadline_s * 400))
    return {
        "socket.keepalive.enable": True,
        "socket.timeout.ms": timeout_ms,
        "socket.connection.setup.timeout.ms": timeout_ms,
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1000,
        "topic.metadata.refresh.interval.ms": 30_000,
        "log_level": 2,  # what it would say of every attempt to connect, we say once
    }


def _producer_own(settings: KafkaSettings) -> dict[str, Any]:
    return {
        "acks": "all",
        "enable.idempotence": True,
        "delivery.timeout.ms": int(settings.deadline_s * 800),
        "delivery.report.only.error": True,  # what was stored is known when it is read back
    }


def _consumer_own() -> dict[str, Any]:
    return {
        "group.id": "fast-sse-none",  # librdkafka wants one; nothing ever joins or commits
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "enable.partition.eof": True,
        # An open transaction of a stranger must not hold up reading; we write none.
        "isolation.level": "read_uncommitted",
    }


def owned_options() -> frozenset[str]:
    """What `kafka.options` may not set."""
    some = KafkaSettings(bootstrap_servers="")
    return frozenset(
        {**_common(some), **_producer_own(some), **_consumer_own()} | {"request.required.acks": 0}
    )


def check_options(options: dict[str, str]) -> None:
    """Refuse what is ours to decide and what librdkafka does not know. Raises ConfigError; no value is shown."""
    for name in sorted(owned_options() & options.keys()):
        raise ConfigError(
            "kafka.options", f"{name} is set by the hub itself, since its promises rest on it; remove it"
        )
    try:
        AdminClient(dict(options), logger=_log)  # without a broker to ask it asks none
    except (KafkaException, TypeError, ValueError) as error:
        named = next((name for name in options if f'"{name}"' in str(error)), "a setting")
        raise ConfigError(
            "kafka.options", f"librdkafka does not take {named}; correct its name or its value"
        ) from None


OnError = Callable[[KafkaError], None]


def make_admin(settings: KafkaSettings, on_error: OnError) -> AdminClient:
    """Describes and creates the topic, and asks where it begins and ends. `on_error` is called by its `poll`."""
    owned = {**_common(settings), "error_cb": on_error}
    return AdminClient({**_quick(settings), **settings.options, **owned}, logger=_log)


def make_producer(settings: KafkaSettings, bytes_max: int, on_error: OnError) -> Producer:
    """Writes. `bytes_max`: the largest batch that the topic takes."""
    ours = {
        "linger.ms": 1,
        "message.max.bytes": max(1000, bytes_max - 200),
        "batch.size": min(1_000_000, max(1000, bytes_max - 200)),
        "request.timeout.ms": max(1000, int(settings.deadline_s * 300)),
        "retry.backoff.ms": 50,
    }
    owned = {**_common(settings), **_producer_own(settings), "error_cb": on_error}
    return Producer({**_quick(settings), **ours, **settings.options, **owned}, logger=_log)


def make_consumer(settings: KafkaSettings, on_error: OnError) -> Consumer:
    """Reads from where it is assigned and nowhere else."""
    ours = {
        "fetch.error.backoff.ms": 50,
        "fetch.queue.backoff.ms": 50,
        "queued.max.messages.kbytes": 16 << 10,
    }
    owned = {**_common(settings), **_consumer_own(), "error_cb": on_error}
    return Consumer({**_quick(settings), **ours, **settings.options, **owned}, logger=_log)
