"""The wall clock stepped four ways under load, with retention by age: nothing lost, no key forgotten (G1, G3)."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from tests.faults.counts import CLOCK_STEPS, Record, each_scale
from tests.faults.crowd import Crowd
from tests.faults.stepped import OFFSET_FILE, Offset
from tests.support.kernel import eventually
from tests.support.server import Hub

pytestmark = pytest.mark.wire

PATTERNS = [("*", "*"), ("car0", "sold")]
HOUR_S = 3600.0
STEPS = {
    "62 minutes ahead": 62 * 60.0,
    "two days ahead": 48 * HOUR_S,
    "an hour back": -HOUR_S,
    "born in 1970 and put right": -56 * 365 * 24 * HOUR_S,
}
#: A step is believed within the test, and retention looks all the time.
SETTINGS = {
    "FAST_SSE_RETENTION__MAX_AGE_S": "3600",
    "FAST_SSE_RETENTION__CLOCK_PATIENCE_S": "0.3",
    "FAST_SSE_LIMITS__TRIM_INTERVAL_S": "0.05",
}


def steps_believed(hub: Hub, count: int) -> bool:
    """Whether the hub said so often that it believes a step."""
    return hub.log.read_text().count("believes the new wall clock") >= count


@each_scale
@pytest.mark.parametrize("store", ["sqlite", "memory"])
async def test_steps_of_the_wall_clock_lose_nothing(
    tmp_path: Path, scale: str, store: str, record: Record
) -> None:
    """Put right at once, believed, and put right after that: every message comes, and every key is still known."""
    count = CLOCK_STEPS[scale]
    offset = Offset(tmp_path / "offset")
    settings = {**SETTINGS, OFFSET_FILE: offset.path}
    hub = Hub(tmp_path, store=store, module="tests.faults.stepped", settings=settings)
    believed = 0
    async with hub, Crowd(hub.public, publishers=2, patterns=PATTERNS) as crowd:
        await crowd.publish(count)
        for seconds in STEPS.values():
            offset.step(seconds)
            await crowd.publish(count)
            offset.step(0.0)
            await crowd.publish(count)
            for step in (seconds, 0.0):
                offset.step(step)
                believed += 1
                await crowd.publish(count)
                await eventually(partial(steps_believed, hub, believed), 20.0, "the step is believed")
                await crowd.publish(count)
        for publisher in crowd.publishers:
            for message in publisher.history[:: max(1, count // 10)]:
                assert (await publisher.repeat(message)).duplicate, "its key was forgotten"
        await crowd.join_late()
        await crowd.drain()
        report = crowd.report().require(steps_believed=believed)
    record(f"{len(crowd.messages):,} messages, {len(STEPS)} steps, {store}", report.text())
    report.assert_clean()
    assert hub.log.read_text().count("the wall clock stepped by") >= 1
