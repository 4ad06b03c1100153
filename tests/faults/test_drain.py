"""SIGTERM under load (guarantee G9)."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.faults.checker import KINDS, Report
from tests.faults.counts import DRAINS, Record, each_scale
from tests.faults.crowd import PATTERNS, Crowd
from tests.support.server import Hub

pytestmark = pytest.mark.wire

#: Long beside what a busy machine may hold up this process, which notes the ends.
DRAIN_S = 4.0
#: What it may add to the end of a stream, and to that of the process.
SPARE_S, EXIT_SPARE_S = 2.0, 5.0
#: Sixty streams: enough to see whether their ends are spread.
STREAMS = PATTERNS * 3


@each_scale
async def test_sigterm_loses_nothing_and_spreads_reconnects(
    tmp_path: Path, scale: str, record: Record
) -> None:
    """SIGTERM under load: exit 0, nothing acknowledged is lost, no client sees a final status, ends are spread."""
    reports, spreads = [], []
    for number in range(DRAINS[scale]):
        directory = tmp_path / str(number)
        directory.mkdir()
        report, ends_s = await drain_once(directory)
        reports.append(report)
        spreads.append(ends_s)
    record(f"{len(reports)} drains", f"{together(reports).text()}; the last: {described(spreads[-1])}")
    for report in reports:
        report.assert_clean()
    for ends_s in spreads:
        assert_spread(ends_s)


async def drain_once(directory: Path) -> tuple[Report, list[float]]:
    """One drain in the middle of a load, and the restart; seconds from the signal to each stream's end."""
    hub = Hub(directory, settings={"FAST_SSE_DRAIN_S": str(DRAIN_S)})
    async with hub, Crowd(hub.public, patterns=STREAMS) as crowd:
        load = asyncio.create_task(crowd.publish(2_000))
        await crowd.clients[-1].until(lambda: len(crowd.clients[-1].seen) > 300)
        before = [len(client.closed_ns) for client in crowd.clients]
        signalled_ns = time.monotonic_ns()
        hub.terminate_now()
        in_flight = sum(publisher.in_flight for publisher in crowd.publishers)
        assert await hub.await_exit() == 0, hub.tail_of_log()
        exit_s = (time.monotonic_ns() - signalled_ns) / 1e9
        assert exit_s < DRAIN_S + EXIT_SPARE_S, f"the drain took {exit_s:.1f} s"
        ends = [client.closed_ns[at] for client, at in zip(crowd.clients, before, strict=True)]
        await hub.astart()
        await load
        await crowd.drain()
        report = crowd.report().require(publishes_in_flight_at_sigterm=in_flight)
        return report, sorted((end - signalled_ns) / 1e9 for end in ends)


def together(reports: list[Report]) -> Report:
    """The defects and counts of several runs, added up."""
    counts: Counter[str] = Counter()
    defects = {kind: list[str]() for kind in KINDS}
    for report in reports:
        counts.update(report.counts)
        for kind, evidence in report.defects.items():
            defects[kind] += evidence
    return Report(defects, dict(counts))


def described(ends_s: list[float]) -> str:
    """The spread of stream ends, in words."""
    middle = ends_s[len(ends_s) // 2]
    return f"{len(ends_s)} streams ended {ends_s[0]:.2f} to {ends_s[-1]:.2f} s after SIGTERM, median {middle:.2f} s"


def assert_spread(ends_s: list[float]) -> None:
    """Ends fill the window: they reach over most of it, and no fifth of it holds half of them."""
    assert ends_s[-1] <= DRAIN_S + SPARE_S, described(ends_s)
    assert ends_s[-1] - ends_s[0] > 0.5 * DRAIN_S, described(ends_s)
    # What a busy machine noted late belongs to the last of them.
    fifths = [sum(1 for end in ends_s if min(4, int(end / DRAIN_S * 5)) == fifth) for fifth in range(5)]
    assert max(fifths) < 0.5 * len(ends_s), f"{described(ends_s)}: {fifths}"


def test_unjittered_drain_is_found() -> None:
    """Streams that all end at once are not spread, and the check says so."""
    with pytest.raises(AssertionError):
        assert_spread([0.3] * 60)
    with pytest.raises(AssertionError):
        assert_spread([0.3] * 29 + [DRAIN_S + 1] * 31)
    assert_spread([DRAIN_S * number / 60 for number in range(60)])
