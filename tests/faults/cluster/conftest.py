"""The logs that nodes share: a Redis of the test's own, a topic on the broker that all tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.cluster.nodes import Log, on_kafka, on_redis
from tests.support.kafka_broker import Broker
from tests.support.redis_server import RedisServer, need_redis


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server that no other test uses."""
    need_redis()
    with RedisServer(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def redis_log(redis_server: RedisServer) -> Log:
    """The log on that server."""
    return on_redis(redis_server)


@pytest.fixture(params=["redis", "kafka"])
def log(request: pytest.FixtureRequest) -> Log:
    """Both stores that nodes can share, one after the other."""
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        return on_redis(server)
    broker: Broker = request.getfixturevalue("kafka_broker")
    return on_kafka(broker)
