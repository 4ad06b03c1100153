"""An end is reached once it has begun, whoever waits for it."""

from __future__ import annotations

import asyncio

import pytest

from fast_sse.hub.ending import reached


class End:
    """An end that takes as long as the test says, and may fail."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.begun, self.goes_on = asyncio.Event(), asyncio.Event()
        self.done = False

    async def reach(self) -> None:
        """Wait, and be done."""
        self.begun.set()
        await self.goes_on.wait()
        self.done = True
        if self.error is not None:
            raise self.error


async def test_who_is_cancelled_waits_for_the_end() -> None:
    """And is cancelled then."""
    end = End()
    waiting = asyncio.create_task(reached(end.reach()))
    await end.begun.wait()
    waiting.cancel()
    await asyncio.sleep(0)
    assert not waiting.done()
    end.goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert end.done


async def test_who_is_cancelled_twice_goes_on_at_once() -> None:
    """The end is reached all the same."""
    end = End()
    waiting = asyncio.create_task(reached(end.reach()))
    await end.begun.wait()
    for _ in range(2):
        waiting.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not end.done
    end.goes_on.set()
    for _ in range(2):
        await asyncio.sleep(0)
    assert end.done


@pytest.mark.parametrize("cancelled", [False, True])
async def test_an_end_that_fails_says_so(cancelled: bool) -> None:
    """To who waits; one who was cancelled is told that, and nobody is told twice."""
    end = End(OSError("the disk is gone"))
    waiting = asyncio.create_task(reached(end.reach()))
    await end.begun.wait()
    if cancelled:
        waiting.cancel()
        await asyncio.sleep(0)
    end.goes_on.set()
    with pytest.raises(asyncio.CancelledError if cancelled else OSError):
        await waiting
