"""The application of the operators' listener: two guards, then routes, one file a subject.

A subject has its own file with `routes(node)`, and says in a Protocol what it asks of the node: `http` stands below the
node and does not know it. The guards stand before any route is looked for, so that nothing can be probed without the
key. Only the files of the dashboard are open: they hold nothing. Errors have the form of the public protocol, Starlette's
own refusals included.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from http import HTTPStatus
from typing import Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from fast_sse.http.admin import (
    channels,
    health,
    letters,
    live,
    messages,
    metrics,
    nodes,
    pages,
    session,
    subscribers,
    tail,
    trial,
)
from fast_sse.http.admin.answers import refusal
from fast_sse.http.admin.channels import Erasing
from fast_sse.http.admin.event_stream import OpenStreams
from fast_sse.http.admin.guard import KeyGuard, MutationGuard
from fast_sse.http.admin.health import PROBES
from fast_sse.http.admin.letters import Lettered
from fast_sse.http.admin.live import Live, Watched
from fast_sse.http.admin.metrics import METRICS, Metered
from fast_sse.http.admin.nodes import Made
from fast_sse.http.admin.pages import PAGE, STATIC
from fast_sse.http.admin.session import Sessions
from fast_sse.http.admin.trial import Trying
from fast_sse.model.errors import DefectError, MethodNotAllowedError, NotFoundError


class Operated(Metered, Watched, Erasing, Trying, Made, Lettered, Protocol):
    """All that the listener asks of the node behind it."""


def admin_app(
    node: Operated,
    key: bytes,
    names: Collection[str] = (),
    *,
    metrics_open: bool = False,
    viewers: Live | None = None,
    streams: OpenStreams | None = None,
    now: Callable[[], float] = time.time,
) -> Starlette:
    """The ASGI application of the operators' listener.

    With an empty `key` no request needs one; with `metrics_open` the numbers need none either. `names`: those that the
    listener is reached by. `viewers`, `streams`: where somebody else takes the points, and ends the streams. `now`: seconds
    since 1970.
    """
    streams = streams or OpenStreams()
    viewers = viewers or Live(node, streams, now)
    sessions, ours = Sessions(key, now), frozenset(name.lower() for name in names)
    without_key = {*PROBES, PAGE, STATIC, *((METRICS,) if metrics_open or not key else ())}
    app = Starlette(
        routes=[
            *pages.routes(),
            *session.routes(sessions),
            *health.routes(node),
            *metrics.routes(node),
            *live.routes(viewers, now),
            *channels.routes(node),
            *messages.routes(node),
            *tail.routes(node, streams, now),
            *subscribers.routes(node),
            *trial.routes(node),
            *nodes.routes(node),
            *letters.routes(node),
        ],
        middleware=[
            Middleware(KeyGuard, sessions=sessions, open_paths=without_key, names=ours),
            Middleware(MutationGuard, names=ours),
        ],
        exception_handlers={HTTPException: _http_error, Exception: _defect},
    )
    app.router.redirect_slashes = False  # every answer is one of ours
    return app


def _http_error(_request: Request, error: Exception) -> Response:
    """Starlette's own refusals, in our form."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        given = (error.headers or {}).get("Allow", "") if isinstance(error, HTTPException) else ""
        allow = ", ".join(sorted(given.split(", ")))
        return refusal(MethodNotAllowedError("the route does not take this method", allow=allow))
    return refusal(NotFoundError("no such route") if status == HTTPStatus.NOT_FOUND else DefectError())


def _defect(_request: Request, _error_seen: Exception) -> Response:
    """Our fault: the details go to the log, by way of the server, and never to the caller."""
    return refusal(DefectError("an error of the hub; its log has it under this request_id"))
