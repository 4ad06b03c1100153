"""The wall around the rules where there is an access log: it sees every request together with its answer.

Without an access log nobody makes one of these, so that a log that is off costs no call.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from fast_sse.http.boundary import Boundary, OnDefect
from fast_sse.http.message import Admission, Admit, Answer, Deferred, Request, Response, Stream
from fast_sse.observe.access import AccessLog, Asked


class Access(NamedTuple):
    """An access log, and who says which client a request is from: empty where no trusted proxy does."""

    log: AccessLog
    client: Callable[[Request], str] = lambda _request: ""


def make_boundary(
    handle: Callable[[Request], Answer],
    on_defect: OnDefect,
    wall: Callable[[], float] = time.time,
    access: Access | None = None,
) -> Boundary:
    """The wall around `handle`, with an access log or without."""
    if access is None:
        return Boundary(handle, on_defect, wall)
    return LoggedBoundary(handle, on_defect, wall, access)


class LoggedBoundary(Boundary):
    """Writes one line for each answer as soon as it is known, and one for each stream at its end."""

    __slots__ = ("_client", "_log")

    def __init__(
        self,
        handle: Callable[[Request], Answer],
        on_defect: OnDefect,
        wall: Callable[[], float],
        access: Access,
    ) -> None:
        super().__init__(handle, on_defect, wall)
        self._log, self._client = access

    def ask(self, request: Request) -> Answer:
        """The handler's answer. One that waits is rendered when it is known, and not only when its turn has come."""
        began_s = self._log.now()
        answer = super().ask(request)
        asked = self._asked(request)
        if isinstance(answer, Response):
            self._note(asked, answer, began_s)
            return answer
        if isinstance(answer, Stream):
            return _Watched(answer, asked, self._log).as_stream()
        return self._awaited(answer, asked, began_s)

    def admitting(self, admit: Admit) -> Admit:
        """A request that is refused by its head has a line, too."""

        def judge(request: Request) -> Admission | Response:
            began_s = self._log.now()
            found = admit(request)
            if isinstance(found, Response):
                self._note(self._asked(request), found, began_s)
            return found

        return judge

    def _awaited(self, answer: Deferred, asked: Asked, began_s: float) -> Deferred:
        """The same answer, whose line is written also if the client does not wait for it."""
        rendered: list[Response] = []

        def known(future: asyncio.Future[Any]) -> None:
            if not rendered and not future.cancelled():
                rendered.append(self.ready(answer))
                self._note(asked, rendered[0], began_s)

        def render(future: asyncio.Future[Any]) -> Response:
            known(future)  # another answer of this connection may have been faster than its callback
            return rendered[0] if rendered else answer.render(future)

        answer.future.add_done_callback(known)
        return Deferred(answer.future, render)

    def _note(self, asked: Asked, answer: Response, began_s: float) -> None:
        size = 0 if asked.method == "HEAD" else len(answer.body)
        self._log.request(asked, answer.status, size, began_s, answer.request_id)

    def _asked(self, request: Request) -> Asked:
        return Asked(request.method, request.path, request.query, request.peer, self._client(request))


class _Watched(asyncio.Protocol):
    """The protocol of a stream, seen from outside: it learns when and how the stream ends."""

    __slots__ = ("_asked", "_began_s", "_left", "_log", "_protocol", "_stream")

    def __init__(self, stream: Stream, asked: Asked, log: AccessLog) -> None:
        self._stream = stream
        self._asked = asked
        self._log = log
        self._left = False

    def as_stream(self) -> Stream:
        """The stream whose transport is handed to this protocol."""
        return Stream(self._attach, self._stream.headers)

    def _attach(self, transport: Any, head: bytes) -> asyncio.BaseProtocol:
        self._began_s = self._log.now()
        self._protocol: Any = self._stream.attach(transport, head)
        return self

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    def data_received(self, data: bytes) -> None:
        self._protocol.data_received(data)

    def eof_received(self) -> bool:
        closes: bool = self._protocol.eof_received()
        return closes

    def connection_lost(self, exc: Exception | None) -> None:
        """The end, whose reason the stream knows once it has heard of it."""
        self._protocol.connection_lost(exc)
        self._log.stream(self._asked, self._protocol.ended, self._began_s)
