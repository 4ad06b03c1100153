"""The manual loop and the guard against blocking calls do what the other tests rely on."""

from __future__ import annotations

import asyncio
import time

import pytest
from blockbuster import BlockingError
from tests.hub.loops import manual


async def test_time_stands_still_until_it_is_moved() -> None:
    """Timers fire in their order, each at its own moment, and only when the test lets time pass."""
    loop = manual()
    fired: list[tuple[str, float]] = []
    begin = loop.time()
    loop.call_later(2, lambda: fired.append(("second", loop.time() - begin)))
    loop.call_later(1, lambda: fired.append(("first", loop.time() - begin)))
    await loop.idle()
    assert fired == []
    await loop.elapse(1.5)
    assert fired == [("first", 1.0)]
    await loop.elapse(1.5)
    assert fired == [("first", 1.0), ("second", 2.0)]
    assert loop.time() - begin == 3.0


async def test_idle_means_nothing_is_left_to_do() -> None:
    """However many turns of the loop a chain of callbacks takes, `idle` waits for its end."""
    left = 100
    done = asyncio.Event()

    def step() -> None:
        nonlocal left
        left -= 1
        if left:
            asyncio.get_running_loop().call_soon(step)
        else:
            done.set()

    step()
    await manual().idle()
    assert done.is_set()


async def test_a_blocking_call_on_the_loop_fails_the_test() -> None:
    """The guard bites: what blocks the loop raises where it is called."""
    with pytest.raises(BlockingError):
        time.sleep(0)  # noqa: ASYNC251
