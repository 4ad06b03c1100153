"""The path that a balancer may ask on the public listener, where one is set.

An answer means a hub that serves: the listener opens when the hub is ready and closes when it drains. The answer says
nothing else, so it takes no signature, and no Host is wrong: a balancer calls a hub by its number.
"""

from __future__ import annotations

from fast_sse.http.api.access import Access
from fast_sse.http.api.routes import Segments
from fast_sse.http.message import Request, Response

_OK = Response(200, b"ok\n", "text/plain; charset=utf-8")


def healthy(_request: Request, _segments: Segments, _access: Access) -> Response:
    """`GET` of the path: always the same."""
    return _OK
