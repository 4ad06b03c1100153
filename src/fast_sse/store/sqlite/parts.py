"""An append of many drafts, committed part by part, so that the publishes of others get in between.

A part is numbered when the one before it is on disk: entries keep their order and find the keys of those before
them. Whoever publishes meanwhile waits for a part, and not for ten thousand rows with keys.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from fast_sse.model.errors import NotStoredError
from fast_sse.model.message import Draft
from fast_sse.store.base import Outcome

#: Rows of one part, keys counted as rows: a commit of so many takes about as long as an fsync.
PART_ROWS = 256

Answer = asyncio.Future[list[Outcome]]
#: Queues one part; None when the store does not take any more.
Submit = Callable[[Sequence[Draft]], Answer | None]


def is_large(drafts: Sequence[Draft]) -> bool:
    """Whether an append is worth to be parted."""
    return len(drafts) > PART_ROWS // 2 and _part_end(drafts, 0) < len(drafts)


def _part_end(drafts: Sequence[Draft], first: int) -> int:
    rows = 0
    for number in range(first, len(drafts)):
        rows += 1 + len(drafts[number].keys)
        if rows > PART_ROWS and number > first:
            return number
    return len(drafts)


class Parts:
    """One such append under way. Lives on the event loop's thread."""

    def __init__(self, drafts: Sequence[Draft], answer: Answer, submit: Submit) -> None:
        self._drafts = drafts
        self._submit = submit
        self._outcomes: list[Outcome] = []
        self._next = 0
        self.answer = answer
        self._go_on()

    def finish(self) -> None:
        """Queue all that is left at once: the store closes after what is queued."""
        self._go_on(to_the_end=True)

    def _go_on(self, *, to_the_end: bool = False) -> None:
        first = self._next
        if first == len(self._drafts):
            return
        self._next = len(self._drafts) if to_the_end else _part_end(self._drafts, first)
        part = self._drafts[first : self._next]
        queued = self._submit(part)
        if queued is None:
            self._take([NotStoredError("the store is closed")] * len(part))
        else:
            queued.add_done_callback(self._taken)

    def _taken(self, queued: Answer) -> None:
        self._take(queued.result())
        self._go_on()

    def _take(self, outcomes: Sequence[Outcome]) -> None:
        self._outcomes += outcomes
        if len(self._outcomes) == len(self._drafts) and not self.answer.done():
            self.answer.set_result(self._outcomes)
