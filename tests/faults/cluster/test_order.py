"""One log, one order, whichever node one asks (guarantees G4, G5; fault F10)."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.cluster.nodes import Log
from tests.faults.cluster.scenarios import hops, one_order
from tests.faults.counts import CLUSTER_MESSAGES, HOPS, Record, each_scale

pytestmark = pytest.mark.wire


@each_scale
@pytest.mark.parametrize("nodes", [2, 3])
async def test_nodes_tell_one_order(tmp_path: Path, log: Log, nodes: int, scale: str, record: Record) -> None:
    """Publishers and subscribers on every node, exact and wildcard: all see all of theirs once, in one order."""
    wanted = CLUSTER_MESSAGES[scale]
    run = await one_order(tmp_path, log, nodes=nodes, messages=wanted)
    record(f"{wanted:,} messages, {nodes} nodes on {log.store}", run.figure)
    run.report.assert_clean()
    assert run.report.counts["messages"] >= wanted


@each_scale
async def test_a_subscriber_hops_from_node_to_node(
    tmp_path: Path, log: Log, scale: str, record: Record
) -> None:
    """A stream goes on at another node by Last-Event-ID, exactly where it was: nothing twice, nothing missing, no gap."""
    wanted = HOPS[scale]
    run = await hops(tmp_path, log, hops=wanted)
    record(f"{wanted:,} hops, 3 nodes on {log.store}", run.figure)
    run.report.assert_clean()
    assert run.report.counts["hops"] >= wanted
