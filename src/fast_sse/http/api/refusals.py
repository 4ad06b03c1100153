"""Why requests were refused whose signature or rights did not do: for the operators' log, and for nobody else.

Whoever tries signatures can cause thousands of refusals a second, and the log must not become theirs. So the first refusal for
a reason is told at once, and those that follow are counted and told together, once in QUIET_S. A signature never is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from fast_sse.model.errors import FastSseError
from fast_sse.observe.observer import Observer, RequestsRefused

#: Between two tellings for one reason.
QUIET_S = 10.0
#: Calls a function after so many seconds.
After = Callable[[float, Callable[[], None]], Any]


def after(delay_s: float, call: Callable[[], None]) -> None:
    """On the loop that runs now."""
    asyncio.get_running_loop().call_later(delay_s, call)


class Refusals:
    """Tells an observer of refusals; `later` is for tests."""

    def __init__(self, observer: Observer, later: After = after) -> None:
        self._observer = observer
        self._after = later
        #: By code and reason, which are words of ours: how many were not told yet, and the request id of the last.
        self._waiting: dict[tuple[str, str], tuple[int, str]] = {}

    def note(self, error: FastSseError, request_id: str) -> None:
        """One request was refused, and its answer has this id."""
        key = (error.code, error.reason)
        if key in self._waiting:
            self._waiting[key] = (self._waiting[key][0] + 1, request_id)
        else:
            self._tell(key, 1, request_id)

    def _tell(self, key: tuple[str, str], count: int, request_id: str) -> None:
        self._observer.notify(RequestsRefused(*key, count, request_id))
        self._waiting[key] = (0, "")
        self._after(QUIET_S, lambda: self._go_on(key))

    def _go_on(self, key: tuple[str, str]) -> None:
        count, request_id = self._waiting.pop(key)
        if count:
            self._tell(key, count, request_id)
