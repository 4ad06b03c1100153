"""A node that reads a Kafka topic is stopped (SIGSTOP), another one takes over, and it wakes up (G1, G3, G4, F9).

A proxy makes it happen in the middle, by construction: it stops the node when its commit comes by, so that a batch is
stored and not committed, and the commit itself waits at the proxy until the other node has done everything. More is
queued only when the node stands still, so that what is left of its partitions is nobody's but the other's.
"""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from tests.faults.checker import Report, check
from tests.faults.cluster.nodes import Cluster, cluster, on_kafka
from tests.faults.crowd import heard
from tests.faults.held import Held, HeldCommits
from tests.faults.queues import BATCH, Filling, KafkaQueue, Listeners, done, filled
from tests.faults.scenarios import PRODUCT
from tests.ingest.kafka import Topic
from tests.support.kafka_broker import Broker, topic_name
from tests.support.kafka_proxy import KafkaProxy

# A broker and hubs take their time on a busy machine; each wait inside has a bound of its own.
pytestmark = [pytest.mark.wire, pytest.mark.slow, pytest.mark.timeout(240)]

STOPPED, OTHER = "n0", "n1"
#: The commit that is held: those before it are with the broker.
CAUGHT = 3
#: Records before the stop, of which each of two nodes reads half: more batches than are committed; after it; at the end.
BEFORE, MIDDLE, END = 400, 1_200, 80
WITHIN_S = 60.0


class Stop:
    """Two nodes on one log, a topic that they share, and the stop of the first one."""

    def __init__(self, queue: KafkaQueue, commits: HeldCommits, nodes: Cluster) -> None:
        self.queue = queue
        self.commits = commits
        self.node = nodes.nodes[0]
        self.all = Filling([], [], [])
        commits.held.strike = lambda: self.signal(signal.SIGSTOP)

    def signal(self, which: signal.Signals) -> None:
        os.kill(self.node.pid, which)

    async def fill(self, entries: int) -> None:
        more = filled(entries, self.queue.lanes, first=len(self.all.queued))
        self.all = self.all.plus(more)
        await asyncio.to_thread(self.queue.fill, more.queued)

    async def shared(self, *counts: tuple[str, int]) -> None:
        """Wait until the partitions are shared so: that many for each node."""
        async with asyncio.timeout(WITHIN_S):
            while await self._shares() != dict(counts):  # noqa: ASYNC110  a group tells nobody that it has settled
                await asyncio.sleep(0.05)

    async def _shares(self) -> dict[str, int]:
        members = await asyncio.to_thread(self.queue.topic.members, self.queue.group)
        return {name: len(partitions) for name, partitions in members.items()}

    async def run(self) -> None:
        both = (STOPPED, 2), (OTHER, 2)
        await self.shared(*both)
        await self.fill(BEFORE)
        await self.commits.held.next(WITHIN_S)
        await self.fill(MIDDLE)
        await done(self.queue, WITHIN_S)
        await self.shared((OTHER, 4))
        await self.commits.let_go(WITHIN_S)
        assert await asyncio.to_thread(self.queue.left) == (0, 0), "a late commit moved the group"
        self.signal(signal.SIGCONT)
        await self.shared(*both)
        await self.fill(END)
        await done(self.queue, WITHIN_S)


async def stopped_midway(
    directory: Path, broker: Broker, *, module: str = PRODUCT, drain_s: float = WITHIN_S
) -> Report:
    queue = KafkaQueue(Topic(broker, topic_name(), partitions=KafkaQueue.lanes))
    commits = HeldCommits(Held(every=CAUGHT, times=1), STOPPED)
    async with KafkaProxy(broker, commits) as proxy:
        queue.at(proxy.bootstrap)
        settings = {**queue.settings, "FAST_SSE_LIMITS__INGEST_ENTRIES_MAX": str(BATCH)}
        async with (
            cluster(directory, on_kafka(broker), 2, module=module, settings=lambda _: settings) as nodes,
            Listeners(nodes.addresses[0], "stopped ") as first,
            Listeners(nodes.addresses[1], "other ") as second,
        ):
            stop = Stop(queue, commits, nodes)
            await stop.run()
            for listeners in (first, second):
                await listeners.seen_last(stop.all.published, drain_s)
            return check(stop.all.published, heard(first.pairs + second.pairs))


async def test_a_stopped_reader_takes_nothing_from_its_follower(tmp_path: Path, kafka_broker: Broker) -> None:
    """The other node takes over all partitions and finishes; woken up, the first one commits and adds nothing of them.

    Every subscriber on either node sees each record once, in the order of its partition.
    """
    report = await stopped_midway(tmp_path, kafka_broker)
    report.assert_clean()


async def test_forgotten_keys_are_found(tmp_path: Path, kafka_broker: Broker) -> None:
    """The same on nodes without keys: what was stored and not committed is there twice."""
    report = await stopped_midway(tmp_path, kafka_broker, module="tests.faults.broken.dedup_off")
    assert "duplicate" in report.found, report.text()
