"""The demo page and its files, as answers that are built once.

The page holds signatures, and never the secret that made them. They are right for the demo's channels and for nothing
else. What the page shows comes from strangers, so its policy lets only its own script run: no inline code, no other
origin, no frame around it, no form that leaves it (CWE-79, CWE-1021). And the page is given only under our own names, or
the page of a stranger could read the signatures by DNS rebinding (CWE-350).
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from importlib.resources import files

import msgspec

from fast_sse.http.api.access import Access
from fast_sse.http.api.routes import Segments
from fast_sse.http.hosts import is_ours
from fast_sse.http.message import Request, Response
from fast_sse.model.channel import Channel
from fast_sse.model.errors import ForbiddenError

#: What the page offers: an exact channel first, then every form of matching, then a second id.
CHANNELS = (
    Channel("carid000001", "cart_changed"),
    Channel("carid000001", "*"),
    Channel("*", "*"),
    Channel("carid000001", "price_changed"),
    Channel("carid000002", "cart_changed"),
)

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
#: On top of `nosniff` and `no-store`, which every answer carries.
HEADERS = (
    ("Content-Security-Policy", POLICY),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)

_PLACE = "{{channels}}"


class DemoPages:
    """Fixed answers, for a request that calls this listener by a name of its own.

    Args:
        files: path to answer.
        host: the name or address that the listener is bound to.

    Attributes:
        paths: those that have a page.
    """

    def __init__(self, files: Mapping[str, Response], host: str = "localhost") -> None:
        self.paths = tuple(files)
        self._files = files
        self._names = frozenset({host.lower(), socket.gethostname().lower()})

    def answer(self, request: Request, _segments: Segments, _access: Access) -> Response:
        """`GET` of one of the paths. Raises ForbiddenError for any other Host."""
        if not is_ours(request.headers.get("host", ""), self._names):
            raise ForbiddenError("the Host is not this demo's: open it as localhost, or start it with --host")
        return self._files[request.path]


def demo_pages(sign: Callable[[Channel], str]) -> dict[str, Response]:
    """The answers of the demo page by path. `sign` makes the signature that publishes to a channel and subscribes to it."""
    page = _text("demo.html")
    assert page.count(_PLACE) == 1, "the page has one place for its channels"
    return {
        "/": _answer(page.replace(_PLACE, _channels(sign)), "text/html"),
        "/demo.css": _answer(_text("demo.css"), "text/css"),
        "/demo.js": _answer(_text("demo.js"), "text/javascript"),
    }


def _channels(sign: Callable[[Channel], str]) -> str:
    """The channels as JSON that no value can leave: inside a script element only `<` could end it."""
    offered = [
        {"id": channel.event_id, "type": channel.event_type, "signature": sign(channel)}
        for channel in CHANNELS
    ]
    return msgspec.json.encode(offered).decode().replace("<", "\\u003c")


def _text(name: str) -> str:
    return files("fast_sse").joinpath("web", name).read_text("utf-8")


def _answer(text: str, media: str) -> Response:
    return Response(200, text.encode(), f"{media}; charset=utf-8", HEADERS)
