"""The server that the tests of Redis stand on does what they say of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.redis_server import Persistence, RedisServer, need_redis


@pytest.mark.slow
@pytest.mark.wire
@pytest.mark.parametrize(("persistence", "kept"), [("none", None), ("always", b"1")])
def test_a_kill_leaves_what_persistence_promises(
    tmp_path: Path, persistence: Persistence, kept: bytes | None
) -> None:
    """After SIGKILL and a start on the same port: nothing without persistence, everything with `always`."""
    need_redis()
    with RedisServer(tmp_path, persistence=persistence) as server:
        server.do("SET", "k", 1)
        before = server.pid
        server.restart()
        assert server.pid != before
        assert server.do("GET", "k") == kept


@pytest.mark.slow
@pytest.mark.wire
def test_a_replica_follows(tmp_path: Path) -> None:
    """A server started as a replica comes to have what its primary has."""
    need_redis()
    with (
        RedisServer(tmp_path / "a") as primary,
        RedisServer(tmp_path / "b", replica_of=primary.address) as other,
    ):
        primary.do("SET", "k", 1)
        other.catch_up_with(primary)
        assert other.do("GET", "k") == b"1"
        assert primary.info("replication")["connected_slaves"] == 1
