"""What a request must show: the operators' key, and before it may change something, that no stranger's web page sent it.

An operator's browser can reach a loopback listener, so any page it visits can, too. Three checks stand in the way
of that page, on every method but GET and HEAD:

- Host names this listener: an address, `localhost`, or the configured name. A page that had its own name
  resolve to 127.0.0.1 (DNS rebinding, CWE-350) still sends its own name.
- Origin, where the browser sends one, is this listener's (CSRF, CWE-352).
- A body is `application/json`, which no form and no simple request can send without a preflight.
"""

from __future__ import annotations

import hmac

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from fast_sse.http.admin.answers import refusal
from fast_sse.http.hosts import is_ours
from fast_sse.model.errors import FastSseError, ForbiddenError, UnauthorizedError, UnsupportedMediaError

_READING = frozenset({"GET", "HEAD"})


class KeyGuard:
    """ASGI middleware that asks for the key on every path but the open ones; with an empty key, on none."""

    def __init__(self, app: ASGIApp, key: bytes, open_paths: frozenset[str]) -> None:
        self._app = app
        self._key = key
        self._open_paths = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        app = self._app
        if scope["type"] == "http" and self._key and scope["path"] not in self._open_paths:
            scheme, _, shown = Request(scope).headers.get("authorization", "").partition(" ")
            right = hmac.compare_digest(shown.encode("latin-1"), self._key)
            if not right or scheme.lower() != "bearer":  # schemes have no case (RFC 9110, 11.1)
                app = answer = refusal(UnauthorizedError("the admin key is missing or wrong"))
                answer.headers["WWW-Authenticate"] = "Bearer"
        await app(scope, receive, send)


class MutationGuard:
    """ASGI middleware; `host` is the name that the listener is configured with."""

    def __init__(self, app: ASGIApp, host: str) -> None:
        self._app = app
        self._names = {host.lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        app = self._app
        if scope["type"] == "http" and scope["method"] not in _READING:
            try:
                self._check(Request(scope))
            except FastSseError as error:
                app = refusal(error)
        await app(scope, receive, send)

    def _check(self, request: Request) -> None:
        host = request.headers.get("host", "")
        if not is_ours(host, self._names):
            raise ForbiddenError("the Host is not this listener's")
        origin = request.headers.get("origin")
        if origin is not None and origin != f"{request.url.scheme}://{host}":
            raise ForbiddenError("the request comes from a page of another origin")
        has_body = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if has_body and media != "application/json":
            raise UnsupportedMediaError("a body must be application/json")
