"""Publishes on their way to the store: bounded in number and bytes, each answered by its deadline.

What waits is counted until the store itself answers, also past the deadline: a store that hangs fills the bounds
once, and from then on publishes are refused as certainly not stored, instead of piling up behind it. Only the store ever
completes its own future.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from fast_sse.hub.arrivals import Arrivals
from fast_sse.hub.long_lines import LongLines
from fast_sse.hub.supervised import supervised
from fast_sse.model.backoff import Backoff
from fast_sse.model.errors import OverloadedError, UnavailableError, UnknownOutcomeError
from fast_sse.model.limits import Limits
from fast_sse.model.message import Draft
from fast_sse.observe.metrics import RECORDS, Histogram, Sample, counted
from fast_sse.observe.observer import Observer
from fast_sse.store.base import Appended, Outcome, Store

Answer = asyncio.Future[list[Outcome]]

_LATE = "the store did not answer in time; send the message again with the same idempotency key"


class Publishes:
    """The appends in flight of this node."""

    def __init__(
        self,
        store: Store,
        limits: Limits,
        loop: asyncio.AbstractEventLoop,
        observer: Observer,
        arrivals: Arrivals,
        suspect: Callable[[], None],
    ) -> None:
        """`suspect` is called when the store did not take something, or did not answer in time."""
        self._store = store
        self._suspect = suspect
        self._arrivals = arrivals
        self._clock = arrivals.clock
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
        #: From an append to the store's answer, and messages that were answered in one turn of the loop.
        self._commits, self._groups = Histogram(), Histogram(RECORDS)
        self._group = 0

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
        arrived_s = self._clock()
        stored = self._store.append(drafts)
        if stored.done():
            if not stored.cancelled():
                if stored.exception() is None:
                    self._committed(count, arrived_s)
                    self._count(stored.result(), arrived_s)
                else:
                    self._suspect()
            return stored
        answer: Answer = self._loop.create_future()
        self.drafts += count
        self.bytes += size
        self._waiting.append((self._loop.time() + limits.append_s, answer, count))
        stored.add_done_callback(partial(self._answered, answer, count, size, arrived_s))
        return answer

    def _answered(self, answer: Answer, count: int, size: int, arrived_s: float, stored: Answer) -> None:
        self.drafts -= count
        self.bytes -= size
        if stored.cancelled():
            answer.cancel()
        elif (error := stored.exception()) is None:
            self._committed(count, arrived_s)
            if not answer.done():  # else the deadline was faster
                self._count(stored.result(), arrived_s)
                answer.set_result(stored.result())
        else:
            self._suspect()
            if not answer.done():
                answer.set_exception(error)

    def _committed(self, count: int, arrived_s: float) -> None:
        """The store has answered an append. What it answers in one turn of the loop is what one commit carried."""
        self._commits.observe(self._clock() - arrived_s)
        if not self._group:
            self._loop.call_soon(self._end_group)
        self._group += count

    def _end_group(self) -> None:
        self._groups.observe(self._group)
        self._group = 0

    def _count(self, outcomes: Iterable[Outcome], arrived_s: float) -> None:
        for outcome in outcomes:
            if not isinstance(outcome, Appended):
                self._outcomes[outcome.code] += 1
                if isinstance(outcome, UnavailableError):
                    self._suspect()
            elif outcome.duplicate:
                self._outcomes["duplicate"] += 1
            else:
                self._outcomes["stored"] += 1
                self._arrivals.note(outcome.cursor.position, arrived_s)

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
                unknown: list[Outcome] = [UnknownOutcomeError(_LATE)] * count
                self._count(unknown, 0.0)
                answer.set_result(unknown)
            else:
                still.append((deadline_s, answer, count))
        self._waiting = still

    def samples(self) -> Iterator[Sample]:
        """Messages on their way to the store, and what it said."""
        text = "Messages that the store was asked to keep, by its answer."
        yield from counted("publishes_total", text, "outcome", self._outcomes)
        text = "Messages that the store has not answered."
        yield Sample("publishes_pending", "gauge", text, self.drafts)
        yield Sample("publishes_pending_bytes", "gauge", "Their size.", self.bytes)
        text = "From the hand-over of a publish to the store to its answer, also past the deadline."
        yield self._commits.sample("commit_seconds", text)
        text = "Messages that the store answered in one turn of the loop: what one commit carried."
        yield self._groups.sample("commit_messages", text)
        text = "Messages whose line is longer than some clients can read."
        yield Sample("long_lines_total", "counter", text, self._long_lines.total)
