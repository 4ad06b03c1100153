"""Loud, and alive: work that must go on as long as the hub does, whatever one attempt meets.

A part of the hub that stands still without a word is the worst outcome: the log is not followed, or grows, and nothing
shows it. So a defect is reported and ends only the attempt that met it; the next one follows after a wait.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable

from fast_sse.model.backoff import Backoff
from fast_sse.model.errors import StoreClosedError
from fast_sse.observe.observer import DefectSeen, Observer


async def supervised(
    name: str,
    attempt: Callable[[], Awaitable[object]],
    observer: Observer,
    backoff: Backoff,
    *,
    progress: Callable[[], object] = lambda: None,
    wait: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ended: Callable[[], bool] = lambda: False,
) -> None:
    """Make attempt after attempt, with a wait of `backoff` between two, until the store is closed.

    An attempt may return or raise; what it expects to go wrong it reports itself.

    Args:
        name: of the work, as `DefectSeen.where`.
        attempt: one try; called anew for the next one.
        observer: gets a `DefectSeen` for each defect.
        backoff: the waits, its own for each work.
        progress: how far the work has come; an attempt that changes it is followed by the first wait again.
        wait: waits that many seconds, or less when there is a reason.
        ended: asked before each attempt; true ends the work.
    """
    while not ended():
        before = progress()
        try:
            await attempt()
        except StoreClosedError:
            return
        except Exception as error:  # noqa: BLE001  the rule of this module
            observer.notify(DefectSeen(name, repr(error), traceback.format_exc()))
        if progress() != before:
            backoff.restart()
        await wait(backoff.next_s())
