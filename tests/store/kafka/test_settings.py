"""How librdkafka is told to behave, and what nobody may tell it."""

from __future__ import annotations

import pytest

from fast_sse.model.errors import ConfigError
from fast_sse.store.base import Retention
from fast_sse.store.kafka.settings import KafkaSettings, check_options, owned_options, topic_config


@pytest.mark.parametrize("name", ["acks", "enable.idempotence", "group.id", "auto.offset.reset"])
def test_what_the_promises_rest_on_cannot_be_set(name: str) -> None:
    """acks, idempotence and where reading goes on are the hub's; the line names the option and shows no value."""
    assert name in owned_options()
    with pytest.raises(ConfigError, match=rf"^kafka.options: {name} is set by the hub itself") as caught:
        check_options({name: "hunter2"})
    assert "hunter2" not in caught.value.message


def test_an_option_that_librdkafka_does_not_know_is_named() -> None:
    """A misspelt option ends the start, with its name and without its value."""
    with pytest.raises(
        ConfigError, match=r"^kafka.options: librdkafka does not take sasl.pasword; correct its name"
    ):
        check_options({"sasl.pasword": "hunter2"})


def test_what_tls_and_sasl_need_passes() -> None:
    """The options that a secured cluster asks for are taken."""
    check_options(
        {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": "hub",
            "sasl.password": "hunter2",
            "ssl.endpoint.identification.algorithm": "https",
        }
    )


def test_secrets_are_in_no_text() -> None:
    """Settings may end up in a log or a traceback; a password may not."""
    settings = KafkaSettings(bootstrap_servers="b:1", options={"sasl.password": "hunter2"})
    assert "hunter2" not in f"{settings!r} {settings}"


def test_retention_is_written_to_the_topic() -> None:
    """Age and bytes become the topic's own settings; no bound is Kafka's -1."""
    settings = KafkaSettings(bootstrap_servers="b:1", message_bytes_max=1000, min_insync_replicas=2)
    kept = topic_config(settings, Retention(max_age_s=60, max_bytes=5000), broker_time=True)
    assert kept == {
        "cleanup.policy": "delete",
        "message.timestamp.type": "LogAppendTime",
        "max.message.bytes": str(1000 + 16_384),
        "retention.ms": "60000",
        "retention.bytes": "5000",
        "min.insync.replicas": "2",
    }
    forever = topic_config(settings, Retention(max_age_s=None, max_bytes=None), broker_time=True)
    assert (forever["retention.ms"], forever["retention.bytes"]) == ("-1", "-1")
