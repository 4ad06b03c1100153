"""An end that is reached although the caller who waits for it is cancelled.

Half an end is worse than none: a store that is neither in use nor closed keeps its lock, its threads and its connections, and
nobody is left who would close it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


async def reached(end: Coroutine[Any, Any, None]) -> None:
    """Wait for an end, and raise what it raises. Who is cancelled meanwhile goes on when it is reached; cancelled twice, at once."""
    ending = asyncio.get_running_loop().create_task(end, name="end")
    try:
        await asyncio.shield(ending)
    except asyncio.CancelledError:
        await asyncio.wait([ending])
        raise
