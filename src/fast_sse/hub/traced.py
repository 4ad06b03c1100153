"""The hub where tracing is on: a span around each append, from the call to the store's answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from fast_sse.hub.hub import Hub
from fast_sse.model.errors import FastSseError
from fast_sse.model.message import Draft
from fast_sse.model.trace import TRACEPARENT
from fast_sse.observe.spans import Span, Spans
from fast_sse.store.base import Appended, Outcome

_Outcomes = list[Outcome]
_Publish = Callable[[Sequence[Draft]], Awaitable[_Outcomes]]


class TracedHub(Hub):
    """A hub whose appends have spans, below the span that is current when they begin."""

    def __init__(self, spans: Spans, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._spans = spans

    def publish(self, drafts: Sequence[Draft]) -> asyncio.Future[_Outcomes]:
        """As `Hub.publish`."""
        span = self._spans.begin("append", {"messaging.batch.message_count": len(drafts)})
        try:
            future = super().publish(drafts)
        except FastSseError as error:
            span.end(error.code)
            raise
        _end_with(span, future)
        return future


def traced_replays(spans: Spans, publish: _Publish) -> _Publish:
    """`publish` for replays: in a span with a link to the trace of each message that is published again.

    A message keeps its traceparent, so that whoever receives it at last goes on with the trace that it was published in.
    """

    async def replay(drafts: Sequence[Draft]) -> _Outcomes:
        links = [parent for draft in drafts if (parent := _traceparent(draft))]
        span = spans.begin("replay", {"messaging.batch.message_count": len(drafts)}, links=links)
        with span.current():
            future = asyncio.ensure_future(publish(drafts))
        _end_with(span, future)
        return await future

    return replay


def _end_with(span: Span, future: asyncio.Future[_Outcomes]) -> None:
    future.add_done_callback(lambda done: span.end(*_said(done)))


def _said(future: asyncio.Future[_Outcomes]) -> tuple[str, dict[str, str | int]]:
    """The code of the first error among what came of an append, and the id of a message that was alone."""
    if future.cancelled():
        return "cancelled", {}
    if (failure := future.exception()) is not None:
        return failure.code if isinstance(failure, FastSseError) else "internal", {}
    outcomes = future.result()
    if len(outcomes) == 1 and isinstance(outcomes[0], Appended):
        return "", {"messaging.message.id": outcomes[0].cursor.text}
    return next((outcome.code for outcome in outcomes if not isinstance(outcome, Appended)), ""), {}


def _traceparent(draft: Draft) -> str:
    headers: dict[str, Any] = msgspec.json.decode(draft.headers)
    return str(headers.get(TRACEPARENT, ""))
