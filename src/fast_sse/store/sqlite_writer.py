"""The one thread that writes the log, by group commit.

What the loop appends while a commit runs is the next group: the thread takes it the moment it is free, so there
is one wake-up per group in each direction at most, however many publishers wait. The thread holds the GIL as
little as it can: rows come ready to bind, and a group is one statement and one transaction in one `sqlite3_step`.

A busy loop starves every other thread under CPython's default switch interval (5 ms): it gives up the GIL for a
moment in each turn, which begins the waiter's interval anew without letting it in. The composition root
therefore sets `sys.setswitchinterval` to SWITCH_INTERVAL_S, below a turn of the loop. Measured with 512 keyed
publishers beside a loop that is never idle: 250 to 5,000 appends a second with the default, 26,000 with this.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from fast_sse.model.cursor import Position
from fast_sse.model.errors import FastSseError
from fast_sse.store.sqlite_group import Job, Special
from fast_sse.store.sqlite_keeper import Keeper

#: What `sys.setswitchinterval` should be in a process that runs this thread beside an event loop.
SWITCH_INTERVAL_S = 0.00005
#: Calls of `append` that one group takes at most.
_GROUP_JOBS_MAX = 1024


class Group(NamedTuple):
    """What became of some jobs: an error for all, or stored but for the `special` outcomes, by position."""

    jobs: list[Job]
    error: FastSseError | None
    special: Special


class Writer:
    """The thread. Its public methods are called on the loop's thread, and `on_group` is called there."""

    def __init__(self, on_group: Callable[[Group], None]) -> None:
        self._on_group = on_group
        #: Kept, because asking for the running one is a system call (getpid) in CPython 3.11.
        self.loop = asyncio.get_running_loop()
        self._jobs: list[Job] = []
        self._chores: deque[tuple[Callable[[], Any], asyncio.Future[Any]]] = deque()
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._idle = False
        self._wake_due = False
        self._last_given: Position = 0
        self._closing: asyncio.Future[None] | None = None

    def start(self, keeper: Keeper) -> None:
        """From here on the keeper is the thread's own."""
        self._thread = threading.Thread(
            target=self._run, args=(keeper,), name="fast-sse-log-writer", daemon=True
        )
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Queue one call of `append` for the next group. The thread is woken when this turn of the loop ends."""
        self._jobs.append(job)
        if self._idle and not self._wake_due:
            self._wake_due = True
            self.loop.call_soon(self._wake_thread)

    def do(self, chore: Callable[[], Any]) -> asyncio.Future[Any]:
        """Run something on the thread, between two groups. The future fails with what it raises."""
        future = self.loop.create_future()
        self._chores.append((chore, future))
        self._wake_thread()
        return future

    def tell(self, callback: Callable[..., object], *args: object) -> None:
        """Call something on the loop's thread, in the order of the calls. For the writer's thread."""
        with suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            self.loop.call_soon_threadsafe(callback, *args)

    async def close(self, last_given: Position) -> None:
        """Commit what is queued, then let the keeper close the log."""
        self._last_given = last_given
        self._closing = self.loop.create_future()
        self._wake_thread()
        await self._closing
        self._thread.join()

    def _wake_thread(self) -> None:
        self._wake_due = False
        if self._idle:
            self._idle = False
            self._wake.put(None)

    # -- the thread ---------------------------------------------------------------------------------

    def _run(self, keeper: Keeper) -> None:
        while True:
            if self._jobs:
                # The loop only ever appends to this list, and each of the two steps is one step under the GIL.
                jobs = self._jobs[:_GROUP_JOBS_MAX]
                del self._jobs[: len(jobs)]
                self._commit(keeper, jobs)
            if self._chores:
                self._do_chore(*self._chores.popleft())
            keeper.checkpoint_when_due()
            if self._jobs or self._chores:
                continue
            if self._closing is not None:
                break
            # Idle is said before the last look, so that either side sees the other's word.
            self._idle = True
            if self._jobs or self._chores or self._closing is not None:
                self._idle = False
                continue
            self._wake.get()
        keeper.close(self._last_given)
        self.tell(self._closing.set_result, None)

    def _commit(self, keeper: Keeper, jobs: list[Job]) -> None:
        try:
            group = Group(jobs, None, keeper.commit(jobs))
        except FastSseError as error:
            group = Group(jobs, error, {})
        self.tell(self._on_group, group)

    def _do_chore(self, chore: Callable[[], Any], future: asyncio.Future[Any]) -> None:
        try:
            result = chore()
        except FastSseError as error:
            self.tell(_fail, future, error)
        else:
            self.tell(_succeed, future, result)


def _succeed(future: asyncio.Future[Any], result: object) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: FastSseError) -> None:
    if not future.done():
        future.set_exception(error)
