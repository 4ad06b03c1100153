"""The access log of the operators' listener: ASGI middleware around everything else, the refusals of the guards included."""

from __future__ import annotations

from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fast_sse.http.admin.event_stream import ENDED
from fast_sse.observe.access import AccessLog, Asked

_STREAM = b"text/event-stream"


class Logged:
    """Writes one line when an answer is complete; one for a stream when it has ended."""

    def __init__(self, app: ASGIApp, log: AccessLog) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and note what comes of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = self._log.now()
        answer = _Answer(send)
        try:
            await self._app(scope, receive, answer.send)
        finally:
            if answer.is_stream:
                self._log.stream(_asked(scope), scope.get(ENDED, "client"), began_s)
            else:
                self._log.request(_asked(scope), answer.status, answer.size, began_s)


class _Answer:
    """What went out so far: `status` is 500 until an answer begins, since a request without one is a defect."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status, self.size = 500, 0
        self.is_stream = False

    async def send(self, message: Message) -> None:
        """Note a message of the answer, and send it."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = dict(message.get("headers", ()))
            self.is_stream = headers.get(b"content-type", b"").startswith(_STREAM)
        elif message["type"] == "http.response.body":
            self.size += len(message.get("body", b""))
        await self._send(message)


def _asked(scope: Scope) -> Asked:
    client: Any = scope.get("client")
    path = scope.get("raw_path") or scope["path"].encode()
    return Asked(
        scope["method"],
        path.partition(b"?")[0].decode("latin-1"),
        scope["query_string"].decode("latin-1"),
        str(client[0]) if client else "",
    )
