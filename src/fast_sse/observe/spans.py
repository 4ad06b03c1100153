"""What the hub asks of tracing: a span around a publish, one around its append, one around a replay.

Where tracing is off there is nothing of this: no object, no call and no import. `tracing.py` is the implementation, and the
only file that knows OpenTelemetry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Literal, Protocol

#: What an attribute of a span may be.
Attributes = Mapping[str, str | int]
Name = Literal["publish", "append", "replay"]


class Span(Protocol):
    """One span that has begun."""

    @property
    def traceparent(self) -> str:
        """How others go on from here; empty when there is nothing to go on from."""

    def current(self) -> AbstractContextManager[object]:
        """While this is open, spans that begin in it are its children, also those of tasks that are made in it."""

    def end(self, error: str = "", attributes: Attributes | None = None) -> None:
        """It is over. `error` is the code of what went wrong, empty for nothing."""


class Spans(Protocol):
    """Makes spans."""

    def begin(
        self, name: Name, attributes: Attributes, *, parent: str = "", links: Iterable[str] = ()
    ) -> Span:
        """Begin a span: below the traceparent `parent` or else below the current span. Links lead to other traceparents."""

    def here(self) -> str:
        """The traceparent of the current span; empty without one."""

    async def close(self) -> None:
        """Send what is left, for a bounded time."""
