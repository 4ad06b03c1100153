"""Several observers of one hub: each gets every fact, and one that fails takes it from no other.

An observer must not raise, because what observes the hub must never change what the hub does. Here that rule is kept for
the hub: what an observer raises ends here. It is counted, and every observer hears of it with its traceback, the one that
failed included: it may be the only log, and have failed at this one fact.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterable, Iterator

from fast_sse.observe.metrics import Sample
from fast_sse.observe.observer import DefectSeen, Fact, Observer


class Observers:
    """The observers of a hub, as the one that the hub knows."""

    def __init__(self, observers: Iterable[Observer]) -> None:
        self._observers = tuple(observers)
        self._failures = 0

    def notify(self, fact: Fact) -> None:
        """Pass one fact to each observer, in their order. Never raises."""
        for observer in self._observers:
            try:
                observer.notify(fact)
            except Exception as error:  # noqa: BLE001  see the head of this file
                self._failed(observer, error)

    def samples(self) -> Iterator[Sample]:
        """How often an observer failed."""
        text = "Facts that an observer of the hub failed to take: a defect."
        yield Sample("observer_failures_total", "counter", text, self._failures)

    def _failed(self, observer: Observer, error: Exception) -> None:
        self._failures += 1
        fact = DefectSeen(f"observer {type(observer).__name__}", repr(error), traceback.format_exc())
        for hearer in self._observers:
            with contextlib.suppress(Exception):
                hearer.notify(fact)
