"""What a request must show: the operators' key or a session, and that no page of a stranger sent it.

An operator's browser can reach a loopback listener, so any page it visits can, too. And a browser adds the session's cookie
by itself. These checks stand in the way of such a page:

- Host names this listener: an address, `localhost`, or a configured name. A page that had its own name resolve to our
  address (DNS rebinding, CWE-350) still sends its own name. Asked of everything but the probes, the numbers, the files of
  the dashboard, and reading with the Bearer key, which no page has.
- Origin, where the browser sends one, is this listener's (CSRF, CWE-352). The port counts: another program of the same
  machine is another origin, although it shares our cookies. The scheme does not: a proxy may speak TLS for us.
- A request with a cookie must prove it. To change something it needs the Origin. To read, where browsers send none, any of
  Origin, `Sec-Fetch-Site: same-origin` (not sent over plain HTTP to other machines) and a Referer of ours will do. An
  EventSource reads. A page cannot set or remove any of the three.
- A body is `application/json`, which no form and no simple request can send without a preflight.
"""

from __future__ import annotations

from collections.abc import Collection

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from fast_sse.http.admin.answers import refusal
from fast_sse.http.admin.session import SESSION, Sessions
from fast_sse.http.hosts import is_ours
from fast_sse.model.errors import FastSseError, ForbiddenError, UnauthorizedError, UnsupportedMediaError

_READING = frozenset({"GET", "HEAD"})
_STRANGER = "the request comes from a page of another origin"


class KeyGuard:
    """ASGI middleware that asks for the key or a session on every path but the open ones; with an empty key, for neither.

    Of a request with a session, `scope["state"]["session_ends_s"]` says when it ends (seconds since 1970).
    """

    def __init__(
        self, app: ASGIApp, sessions: Sessions, open_paths: Collection[str], names: Collection[str]
    ) -> None:
        """`open_paths`: those of probes and numbers. A path that ends in `/` stands for all below it."""
        self._app = app
        self._sessions = sessions
        self._exact = frozenset(path for path in open_paths if not path.endswith("/") or path == "/")
        self._below = tuple(path for path in open_paths if path.endswith("/") and path != "/")
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        app = self._app
        if scope["type"] == "http" and not self._is_open(scope["path"]):
            try:
                self._check(Request(scope))
            except FastSseError as error:
                app = refusal(error)
        await app(scope, receive, send)

    def _is_open(self, path: str) -> bool:
        return path in self._exact or path.startswith(self._below)

    def _check(self, request: Request) -> None:
        if not self._sessions.needed or request.scope["path"] == SESSION:
            check_page(request, self._names)
            return
        shown = request.headers.get("authorization")
        if shown:
            scheme, _, key = shown.partition(" ")
            # schemes have no case (RFC 9110, 11.1)
            if scheme.lower() == "bearer" and self._sessions.is_key(key.encode("latin-1")):
                return
        else:
            ends_s = self._sessions.ends_s(request.headers.getlist("cookie"), request.headers.get("host", ""))
            if ends_s is not None:
                check_page(request, self._names, by_cookie=True)
                request.scope.setdefault("state", {})["session_ends_s"] = ends_s
                return
        raise UnauthorizedError("the admin key is missing or wrong")


def check_page(request: Request, names: Collection[str], *, by_cookie: bool = False) -> None:
    """Raise ForbiddenError when a page of a stranger may have sent the request; `by_cookie`: unless a page of ours did."""
    host, headers = request.headers.get("host", ""), request.headers
    check_host(host, names)
    origin, site, referer = (headers.get(name) for name in ("origin", "sec-fetch-site", "referer"))
    if origin is not None:
        ours = is_origin(origin, host)
    elif by_cookie and request.method not in _READING:
        ours = False
    elif site is not None:
        ours = site == "same-origin" or (site == "none" and not by_cookie)  # none: typed by the user
    elif by_cookie:
        place = f"://{host}/".lower()
        ours = referer is not None and referer.lower().startswith((f"http{place}", f"https{place}"))
    else:
        ours = True
    if not ours:
        raise ForbiddenError(_STRANGER)


def check_host(host: str, names: Collection[str]) -> None:
    """Raise ForbiddenError for a Host that is not one of ours."""
    if not is_ours(host, names):
        raise ForbiddenError("the Host is not this listener's; admin.names may name it")


def is_origin(origin: str, host: str) -> bool:
    """Whether an origin is that of a page which was served under this Host, by TLS or not."""
    scheme, separator, place = origin.partition("://")
    return scheme in ("http", "https") and bool(separator) and place.lower() == host.lower()


class MutationGuard:
    """ASGI middleware on every method but GET and HEAD, whatever the request shows."""

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        self._app = app
        self._names = names

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
        check_host(host, self._names)
        origin = request.headers.get("origin")
        if origin is not None and not is_origin(origin, host):
            raise ForbiddenError(_STRANGER)
        has_body = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if has_body and media != "application/json":
            raise UnsupportedMediaError("a body must be application/json")
