"""Servers that all tests of a worker share, because starting one costs seconds."""

from __future__ import annotations

import pytest
from tests.support.kafka_broker import Broker, shared_broker


@pytest.fixture
def kafka_broker() -> Broker:
    """A broker for tests that leave it as they found it; they share it, and keep apart by topic."""
    return shared_broker()
