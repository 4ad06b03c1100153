"""The access log of the operators' listener."""

from __future__ import annotations

import contextlib
import io
import json
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from fast_sse.http.admin.answers import refusal
from fast_sse.http.admin.event_stream import ENDED, ENDS, End, EventStream, Refused
from fast_sse.http.admin.logged import Logged
from fast_sse.model.errors import UnauthorizedError
from fast_sse.observe.access import AccessLog
from fast_sse.observe.logging import make_log


async def hello(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


async def broken(_request: Request) -> PlainTextResponse:
    raise LookupError


async def live(scope: Scope, _receive: Receive, send: Send) -> None:
    headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b": a\n", "more_body": True})
    scope[ENDED] = "overload"
    await send({"type": "http.response.body", "body": b""})


APP = Starlette(routes=[Route("/hello", hello), Route("/broken", broken)])


async def asked(
    path: str, app: ASGIApp = APP, query: bytes = b"", *, leaves: bool = False
) -> list[dict[str, Any]]:
    """The lines of one request; with `leaves` its client is gone after the first piece of the answer."""
    stream = io.StringIO()
    logged = Logged(app, AccessLog(make_log("info", stream), "admin"))
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": [],
        "client": ("192.0.2.7", 4711),
        "root_path": "",
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        if leaves and message["type"] == "http.response.body":
            raise OSError

    with contextlib.suppress(LookupError, OSError):
        await logged(scope, receive, send)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


async def test_a_request_is_one_line() -> None:
    """As on the public listener, under the name of this one; an operator's parameter is no secret only if it is known."""
    (line,) = await asked("/hello", query=b"limit=5&key=abc")
    assert (line["event"], line["listener"], line["path"]) == ("request", "admin", "/hello")
    assert (line["status"], line["bytes"], line["peer"]) == (200, 5, "192.0.2.7")
    assert line["query"] == "limit=5&key=[redacted]"


async def test_what_the_guards_refuse_is_a_line() -> None:
    """Whoever tries keys is seen."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        await refusal(UnauthorizedError())(scope, receive, send)

    (line,) = await asked("/hello", guarded)
    assert line["status"] == 401


async def silent(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise LookupError


@pytest.mark.parametrize("app", [APP, silent])
async def test_a_defect_is_a_line(app: ASGIApp) -> None:
    """With the status that the client got, also where only the server was left to answer."""
    (line,) = await asked("/broken", app)
    assert line["status"] == 500


@pytest.mark.parametrize(("leaves", "ended"), [(False, "overload"), (True, "client")])
async def test_a_stream_is_one_line_at_its_end(leaves: bool, ended: str) -> None:
    """With how it ended, and no size."""
    (line,) = await asked("/live", live, leaves=leaves)
    assert (line["event"], line["path"], line["ended"]) == ("stream", "/live", ended)
    assert "bytes" not in line


@pytest.mark.parametrize("reason", list(ENDS))
async def test_a_stream_that_the_hub_ends_says_why(reason: End) -> None:
    """In the words of the public listener's log."""

    async def ends(request: Request) -> EventStream:
        return EventStream(request, lambda transport: Refused(transport, reason), lambda: 0.0)

    (line,) = await asked("/ends", Starlette(routes=[Route("/ends", ends)]))
    assert (line["event"], line["ended"]) == ("stream", ENDS[reason])
