"""How late the loop is: a clock that the test moves, on a loop whose time it moves, too."""

from __future__ import annotations

import asyncio

from tests.hub.loops import ManualLoop

from fast_sse.observe.loop_lag import LOOK_S, LoopLag


def buckets(lag: LoopLag) -> dict[float, int]:
    """Looks that found at most so many seconds."""
    (sample,) = lag.samples()
    return {bucket.bound: bucket.total for bucket in sample.buckets}


def looked(lag: LoopLag) -> int:
    """How often it has looked."""
    return max(buckets(lag).values())


def run(lag: LoopLag, loop: ManualLoop, *held_s: float) -> None:
    """Start it, hold the loop for each of these times after a look that was in time, and stop it."""

    async def watch() -> None:
        lag.start()
        for seconds in held_s:
            await loop.elapse(LOOK_S)
            loop.now_s += seconds
        await loop.elapse(LOOK_S)
        lag.stop()
        lag.stop()
        await loop.elapse(10 * LOOK_S)

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(watch())


def test_a_loop_in_time_is_not_late() -> None:
    """Four looks a second, each in the first bucket; none after the stop."""
    loop = ManualLoop()
    lag = LoopLag(loop.time)
    run(lag, loop, 0, 0)
    assert buckets(lag)[0.00025] == looked(lag) == 3


def test_a_loop_that_was_held_is_late_by_that() -> None:
    """One look comes late by what the loop was held past it, and the next one is in time again."""
    loop = ManualLoop()
    lag = LoopLag(loop.time)
    run(lag, loop, 2.0 + LOOK_S)
    found = buckets(lag)
    assert (found[1.0], found[2.5], looked(lag)) == (2, 3, 3)


def test_it_looks_once_however_often_it_is_started() -> None:
    """A second start adds no second timer."""
    loop = ManualLoop()
    lag = LoopLag(loop.time)

    async def watch() -> None:
        lag.start()
        lag.start()
        await loop.elapse(LOOK_S)
        lag.stop()

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(watch())
    assert looked(lag) == 1
