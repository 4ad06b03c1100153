"""The pair loses what a failover to a lagging replica loses, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.redis_pair import paired
from tests.support.redis_server import RedisServer


@pytest.mark.slow
@pytest.mark.wire
async def test_a_failover_loses_what_the_replica_never_had(tmp_path: Path) -> None:
    """What was written before the lag is there, what was written after it is not, and the address leads to the replica."""
    async with paired(tmp_path) as pair:
        pair.primary.do("SET", "before", 1)
        await pair.lag()
        pair.primary.do("SET", "after", 1)
        await pair.fail_over()
        assert pair.front.target == pair.replica.address
        assert [pair.replica.do("GET", key) for key in ("before", "after")] == [b"1", None]
        with (
            pytest.raises(RuntimeError, match="not ready"),
            RedisServer(tmp_path / "c", options=("no such",)),
        ):
            pass
