"""Erasures in steps, and those that an earlier process had begun."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from fast_sse.model.channel import Channel
from fast_sse.model.errors import NotStoredError, StoreClosedError
from fast_sse.store.sqlite.erasing import erase_below, erase_on

A = Channel("a", "t")


class Steps:
    """A keeper that erases step by step, or fails."""

    def __init__(self, *steps: int | Exception) -> None:
        self.steps = list(steps)

    def erase(self, target: Channel, below: int) -> int:
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    def erasing(self) -> list[tuple[Channel, int]]:
        return [(A, 9)]


def do(chore: Callable[[], Any]) -> asyncio.Future[Any]:
    future = asyncio.get_running_loop().create_future()
    try:
        future.set_result(chore())
    except Exception as error:  # noqa: BLE001  as the writer's thread answers
        future.set_exception(error)
    return future


async def test_steps_go_on_until_one_finds_nothing() -> None:
    """Each is a chore of its own, so publishes get in between; their sum is the answer."""
    assert await erase_below(Steps(500, 20, 0), do, A, 9) == 520  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (StoreClosedError("closed"), ""),
        (NotStoredError("no disk"), "is not done: no disk; ask for it again"),
        (ZeroDivisionError("never expected"), "is not done; ask for it again"),
    ],
)
async def test_one_that_cannot_be_ended_is_said(
    failure: Exception, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody waits for it, so the log says it; a store that closes is no failure."""
    await erase_on(Steps(5, failure), do)  # type: ignore[arg-type]
    assert said in caplog.text
    assert bool(caplog.records) == bool(said)
