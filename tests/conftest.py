"""Servers that all tests of a worker share, because starting one costs seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.kafka_broker import Broker, need_kafka


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker for tests that leave it as they found it; they share it, and keep apart by topic."""
    need_kafka()
    with Broker(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker
