"""Opening the files on a thread, for a caller who may give up meanwhile.

A thread cannot be stopped. One that nobody waits for any more closes what it has opened, so that the next opening in this
process is not told that another one holds the directory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from fast_sse.store.judge import Ends
from fast_sse.store.sqlite.keeper import Keeper

#: The log and where it ends.
Opened = tuple[Keeper, Ends]


async def opened(pool: ThreadPoolExecutor, open_files: Callable[[], Opened]) -> Opened:
    """What `open_files` returns. When it raises, or the caller is cancelled, `pool` is over as well."""
    opening = pool.submit(open_files)
    try:
        return await asyncio.wrap_future(opening)
    except BaseException:
        opening.add_done_callback(_let_go)
        pool.shutdown(wait=False)
        raise


def _let_go(opening: Future[Opened]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        keeper, ends = opening.result()
        keeper.close(ends.newest)
