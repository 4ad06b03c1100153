"""Appends under way: sent in the order of the calls, answered when their entries are read back.

An entry that was sent is known by its token until it is answered: read back, given up by the producer, or out of
time, and then its outcome is unknown. While some drafts of a turn carry keys, all of them wait for one look at the
view, so that nothing overtakes; a key known there is answered at once and sends nothing.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence

from fast_sse.model.cursor import Cursor
from fast_sse.model.errors import FastSseError, NotStoredError, UnknownOutcomeError
from fast_sse.model.message import Draft
from fast_sse.store.base import Appended, Outcome
from fast_sse.store.kafka.fold import Answered

_log = logging.getLogger(__name__)

#: (the known earlier message of a draft or its conflict, None for those that must be sent), in order.
LookUp = Callable[[Sequence[Draft]], Awaitable[list[Outcome | None]]]
#: Sends an entry by its token. Raises FastSseError when it went nowhere.
Send = Callable[[Draft, int], None]


class _Job:
    """One call of `append`."""

    __slots__ = ("drafts", "future", "left", "outcomes", "timer", "tokens")

    def __init__(self, drafts: Sequence[Draft], future: asyncio.Future[list[Outcome]]) -> None:
        self.drafts = drafts
        self.future = future
        self.outcomes: list[Outcome | None] = [None] * len(drafts)
        self.left = len(drafts)
        self.tokens: list[int] = []
        self.timer: asyncio.TimerHandle | None = None


class Appends:
    """What waits for an answer. Lives on the event loop's thread."""

    def __init__(self, look_up: LookUp, send: Send, deadline_s: float) -> None:
        self._look_up = look_up
        self._send = send
        self._deadline_s = deadline_s
        self._loop = asyncio.get_running_loop()
        self._queue: list[_Job] = []
        self._pump: asyncio.Task[None] | None = None
        self._pending: dict[int, tuple[_Job, int]] = {}
        self._idle: asyncio.Future[None] | None = None

    def add(self, drafts: Sequence[Draft]) -> asyncio.Future[list[Outcome]]:
        """Send drafts after everything added before."""
        future: asyncio.Future[list[Outcome]] = self._loop.create_future()
        if not drafts:
            future.set_result([])
            return future
        job = _Job(drafts, future)
        if self._pump is None and not any(draft.keys for draft in drafts):
            self._dispatch(job, [None] * len(drafts))
        else:
            self._queue.append(job)
            if self._pump is None:
                self._pump = self._loop.create_task(self._run())
        return future

    async def _run(self) -> None:
        while self._queue:
            jobs, self._queue = self._queue, []
            keyed = [draft for job in jobs for draft in job.drafts if draft.keys]
            try:
                known = iter(await self._look_up(keyed))
            except FastSseError:  # the view cannot say: then the log does
                known = iter([None] * len(keyed))
            except Exception:  # noqa: BLE001  one defect must not hold up every publish to come
                _log.exception("a defect in looking for keys in the view: report it")
                known = iter([None] * len(keyed))
            for job in jobs:
                self._dispatch(job, [next(known) if draft.keys else None for draft in job.drafts])
        self._pump = None
        self._tell_if_idle()

    def _dispatch(self, job: _Job, known: list[Outcome | None]) -> None:
        for index, draft in enumerate(job.drafts):
            outcome = known[index]
            if outcome is None:
                token = random.getrandbits(64)
                self._pending[token] = (job, index)  # before it is sent: the reader asks who waits
                try:
                    self._send(draft, token)
                except FastSseError as error:
                    outcome = error
                except Exception:  # noqa: BLE001  one defect must not hold up every publish to come
                    _log.exception("a defect in sending to the log: report it")
                    outcome = UnknownOutcomeError()
                else:
                    job.tokens.append(token)
                    continue
                del self._pending[token]
            self._settle(job, index, outcome)
        if job.left:
            job.timer = self._loop.call_later(self._deadline_s, self._expire, job)

    # -- answers ------------------------------------------------------------------------------------

    def waits_for(self, token: int) -> bool:
        """Whether an entry is ours and not answered yet. From any thread."""
        return token in self._pending

    def read_back(self, answers: Iterable[Answered], origin: Cursor) -> None:
        """Answer those of ours among entries that this node has in its view now."""
        pop = self._pending.pop
        for answer in answers:
            found = pop(answer.token, None)
            if found is not None:
                where = origin.at(answer.position, answer.fingerprint)
                self._settle(*found, answer.conflict or answer.told or Appended(where, answer.duplicate))

    def give_up(self, failures: Iterable[tuple[int, FastSseError]]) -> None:
        """Answer entries that the producer gave up."""
        for token, error in failures:
            found = self._pending.pop(token, None)
            if found is not None:
                self._settle(*found, error)

    def _expire(self, job: _Job) -> None:
        self.give_up((token, UnknownOutcomeError("the log did not answer in time")) for token in job.tokens)

    def _settle(self, job: _Job, index: int, outcome: Outcome) -> None:
        job.outcomes[index] = outcome
        job.left -= 1
        if job.left:
            return
        if job.timer is not None:
            job.timer.cancel()
        if not job.future.done():
            job.future.set_result([one or NotStoredError() for one in job.outcomes])
        self._tell_if_idle()

    # -- the end ------------------------------------------------------------------------------------

    async def finish(self) -> None:
        """Wait until everything added is answered; each is, by its deadline."""
        if self._pending or self._pump is not None:
            self._idle = self._loop.create_future()
            await self._idle

    def _tell_if_idle(self) -> None:
        if self._idle is not None and not (self._pending or self._pump or self._idle.done()):
            self._idle.set_result(None)
