"""Builds that are broken between nodes must turn the checker red, on the very runs that the product passes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.cluster.nodes import on_redis
from tests.faults.cluster.scenarios import one_order, retries_elsewhere
from tests.support.redis_server import RedisServer

pytestmark = [pytest.mark.slow, pytest.mark.wire]

#: Long enough for what is coming, short enough for what never will.
DRAIN_S = 3.0


async def test_keys_of_one_node_alone_are_found(tmp_path: Path, redis_server: RedisServer) -> None:
    """Nodes that do not know one another's idempotency keys store a message again that is repeated elsewhere."""
    module = "tests.faults.broken.dedup_per_node"
    run = await retries_elsewhere(
        tmp_path, on_redis(redis_server), messages=20, module=module, drain_s=DRAIN_S
    )
    assert "duplicate" in run.report.found, run.figure


async def test_a_reader_that_skips_is_found(tmp_path: Path, redis_server: RedisServer) -> None:
    """A node that reads on from the end of the log after a lost connection loses what came in between."""
    module = "tests.faults.broken.read_from_newest"

    def cut() -> None:
        connections = redis_server.do("CLIENT", "LIST").decode().splitlines()
        readers = [line.split()[0] for line in connections if "name=fast-sse-follow" in line]
        assert len(readers) == 2
        for reader in readers:
            redis_server.do("CLIENT", "KILL", "ID", reader.removeprefix("id="))

    run = await one_order(
        tmp_path,
        on_redis(redis_server),
        nodes=2,
        messages=800,
        module=module,
        drain_s=DRAIN_S,
        disturb=cut,
    )
    assert "lost" in run.report.found, run.figure
