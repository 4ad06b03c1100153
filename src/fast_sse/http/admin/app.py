"""The application of the operators' listener: two guards, then routes, one file a subject.

A subject has its own file with `routes(node)`, and says in a Protocol what it asks of the node: `http` stands below the
node and does not know it. The guards stand before any route is looked for, so that nothing can be probed without the
key. Errors have the form of the public protocol, Starlette's own refusals included.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from fast_sse.http.admin import channels, health, letters, metrics
from fast_sse.http.admin.answers import refusal
from fast_sse.http.admin.channels import Erasing
from fast_sse.http.admin.guard import KeyGuard, MutationGuard
from fast_sse.http.admin.health import PROBES, Probed
from fast_sse.http.admin.letters import Lettered
from fast_sse.http.admin.metrics import METRICS, Metered
from fast_sse.model.errors import DefectError, MethodNotAllowedError, NotFoundError


class Operated(Probed, Metered, Erasing, Lettered, Protocol):
    """All that the listener asks of the node behind it."""


def admin_app(node: Operated, key: bytes, host: str = "", *, metrics_open: bool = False) -> Starlette:
    """The ASGI application of the operators' listener.

    With an empty `key` no request needs one; with `metrics_open` the numbers need none either. `host`: the name that the
    listener is reached by.
    """
    open_paths = PROBES | {METRICS} if metrics_open else PROBES
    app = Starlette(
        routes=[*health.routes(node), *metrics.routes(node), *channels.routes(node), *letters.routes(node)],
        middleware=[
            Middleware(KeyGuard, key=key, open_paths=open_paths),
            Middleware(MutationGuard, host=host),
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
    return refusal(DefectError("an error of the hub; it is in its log"))
