"""The public routes where tracing is on: a span around each publish, from the complete request to the store's answer.

The span is below that of the publisher if its request has a traceparent. The request goes on with the span's own, so that the
message carries it and whoever receives the message goes on from here. No signature stands in a span: of a request it has the
method and the path.
"""

from __future__ import annotations

import asyncio
from typing import Any

from fast_sse.http.api.paths import BATCH, LOAD
from fast_sse.http.message import Admission, Answer, Deferred, Intake, Interface, Request, Response
from fast_sse.model.errors import FastSseError
from fast_sse.observe.spans import Span, Spans

_PUBLISHES = (BATCH, LOAD)


class Traced:
    """Stands before an interface, and is one."""

    def __init__(self, interface: Interface, spans: Spans) -> None:
        self._interface = interface
        self._spans = spans

    @property
    def intake(self) -> Intake:
        """As before."""
        return self._interface.intake

    def admit(self, request: Request) -> Admission | Response:
        """As before: a request that its head refuses is no publish."""
        return self._interface.admit(request)

    def handle(self, request: Request) -> Answer:
        """Answer a complete request."""
        if request.method != "POST" or not request.path.startswith(_PUBLISHES):
            return self._interface.handle(request)
        parent = request.headers.get("traceparent", "")
        span = self._spans.begin(
            "publish", {"http.request.method": "POST", "url.path": request.path}, parent=parent
        )
        if here := span.traceparent:
            request.headers = {**request.headers, "traceparent": here}  # others may share what was there
        try:
            with span.current():
                answer = self._interface.handle(request)
        except Exception:
            span.end("internal")
            raise
        if isinstance(answer, Response):
            _end(span, answer.status)
        elif isinstance(answer, Deferred):
            answer.future.add_done_callback(lambda done: _end(span, _status(done)))
        else:
            span.end()
        return answer


def _status(future: asyncio.Future[Any]) -> int:
    """The status of an answer that is known: that of a response, or of the outcomes of an append."""
    if future.cancelled():
        return 500
    result = future.exception() or future.result()
    if isinstance(result, Response | FastSseError):
        return result.status
    if isinstance(result, BaseException):
        return 500
    return next((outcome.status for outcome in result if isinstance(outcome, FastSseError)), 200)


def _end(span: Span, status: int) -> None:
    """An answer that is not 2xx makes the span one of an error only where the fault is ours, as for every server span."""
    span.end(str(status) if status >= 500 else "", {"http.response.status_code": status})
