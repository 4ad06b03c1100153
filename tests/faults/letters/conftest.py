"""The logs that dead letters are tried on: a file, a Redis of the test's own, a topic on the broker that all tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.faults.cluster.nodes import Log, on_kafka, on_redis
from tests.support.redis_server import RedisServer, need_redis


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server that no other test uses."""
    need_redis()
    with RedisServer(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def log_on(request: pytest.FixtureRequest) -> Callable[[str], Log]:
    """A new log on a store of this name."""

    def made(store: str) -> Log:
        if store == "redis":
            return on_redis(request.getfixturevalue("redis_server"))
        if store == "kafka":
            return on_kafka(request.getfixturevalue("kafka_broker"))
        return Log(store, {})

    return made
