"""The path that a balancer may ask on the public listener, where one is set.

Whoever gets an answer reached a hub that serves: the listener opens when the hub is ready and closes when it drains. It
says nothing else, so it takes no signature, and no Host is wrong: a balancer calls a hub by its number.
"""

from __future__ import annotations

from collections.abc import Mapping

from fast_sse.http.api.page import Pages
from fast_sse.http.message import Request, Response

_OK = Response(200, b"ok\n", "text/plain; charset=utf-8")


class WithHealth(Pages):
    """Pages, and `path` before any of them."""

    def __init__(self, path: str, files: Mapping[str, Response], host: str) -> None:
        super().__init__(files, host)
        self._path = path

    def at(self, request: Request) -> Response | None:
        """As `Pages`, and `ok` at the path."""
        return _OK if request.path == self._path else super().at(request)
