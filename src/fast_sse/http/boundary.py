"""Where the handler ends: whatever it does, a connection gets an answer and no exception.

The endpoints translate the errors they expect. Anything else is a defect of ours: 500 `internal` with a random
`request_id`, and the exception with its traceback to the observer under the same id, never to the caller (CWE-209).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any

from fast_sse.http.errors import error_response, new_request_id
from fast_sse.http.message import Answer, Deferred, Request, Response, Stream
from fast_sse.http.wire import date_line, response_bytes
from fast_sse.model.errors import DefectError
from fast_sse.observe.metrics import Sample

#: Called with the `request_id` of a 500 and the exception behind it.
OnDefect = Callable[[str, BaseException], None]


def ignore_defect(request_id: str, error: BaseException) -> None:
    """Nobody watches."""


def retrieve(future: asyncio.Future[Any]) -> None:
    """Nobody is left to answer: take the exception, so that the loop does not call it forgotten."""
    if not future.cancelled():
        future.exception()


class Boundary:
    """The handler, behind a wall.

    Attributes:
        date: the line that says when an answer was made, as of the last `keep_time`; empty before.
    """

    __slots__ = ("_handle", "_on_defect", "_wall", "date", "defects")

    def __init__(
        self,
        handle: Callable[[Request], Answer],
        on_defect: OnDefect,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._handle = handle
        self._on_defect = on_defect
        self._wall = wall
        self.date = b""
        #: Answers with 500 since the start.
        self.defects = 0

    def samples(self) -> Iterable[Sample]:
        """The defects that it saw."""
        return [Sample("defects_total", "counter", "Requests answered 500.", self.defects)]

    def ask(self, request: Request) -> Answer:
        """The handler's answer. A stream for a HEAD is a defect: it would have no body (RFC 9110 §9.3.2)."""
        try:
            answer = self._handle(request)
        except Exception as error:  # noqa: BLE001 - see the head of this file
            return self.defect(error)
        if isinstance(answer, Stream) and request.method == "HEAD":
            return self.defect(TypeError("a HEAD was answered by a stream"))
        return answer

    def ready(self, answer: Deferred) -> Response:
        """What a Deferred whose future is done has become."""
        try:
            return answer.render(answer.future)
        except Exception as error:  # noqa: BLE001 - see the head of this file
            return self.defect(error)

    def render(self, answer: Response, form: int, *, close: bool = False) -> bytes:
        """The bytes of `answer`, or of a 500 when it cannot be sent."""
        try:
            return response_bytes(answer, form, close=close, date=self.date)
        except ValueError as error:
            return response_bytes(self.defect(error), form, close=close, date=self.date)

    def keep_time(self) -> None:
        """Once a second is often enough: nothing is paid for it by an answer."""
        self.date = date_line(self._wall())

    def defect(self, error: Exception) -> Response:
        """A 500 that says nothing, and the exception to whoever watches."""
        self.defects += 1
        request_id = new_request_id()
        self._on_defect(request_id, error)
        return error_response(DefectError("Internal error"), request_id)
