"""Would a publish be stored? Asked of the store itself, at most once a second, however many ask here.

A store that has failed is asked again until it answers, whether anybody asks here or not. So operators are told of each
failure once, and of its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from fast_sse.hub.supervised import supervised
from fast_sse.model.backoff import Backoff
from fast_sse.model.errors import NotStoredError, StoreClosedError, UnavailableError
from fast_sse.model.limits import Limits
from fast_sse.observe.metrics import Sample
from fast_sse.observe.observer import Observer, StoreFailed, StoreRecovered
from fast_sse.store.base import Store

#: The store's write probe is asked at most this often.
PROBE_INTERVAL_S = 1.0


class Probe:
    """The write probe of one store."""

    def __init__(
        self, store: Store, limits: Limits, observer: Observer, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._store = store
        self._limits = limits
        self._observer = observer
        self._loop = loop
        self._asked_s = float("-inf")
        self._task: asyncio.Task[None] | None = None
        self._error: UnavailableError | None = None
        self._failing = asyncio.Event()
        self._up = False

    async def check(self) -> None:
        """Prove that a publish would be stored, by an answer that is at most a second old. Raises UnavailableError."""
        self.suspect()
        if self._task is not None:
            await asyncio.shield(self._task)
        if self._error is not None:
            raise self._error

    def suspect(self) -> None:
        """Something of the store's failed, or may have: ask it, unless that was less than a second ago."""
        if self._loop.time() - self._asked_s >= PROBE_INTERVAL_S and self._task is None:
            self._task = self._loop.create_task(self._ask(), name="write probe")

    async def run(self) -> None:
        """Ask a store that has failed again and again, until it is closed or the task is cancelled."""
        waits = Backoff(PROBE_INTERVAL_S, PROBE_INTERVAL_S)
        await supervised("store watch", self._watch, self._observer, waits)

    async def _watch(self) -> None:
        await self._failing.wait()
        try:
            await self.check()
        except StoreClosedError:
            raise
        except UnavailableError:
            return  # told when it began

    async def _ask(self) -> None:
        before = self._error
        try:
            async with asyncio.timeout(self._limits.append_s):
                await self._store.ping()
            self._error = None
        except TimeoutError:
            self._error = NotStoredError("the store does not answer")
        except UnavailableError as error:
            self._error = error
        finally:
            self._asked_s = self._loop.time()
            self._task = None
        if self._error is None:
            self._failing.clear()
        else:
            self._failing.set()
        if (before is None) != (self._error is None):
            fact = StoreRecovered() if self._error is None else StoreFailed(self._error.message)
            self._observer.notify(fact)

    async def look(self, within_s: float) -> None:
        """Check for the sake of `samples`; a store that is silent for that long is down."""
        check = asyncio.ensure_future(self.check())
        try:
            await asyncio.wait({check}, timeout=within_s)
            self._up = check.done() and not check.cancelled() and check.exception() is None
        finally:
            check.cancel()

    async def close(self) -> None:
        """End a question under way."""
        if (task := self._task) is not None:
            task.cancel()
            await asyncio.wait({task})

    def samples(self) -> Iterator[Sample]:
        """What the last look found."""
        yield Sample("store_up", "gauge", "0 when a publish would not be stored just now.", self._up)
