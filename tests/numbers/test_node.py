"""Each number of the node and of its process, moved."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Iterable
from typing import NoReturn

import pytest
from tests.app.conftest import StubbornStore
from tests.numbers.conftest import Watch, read
from tests.support.http1 import request

from fast_sse import __version__
from fast_sse.model.errors import NotStoredError
from fast_sse.observe.lines import Lines
from fast_sse.observe.logging import make_log
from fast_sse.observe.loop_lag import LOOK_S
from fast_sse.observe.metrics import Sample
from fast_sse.observe.observer import Fact

pytestmark = [pytest.mark.wire, pytest.mark.slow]


class Broken:
    """An observer that fails at every fact."""

    def notify(self, fact: Fact) -> NoReturn:
        """Fail."""
        raise RuntimeError(fact)


async def test_what_runs_is_told(watch: Watch) -> None:
    """Version, store, durability, and the process by the kernel's word: numbers that stand while it lives."""
    watched = await watch()
    await watched.tells("build_info", 1, version=__version__)
    await watched.tells("node_info", 1, store="memory", durability="process")
    await watched.tells("process_max_fds", resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    started_s = (await watched.numbers())["process_start_time_seconds"][()]
    assert time.time() - 86_400 < started_s < time.time()
    await watched.tells("process_start_time_seconds", pytest.approx(started_s, abs=1))


async def test_work_is_seen(watch: Watch) -> None:
    """CPU time and memory grow with what the process does, and a held loop is late."""
    watched = await watch()
    async with watched.moves(
        "process_cpu_seconds_total", "process_resident_memory_bytes", "loop_lag_seconds"
    ):
        until_s = time.process_time() + LOOK_S
        ballast = []
        while time.process_time() < until_s:
            ballast.append(bytearray(1 << 16))
    text = await watched.text()
    late = read(text)[1]["fast_sse_loop_lag_seconds"].samples
    assert sum(one.value for one in late if one.name.endswith("_sum")) > 0


async def test_a_node_is_ready_when_its_store_is_there(watch: Watch) -> None:
    """0 before, and 1 while it serves."""
    store = StubbornStore()
    store.error = NotStoredError("away")
    watched = await watch(store, limits={"retry_store_s": 0.01}, waits=False)
    await store.tried.wait()
    assert 'fast_sse_ready{node="n1"} 0.0' in (await watched.node.metrics(""))[0].decode()
    store.error = None
    await watched.begun()
    await watched.tells("ready", 1)
    async with watched.moves("ready"):
        watched.node.withdraw()


async def test_lines_and_facts_that_nobody_takes_are_counted(watch: Watch) -> None:
    """A log without a reader, an observer with a defect, and a part whose numbers cannot be read: each says so."""
    lines, broken = Lines(None), False

    def part() -> Iterable[Sample]:
        if broken:
            raise RuntimeError("broken")
        return []

    watched = await watch(observers=[Broken()], samplers=[lines.samples, part])
    assert await watched.value("observer_failures_total") > 0
    async with watched.moves("log_lines_dropped_total", "observer_failures_total", "metrics_failed"):
        broken = True
        make_log("info", lines).info("nobody reads this")
        watched.node.observer.notify(Fact())


async def test_two_nodes_of_one_host_do_not_collide(watch: Watch) -> None:
    """Read by one Prometheus, each series is told apart by the name of its node, those of the process included."""
    one, other = await asyncio.gather(watch(node="n1"), watch(node="n2"))
    series: set[tuple[str, tuple[tuple[str, str], ...]]] = set()
    count = 0
    for watched in (one, other):
        assert (await watched.publish()).status == 200
        _, families = read((await request(watched.admin, "GET", "/metrics")).body.decode())
        samples = [sample for family in families.values() for sample in family.samples]
        series |= {(sample.name, tuple(sorted(sample.labels.items()))) for sample in samples}
        count += len(samples)
    assert len(series) == count
