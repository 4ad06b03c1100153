"""What the admin listener answers: is the loop alive, and may this node be sent publishers or subscribers.

Liveness and the two kinds of readiness are three questions, because each has another right reaction: a dead loop
is restarted; a node whose store is lost gets no publishers, but keeps its subscribers, since a load balancer
without any backend would answer 503, and a browser's EventSource never comes back from that.

Probes are open, for whoever restarts and balances; everything else asks for `admin.key` when there is one (the metrics,
too, unless `admin.metrics_open` says that they are for everybody who reaches the listener).
Errors have the shape of the public protocol.
"""

from __future__ import annotations

import hmac
from http import HTTPStatus
from typing import Any, Protocol

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from fast_sse.http import message
from fast_sse.http.admin.guard import MutationGuard
from fast_sse.http.errors import error_response, new_request_id
from fast_sse.model.channel import Channel, channel_from_path
from fast_sse.model.errors import (
    DefectError,
    FastSseError,
    MethodNotAllowedError,
    NotFoundError,
    UnauthorizedError,
    UnavailableError,
)

#: What a probe may ask without a key.
OPEN_PATHS = frozenset({"/healthz", "/readyz/publish", "/readyz/subscribe"})
METRICS = "/metrics"


class Node(Protocol):
    """What the admin listener asks of the process it is in.

    Attributes:
        node: the name of this process among those that share a store.
        state: `starting`, `ready` or `draining`.
        store: the store's name.
        durability: what a 2xx means with this store.
        following: whether this node reads the log right now.
        erased_stays: whether the store's backend keeps what was erased until retention takes it.
    """

    @property
    def node(self) -> str: ...  # noqa: D102  see the class
    @property
    def state(self) -> str: ...  # noqa: D102
    @property
    def store(self) -> str: ...  # noqa: D102
    @property
    def durability(self) -> str: ...  # noqa: D102
    @property
    def following(self) -> bool: ...  # noqa: D102
    @property
    def damaged(self) -> bool: ...  # noqa: D102
    @property
    def erased_stays(self) -> bool: ...  # noqa: D102

    async def probe_publish(self) -> None:
        """Raises UnavailableError when a publish would not be stored."""

    async def metrics(self, accept: str) -> tuple[bytes, str]:
        """The numbers of this moment in a form that the Accept header asks for, and its media type."""

    async def erase(self, target: Channel) -> int:
        """Erase a channel's history, end its streams; how many entries went. Raises UnavailableError."""


def admin_app(node: Node, key: bytes, host: str = "", *, metrics_open: bool = False) -> Starlette:
    """The ASGI application of the admin listener.

    An empty `key` asks nobody; with `metrics_open` it is not asked for the numbers either. `host`: the name that the
    listener is reached by.
    """

    async def healthz(_request: Request) -> Response:
        return _json(200, {"code": "ok", "data": {"state": "alive"}})

    async def publish(_request: Request) -> Response:
        if node.state != "ready":
            return _not_ready(node, f"the hub is {node.state}")
        try:
            await node.probe_publish()
        except UnavailableError as error:
            return _not_ready(node, error.message)
        return _json(200, {"code": "ok", "data": _facts(node)})

    async def subscribe(_request: Request) -> Response:
        if node.state != "ready":
            return _not_ready(node, f"the hub is {node.state}")
        return _json(200, {"code": "ok", "data": _facts(node)})

    async def metrics(request: Request) -> Response:
        text, media_type = await node.metrics(request.headers.get("accept", ""))
        return Response(text, 200, {"Cache-Control": "no-store"}, media_type)

    async def erase(request: Request) -> Response:
        try:
            target = channel_from_path(request.path_params["event_id"], request.path_params["event_type"])
            erased = await node.erase(target)
        except FastSseError as error:
            return _error(error)
        data: dict[str, str | int] = {
            "event_id": target.event_id,
            "event_type": target.event_type,
            "erased": erased,
        }
        if node.erased_stays:
            data["bodies"] = "stay in the backend until retention takes them; no node reads them"
        return _json(200, {"code": "ok", "data": data})

    app = Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/readyz/publish", publish),
            Route("/readyz/subscribe", subscribe),
            Route(METRICS, metrics),
            _RawRoute("/v1/channels/{event_id}/{event_type}", erase, methods=["DELETE"]),
        ],
        middleware=[
            Middleware(_KeyGuard, key=key, open_paths=OPEN_PATHS | {METRICS} if metrics_open else OPEN_PATHS),
            Middleware(MutationGuard, host=host),
        ],
        exception_handlers={HTTPException: _http_error, Exception: _defect},
    )
    app.router.redirect_slashes = False  # every answer is one of ours
    return app


class _RawRoute(Route):
    """Matches the path as sent, so that a `%2F` is part of a segment, as on the public listener, and not one more."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http":
            return Match.NONE, {}
        return super().matches({**scope, "path": str(scope["raw_path"], "latin-1")})


class _KeyGuard:
    """Asks for the key before any route is looked for, so that without it nothing can be probed."""

    def __init__(self, app: ASGIApp, key: bytes, open_paths: frozenset[str]) -> None:
        self._app = app
        self._key = key
        self._open_paths = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] == "http" and self._key and scope["path"] not in self._open_paths:
            scheme, _, shown = Request(scope).headers.get("authorization", "").partition(" ")
            right = hmac.compare_digest(shown.encode("latin-1"), self._key)
            if not right or scheme.lower() != "bearer":  # schemes have no case (RFC 9110, 11.1)
                refusal = _error(UnauthorizedError("the admin key is missing or wrong"))
                refusal.headers["WWW-Authenticate"] = "Bearer"
                app = refusal
        await app(scope, receive, send)


def _facts(node: Node) -> dict[str, Any]:
    facts = {
        "node": node.node,
        "state": node.state,
        "store": node.store,
        "durability": node.durability,
        "following": node.following,
    }
    return {**facts, "damaged": True} if node.damaged else facts


def _not_ready(node: Node, why: str) -> Response:
    body = {"code": "not_ready", "message": why, "request_id": new_request_id(), "data": _facts(node)}
    return _json(503, body)


def _http_error(_request: Request, error: Exception) -> Response:
    """Starlette's own refusals, in our shape."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        given = (error.headers or {}).get("Allow", "") if isinstance(error, HTTPException) else ""
        allow = ", ".join(sorted(given.split(", ")))
        return _error(MethodNotAllowedError("the route does not take this method", allow=allow))
    return _error(NotFoundError("no such route") if status == HTTPStatus.NOT_FOUND else DefectError())


def _defect(_request: Request, _error_seen: Exception) -> Response:
    """Our fault: the details go to the log, by way of the server, and never to the caller."""
    return _error(DefectError("an error of the hub; it is in its log"))


def _error(error: FastSseError) -> Response:
    return _response(error_response(error))


def _json(status: int, body: dict[str, Any]) -> Response:
    return _response(message.Response(status, msgspec.json.encode(body)))


def _response(answer: message.Response) -> Response:
    headers = {"Cache-Control": "no-store", **dict(answer.headers)}
    return Response(answer.body, answer.status, headers, answer.content_type)
