"""Erasing a channel in steps, between the commits of others; what a process that ended had begun is taken up again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from fast_sse.model.channel import Channel
from fast_sse.model.cursor import Position
from fast_sse.model.errors import StoreClosedError, UnavailableError
from fast_sse.store.sqlite.keeper import Keeper

_log = logging.getLogger(__name__)

#: Runs something on the writer's thread. Raises StoreClosedError.
Do = Callable[[Callable[[], Any]], asyncio.Future[Any]]


async def erase_below(keeper: Keeper, do: Do, target: Channel, below: Position) -> int:
    """Erase a channel below its control record; how many records went. Raises UnavailableError."""
    erased = 0
    while gone := await do(lambda: keeper.erase(target, below)):
        erased += gone
    return erased


async def erase_on(keeper: Keeper, do: Do) -> None:
    """End what an earlier process began to erase."""
    try:
        for target, below in await do(keeper.erasing):
            erased = await erase_below(keeper, do, target, below)
            _log.warning("an erasure that a stop had cut off is done now (%d entries): nothing to do", erased)
    except StoreClosedError:
        return
    except UnavailableError as error:
        _log.error("an erasure that a stop had cut off is not done: %s; ask for it again", error.message)
    except Exception:  # noqa: BLE001  the last guard: nobody waits for this task
        _log.exception("an erasure that a stop had cut off is not done; ask for it again, and report this")
