"""Publishes on their way to the store: bounded in number and bytes, each answered by its deadline.

What waits is counted until the store itself answers, also past the deadline: a store that hangs fills the bounds
once, and from then on publishes are refused as certainly not stored, instead of piling up behind it. Only the store ever
completes its own future.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from fast_sse.hub.long_lines import LongLines
from fast_sse.hub.supervised import supervised
from fast_sse.model.backoff import Backoff
from fast_sse.model.errors import OverloadedError, UnknownOutcomeError
from fast_sse.model.limits import Limits
from fast_sse.model.message import Draft
from fast_sse.observe.metrics import Sample, counted
from fast_sse.observe.observer import Observer
from fast_sse.store.base import Appended, Outcome, Store

Answer = asyncio.Future[list[Outcome]]


class Publishes:
    """The appends in flight of this node."""

    def __init__(
        self, store: Store, limits: Limits, loop: asyncio.AbstractEventLoop, observer: Observer
    ) -> None:
        self._store = store
        self._limits = limits
        self._loop = loop
        self._observer = observer
        self._long_lines = LongLines(limits.line_bytes_warn, observer)
        self._waiting: deque[tuple[float, Answer, int]] = deque()
        #: Drafts and bytes that the store has not answered yet.
        self.drafts = 0
        self.bytes = 0
        #: How often each answer was given since the start: `stored`, `duplicate`, or the code of an error.
        self._outcomes: Counter[str] = Counter()

    def append(self, drafts: Sequence[Draft]) -> Answer:
        """Append drafts; the future resolves entry by entry, at the latest (as unknown) at the append deadline.

        Raises:
            OverloadedError: too much is waiting for the store already; nothing was stored.
        """
        count = len(drafts)
        size = drafts[0].size_bytes if count == 1 else sum([draft.size_bytes for draft in drafts])
        limits = self._limits
        if self.drafts and (
            self.drafts + count > limits.publishes_pending_max
            or self.bytes + size > limits.publish_bytes_pending_max
        ):
            raise OverloadedError("too many publishes are waiting for the store", retry_after_s=1)
        self._long_lines.look(drafts)
        stored = self._store.append(drafts)
        if stored.done():
            if not stored.cancelled() and stored.exception() is None:
                self._count(stored.result())
            return stored
        answer: Answer = self._loop.create_future()
        self.drafts += count
        self.bytes += size
        self._waiting.append((self._loop.time() + limits.append_s, answer, count))
        stored.add_done_callback(partial(self._answered, answer, count, size))
        return answer

    def _answered(self, answer: Answer, count: int, size: int, stored: Answer) -> None:
        self.drafts -= count
        self.bytes -= size
        if answer.done():  # the deadline was faster
            if not stored.cancelled():
                stored.exception()
        elif stored.cancelled():
            answer.cancel()
        elif (error := stored.exception()) is not None:
            answer.set_exception(error)
        else:
            self._count(stored.result())
            answer.set_result(stored.result())

    def _count(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            if isinstance(outcome, Appended):
                self._outcomes["duplicate" if outcome.duplicate else "stored"] += 1
            else:
                self._outcomes[outcome.code] += 1

    async def run(self) -> None:
        """Keep the deadlines of what waits until the task is cancelled."""
        interval_s = min(0.5, self._limits.append_s / 4)
        await supervised("publishes", self._keep_deadlines, self._observer, Backoff(interval_s, interval_s))

    async def _keep_deadlines(self) -> None:
        """A store that does not answer in time leaves the outcome open: 504, retry with the same key."""
        now_s = self._loop.time()
        still: deque[tuple[float, Answer, int]] = deque()
        for deadline_s, answer, count in self._waiting:
            if answer.done():
                continue
            if deadline_s <= now_s:
                unknown: list[Outcome] = [UnknownOutcomeError("the store did not answer in time")] * count
                self._count(unknown)
                answer.set_result(unknown)
            else:
                still.append((deadline_s, answer, count))
        self._waiting = still

    def samples(self) -> Iterator[Sample]:
        """Messages on their way to the store, and what it said."""
        text = "Messages that the store was asked to keep, by what came of it."
        yield from counted("publishes_total", text, "outcome", self._outcomes)
        text = "Messages that the store has not answered."
        yield Sample("publishes_pending", "gauge", text, self.drafts)
        yield Sample("publishes_pending_bytes", "gauge", "Their size.", self.bytes)
        text = "Messages whose line is longer than some clients can read."
        yield Sample("long_lines_total", "counter", text, self._long_lines.total)
