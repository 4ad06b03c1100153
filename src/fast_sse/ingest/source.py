"""The life of a source: start, trouble, recovery, stop; the same whichever queue it reads.

A source is beside the hub, never in its way: whatever the queue does (down at the start, lost on the way, refusing,
holding something unreadable), the hub serves on, and the source tries again with a wait that doubles. Trouble is reported
once when it begins and once when it ends, not at every attempt.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from fast_sse.hub.supervised import supervised
from fast_sse.ingest.figures import Figures
from fast_sse.ingest.forward import PoisonEntry
from fast_sse.model.backoff import Backoff
from fast_sse.model.errors import FastSseError
from fast_sse.model.limits import Limits
from fast_sse.observe.metrics import Sample
from fast_sse.observe.observer import (
    IngestFailed,
    IngestGone,
    IngestPoisoned,
    IngestRecovered,
    IngestStarted,
    IngestStopped,
    Observer,
)

#: Seconds until a task that went on after its cancellation is cancelled again.
_CANCEL_AGAIN_S = 0.2


class QueueError(Exception):
    """The queue cannot be read now. Its text is written for a log: no URL, no secret."""


class QueueSource(ABC):
    """One queue of another system, read by this node.

    Attributes:
        kind: `redis_stream` or `kafka_topic`, as the settings call it.
        queue: its name.
        figures: what was done so far.
    """

    kind: str

    def __init__(self, queue: str, limits: Limits, observer: Observer) -> None:
        self.queue = queue
        self.figures = Figures()
        self._limits = limits
        self._observer = observer
        self._task: asyncio.Task[None] | None = None
        self._trouble = ""
        self._ending = False
        self._idle = False

    # -- life -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to read, in a task of its own. The hub must have been started."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"ingest {self.queue}")
        self._observer.notify(IngestStarted(self.kind, self.queue))

    async def stop(self) -> None:
        """Read nothing more; what is in hand has a moment to be stored and acknowledged. Idempotent.

        What was not done by then stays in the queue, and the next reader gets it.
        """
        task, self._task = self._task, None
        if task is None:
            return
        self._ending = True
        if self._idle:
            task.cancel()
        _, late = await asyncio.wait({task}, timeout=self._limits.ingest_stop_s)
        while late:
            # More than once: `asyncio.wait_for`, which clients of queues use, may swallow a cancellation that comes together
            # with its result (bpo-37658, mended in Python 3.12).
            task.cancel()
            _, late = await asyncio.wait({task}, timeout=_CANCEL_AGAIN_S)
        self.figures.reading, self.figures.lag = False, None
        self._observer.notify(IngestStopped(self.kind, self.queue, self.figures.taken))

    def samples(self) -> Iterable[Sample]:
        """The figures, for the operators."""
        return self.figures.samples(self.kind)

    @abstractmethod
    async def _read(self) -> None:
        """Read until `_ending`. Raises QueueError when the queue cannot be read now."""

    async def _run(self) -> None:
        """`_read` again and again, until it returns."""
        await supervised(
            f"ingest {self.queue}",
            self._attempt,
            self._observer,
            Backoff(self._limits.retry_store_s, self._limits.retry_store_s_max),
            progress=lambda: self.figures.taken,
            wait=lambda seconds: self._wait(partial(asyncio.sleep, seconds)),
            ended=lambda: self._ending,
        )

    async def _attempt(self) -> None:
        try:
            await self._read()
        except QueueError as error:
            self._in_trouble(str(error))
        finally:
            self.figures.reading, self.figures.lag = False, None

    async def _wait(self, wait: Callable[[], Awaitable[object]]) -> None:
        """A wait with nothing in hand, which `stop` cuts short."""
        if self._ending:
            return
        self._idle = True
        try:
            await wait()
        finally:
            self._idle = False

    # -- what is reported ------------------------------------------------------------------------------------

    def _held_up(self, error: FastSseError) -> None:
        """The hub did not store: its own trouble, and the queue fills meanwhile."""
        self.figures.held_up += 1
        self._in_trouble(f"the hub does not store: {error.message}")

    def _in_trouble(self, error: str) -> None:
        if error != self._trouble:
            self._trouble = error
            self._observer.notify(IngestFailed(self.kind, self.queue, error))

    def _well(self) -> None:
        if self._trouble:
            self._trouble = ""
            self._observer.notify(IngestRecovered(self.kind, self.queue))

    def _gone(self, entries: int, place: str, counted: str) -> None:
        """Count and name entries that the queue let go before they were done with."""
        self.figures.gone += entries
        self._observer.notify(IngestGone(self.kind, self.queue, place, entries, counted))

    def _poisoned(self, poison: Iterable[PoisonEntry]) -> None:
        """Count and name entries that were kept as dead letters, without their content."""
        for entry, error in poison:
            self.figures.poison += 1
            self._observer.notify(IngestPoisoned(self.kind, self.queue, entry.place, error.message))
