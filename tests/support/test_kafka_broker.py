"""The broker that tests use is a real one, and does what it is told."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from tests.support.kafka_broker import SCRIPT, Broker, need_kafka, topic_name


def admin_of(broker: Broker) -> AdminClient:
    return AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})


@pytest.mark.slow
@pytest.mark.wire
def test_what_was_created_survives_a_kill(tmp_path: Path) -> None:
    """A killed broker comes back on its ports with its topics; a second start does not format it again."""
    need_kafka()
    name = topic_name()
    with Broker(tmp_path / "kafka", message_max_bytes=4096) as broker:
        address, pid = broker.bootstrap, broker.pid
        admin = admin_of(broker)
        admin.create_topics([NewTopic(name, 1)])[name].result(10)
        broker.kill()
        broker.start()
        assert (broker.bootstrap, broker.starts) == (address, 2)
        assert broker.pid != pid
        assert name in admin.list_topics(timeout=10).topics


@pytest.mark.slow
@pytest.mark.wire
def test_a_paused_broker_answers_nobody(kafka_broker: Broker) -> None:
    """SIGSTOP keeps the broker from answering, SIGCONT lets it go on."""
    kafka_broker.pause()
    try:
        with pytest.raises(KafkaException):
            admin_of(kafka_broker).list_topics(timeout=0.3)
    finally:
        kafka_broker.resume()
    assert admin_of(kafka_broker).list_topics(timeout=10).brokers


@pytest.mark.parametrize("words", [[], ["start"], ["a", "b"]])
def test_wrong_words_are_told_how(words: list[str]) -> None:
    """The script says how it is used and starts nothing."""
    found = subprocess.run([SCRIPT, *words], capture_output=True, text=True, timeout=10, check=False)
    assert found.returncode == 1
    assert "usage: kafka-broker" in found.stderr


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    """Without Maven the jars cannot be fetched, and the script says which program it wants."""
    path = tmp_path / "bin"
    path.mkdir()
    for name in ("sh", "dirname", "mkdir"):
        (path / name).symlink_to(Path("/bin") / name)
    environment = {"PATH": str(path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    found = subprocess.run(
        ["/bin/sh", SCRIPT, "fetch"], env=environment, capture_output=True, text=True, timeout=10, check=False
    )
    assert found.returncode == 1
    assert found.stderr.startswith("kafka-broker: mvn is not installed")
