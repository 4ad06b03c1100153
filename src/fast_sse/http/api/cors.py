"""Cross-origin requests: exact origins, answered without credentials unless a setting says so.

An origin is allowed when it is in the list, character for character. There are no patterns, and no Origin is echoed
unless it is listed (nchan echoes any, CWE-942). Preflights carry no signature and need none. `Last-Event-ID` is not a
CORS-safelisted header, so a script that sets it causes a preflight (whatwg/fetch#568).
"""

from __future__ import annotations

from typing import TypeVar

from msgspec.structs import replace

from fast_sse.http.message import Request, Response, Stream

HEADERS_ALLOWED = "Authorization, Cache-Control, Content-Encoding, Content-Type, Idempotency-Key, Last-Event-ID, traceparent, x-signature"
#: Seconds that a browser may keep a preflight's answer; Chromium keeps none for longer.
MAX_AGE_S = 7200

_VARY = ("Vary", "Origin")

Marked = TypeVar("Marked", Response, Stream)


class Cors:
    """The rules for one list of origins; an empty list allows no cross-origin request.

    Args:
        origins: as browsers send them.
        headers: what pages may send beside HEADERS_ALLOWED.
        credentials: whether pages may send cookies, for a proxy in front that reads them; the hub reads none.
    """

    def __init__(
        self,
        origins: frozenset[str] = frozenset(),
        headers: frozenset[str] = frozenset(),
        *,
        credentials: bool = False,
    ) -> None:
        self._origins = origins
        self._allowed = ", ".join([HEADERS_ALLOWED, *sorted(headers)])
        self._credentials = (("Access-Control-Allow-Credentials", "true"),) if credentials else ()

    def preflight(self, request: Request, methods: str) -> Response:
        """The answer to OPTIONS on a path that takes `methods`: 204, with the permissions when the origin is allowed."""
        allow = (("Allow", f"{methods}, OPTIONS"),)
        allowed = self._headers(request)
        if len(allowed) < 2:
            return Response(204, headers=(*allow, *allowed))
        return Response(
            204,
            headers=(
                *allow,
                *allowed,
                ("Access-Control-Allow-Methods", methods),
                ("Access-Control-Allow-Headers", self._allowed),
                ("Access-Control-Max-Age", str(MAX_AGE_S)),
            ),
        )

    def mark(self, request: Request, answer: Marked) -> Marked:
        """The answer, also an error, with the headers that let a page of an allowed origin read it."""
        if not self._origins:
            return answer
        return replace(answer, headers=(*answer.headers, *self._headers(request)))

    def _headers(self, request: Request) -> tuple[tuple[str, str], ...]:
        if not self._origins:
            return ()
        origin = request.headers.get("origin")
        if origin is None or origin not in self._origins:
            return (_VARY,)
        return (
            ("Access-Control-Allow-Origin", origin),
            *self._credentials,
            ("Access-Control-Expose-Headers", "Retry-After"),
            _VARY,
        )
