"""The one thread that writes the log, by group commit.

What the loop appends while a commit runs is the next group: the thread takes it the moment it is free, so there
is one wake-up per group in each direction at most, however many publishers wait. The thread holds the GIL as
little as it can: rows come ready to bind, and a group is one statement and one transaction in one `sqlite3_step`.

A busy loop starves every other thread under CPython's default switch interval (5 ms): it gives up the GIL for a
moment in each turn, which begins the waiter's interval anew without letting it in. The composition root
therefore sets `sys.setswitchinterval` to SWITCH_INTERVAL_S, below a turn of the loop. Measured with 512 keyed
publishers beside a loop that is never idle: 250 to 5,000 appends a second with the default, 26,000 with this.

Whatever is raised here is said, and answers whoever waits for it: a thread that ended silently would leave every
publish to its deadline for ever, and the process without an end. So each step has a guard of its own after which the
thread goes on, and the thread has a last one after which everything is refused as certainly not stored.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from fast_sse.model.cursor import Position
from fast_sse.model.errors import FastSseError, NotStoredError, UnknownOutcomeError
from fast_sse.store.sqlite.group import Job, Special
from fast_sse.store.sqlite.keeper import Keeper

_log = logging.getLogger(__name__)

#: What `sys.setswitchinterval` should be in a process that runs this thread beside an event loop.
SWITCH_INTERVAL_S = 0.00005
#: Rows that one group takes, keys counted as rows, one call of `append` however many: fewer where they take long.
_GROUP_ROWS_MAX, _GROUP_ROWS_MIN = 1024, 64
#: How long a group should take at most: everybody who comes meanwhile waits for it.
_GROUP_S = 0.05


class Group(NamedTuple):
    """What became of some jobs: an error for all, or stored but for the `special` outcomes, by position."""

    jobs: list[Job]
    error: FastSseError | None
    special: Special


class Writer:
    """The thread. Its public methods are called on the loop's thread, and `on_group` is called there."""

    def __init__(
        self, on_group: Callable[[Group], None], clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._on_group = on_group
        self._clock_s = clock_s
        self._rows_max = _GROUP_ROWS_MAX
        #: Kept, because asking for the running one is a system call (getpid) in CPython 3.11.
        self.loop = asyncio.get_running_loop()
        self._jobs: list[Job] = []
        self._chores: deque[tuple[Callable[[], Any], asyncio.Future[Any]]] = deque()
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._idle = False
        self._wake_due = False
        self._last_given: Position = 0
        self._closing: asyncio.Future[None] | None = None
        #: The thread has ended, as asked or not: nothing is taken any more.
        self._ended = False

    def start(self, keeper: Keeper) -> None:
        """From here on the keeper is the thread's own."""
        self._keeper: Keeper | None = keeper
        self._thread = threading.Thread(
            target=self._run, args=(keeper,), name="fast-sse-log-writer", daemon=True
        )
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Queue one call of `append` for the next group. The thread is woken when this turn of the loop ends."""
        self._jobs.append(job)
        if self._ended:
            self._refuse()
        if self._idle and not self._wake_due:
            self._wake_due = True
            self.loop.call_soon(self._wake_thread)

    def do(self, chore: Callable[[], Any]) -> asyncio.Future[Any]:
        """Run something on the thread, between two groups. The future fails with what it raises."""
        future = self.loop.create_future()
        self._chores.append((chore, future))
        if self._ended:
            self._refuse()
        self._wake_thread()
        return future

    def tell(self, callback: Callable[..., object], *args: object) -> None:
        """Call something on the loop's thread, in the order of the calls. For the writer's thread."""
        with suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            self.loop.call_soon_threadsafe(callback, *args)

    async def close(self, last_given: Position) -> None:
        """Commit what is queued, then let the keeper close the log. Returns whatever became of the thread."""
        self._last_given = last_given
        self._closing = self.loop.create_future()
        if self._ended:
            self._refuse()
        self._wake_thread()
        await self._closing
        self._thread.join()
        if self._keeper is not None:
            self._close(self._keeper)

    def _wake_thread(self) -> None:
        self._wake_due = False
        if self._idle:
            self._idle = False
            self._wake.put(None)

    def _refuse(self) -> None:
        """Answer what the thread will not take: certainly not stored, since nobody began with it."""
        jobs, self._jobs[:] = self._jobs[:], []
        if jobs:
            self.tell(self._on_group, Group(jobs, _refusal(), {}))
        while self._chores:
            _fail(self._chores.popleft()[1], _refusal())
        if self._closing is not None and not self._closing.done():
            self._closing.set_result(None)

    # -- the thread ---------------------------------------------------------------------------------

    def _run(self, keeper: Keeper) -> None:
        try:
            self._take_turns(keeper)
        except BaseException as problem:  # noqa: BLE001  the last guard: nobody else would ever notice
            _log.critical("the thread that writes the log has ended: restart the hub", exc_info=problem)
        else:
            self._close(keeper)
        self._ended = True
        self.tell(self._refuse)

    def _close(self, keeper: Keeper) -> None:
        self._keeper = None
        try:
            keeper.close(self._last_given)
        except Exception:  # noqa: BLE001  said, and answered
            _log.exception("log.db was not closed: report it; the next start checks it")

    def _take_turns(self, keeper: Keeper) -> None:
        while True:
            if self._jobs:
                self._commit(keeper, self._next_group())
            if self._chores:
                self._do_chore(*self._chores.popleft())
            self._tidy(keeper)
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

    def _next_group(self) -> list[Job]:
        """The jobs that wait, as many as take no longer than a group should."""
        # The loop only ever appends to this list, and each of the two steps is one step under the GIL.
        jobs = self._jobs[: self._rows_max]
        rows = 0
        for taken, one in enumerate(jobs):
            rows += len(one.records) + len(one.digests)
            if rows > self._rows_max and taken:
                del jobs[taken:]
                break
        del self._jobs[: len(jobs)]
        return jobs

    def _commit(self, keeper: Keeper, jobs: list[Job]) -> None:
        began_s = self._clock_s()
        try:
            group = Group(jobs, None, keeper.commit(jobs))
        except FastSseError as error:
            group = Group(jobs, error, {})
        except Exception:  # noqa: BLE001  said, and answered
            _log.exception("a defect in storing publishes: report it")
            keeper.distrust()
            group = Group(jobs, UnknownOutcomeError(), {})
        except BaseException:
            self.tell(self._on_group, Group(jobs, UnknownOutcomeError(), {}))
            raise
        self.tell(self._on_group, group)
        took_s = self._clock_s() - began_s
        if took_s > _GROUP_S:
            self._rows_max = max(_GROUP_ROWS_MIN, self._rows_max // 2)
        elif took_s < _GROUP_S / 2:
            self._rows_max = min(_GROUP_ROWS_MAX, 2 * self._rows_max)

    def _do_chore(self, chore: Callable[[], Any], future: asyncio.Future[Any]) -> None:
        try:
            result = chore()
        except FastSseError as error:
            self.tell(_fail, future, error)
        except Exception:  # noqa: BLE001  said, and answered
            _log.exception("a defect in a task of the store: report it")
            self.tell(_fail, future, NotStoredError("the log cannot be written now"))
        except BaseException:
            self.tell(_fail, future, _refusal())
            raise
        else:
            self.tell(_succeed, future, result)

    def _tidy(self, keeper: Keeper) -> None:
        try:
            keeper.tidy_up()
        except Exception:  # noqa: BLE001  said, and answered
            _log.exception("a defect in tidying up: report it")


def _refusal() -> NotStoredError:
    return NotStoredError("the thread that writes the log has ended: restart the hub")


def _succeed(future: asyncio.Future[Any], result: object) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: FastSseError) -> None:
    if not future.done():
        future.set_exception(error)
