"""A publish whose answer never came is repeated on another node (guarantees G2, G3; fault F7)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from tests.faults.cluster.nodes import Log, cluster
from tests.faults.cluster.scenarios import CUT_EVERY, retries_elsewhere
from tests.faults.counts import CLUSTER_RETRIES, Record, each_scale
from tests.support.http1 import Address, Reply, request
from tests.support.publisher import publish_target, signed

pytestmark = pytest.mark.wire

CHANNEL = ("car0", "sold")


@each_scale
async def test_a_retry_on_another_node_is_the_same_message(
    tmp_path: Path, log: Log, scale: str, record: Record
) -> None:
    """Of five replies one is cut after the commit, and the message repeated elsewhere: one message, the same id."""
    wanted = CLUSTER_RETRIES[scale]
    run = await retries_elsewhere(tmp_path, log, messages=wanted)
    record(f"{wanted:,} messages, {wanted // CUT_EVERY} replies cut, {log.store}", run.figure)
    run.report.assert_clean()
    assert run.report.counts["replies_cut"] == run.report.counts["retried_elsewhere"] == wanted // CUT_EVERY


async def publish(address: Address, key: str, data: object) -> Reply:
    """A keyed publish on a connection of its own."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": key, **signed(CHANNEL)}
    body = json.dumps({"data": data}).encode()
    return await request(address, "POST", publish_target(CHANNEL), headers, body)


@pytest.mark.slow
async def test_one_key_at_once_on_all_nodes_is_one_message(tmp_path: Path, log: Log) -> None:
    """Whoever is first, all are answered with its id; another body under the key is refused on every node."""
    async with cluster(tmp_path, log, 2) as group:
        for number in range(10):
            key = f"k{number}"
            replies = await asyncio.gather(
                *(publish(address, key, number) for address in group.addresses * 3)
            )
            assert [reply.status for reply in replies] == [200] * 6
            answers = [reply.json()["data"] for reply in replies]
            assert len({answer["message_id"] for answer in answers}) == 1
            assert sum(not answer["duplicate"] for answer in answers) == 1
            for address in group.addresses:
                other = await publish(address, key, "another body")
                assert (other.status, other.code) == (409, "key_conflict")
