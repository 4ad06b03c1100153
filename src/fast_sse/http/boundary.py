"""The wall between a server and the handler: a connection always gets an answer, and never an exception.

The API answers the errors that it expects. Any other exception is a defect of ours: the caller gets 500 `internal` with
a random `request_id`, and the observer gets the exception with its traceback under the same id (CWE-209).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any

from fast_sse.http.errors import error_response, new_request_id
from fast_sse.http.message import Admit, Answer, Deferred, Request, Response, Stream
from fast_sse.http.wire import date_line, response_bytes
from fast_sse.model.errors import DefectError
from fast_sse.observe.metrics import Sample

#: Called with the `request_id` of a 500 and the exception behind it.
OnDefect = Callable[[str, BaseException], None]


def ignore_defect(request_id: str, error: BaseException) -> None:
    """The default: defects are counted and not reported."""


def retrieve(future: asyncio.Future[Any]) -> None:
    """Take the exception of a future whose answer has no reader any more, or the loop would report it as never retrieved."""
    if not future.cancelled():
        future.exception()


class Boundary:
    """Calls the handler and renders what it answers.

    Attributes:
        date: the `Date` line as of the last `keep_time`; empty before the first.
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
        """How many defects there were."""
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

    def admitting(self, admit: Admit) -> Admit:
        """What judges the heads of requests whose bodies are still on their way."""
        return admit

    def ready(self, answer: Deferred) -> Response:
        """The answer of a Deferred whose future is done."""
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
        """Renew `date`. Called once a second, so that no answer pays for it."""
        self.date = date_line(self._wall())

    def defect(self, error: Exception) -> Response:
        """Report the exception, and return a 500 that says nothing about it."""
        self.defects += 1
        request_id = new_request_id()
        self._on_defect(request_id, error)
        return error_response(
            DefectError("an error of the hub; its log has it under this request_id"), request_id
        )
