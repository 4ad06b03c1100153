"""The demo page, its files, and the two routes that only it asks.

    GET  /             the page, which holds signatures; its scripts and style; the documents of a checkout
    GET  /demo/hub     which process the hub is
    POST /demo/kill    SIGKILL for that process

The page holds signatures, and never the secret that made them. They are right for the demo's channels and for nothing
else. What the page shows comes from strangers, so its policy lets only its own scripts run: no inline code, no other
origin, no frame around it, no form that leaves it (CWE-79, CWE-1021). And all of it is given only under our own names, or
the page of a stranger could read the signatures by DNS rebinding (CWE-350).

A hub is killed for a request of its own page alone: it carries the signature that only the page has, in a header that no
form can set, and the Origin of the page (CSRF, CWE-352).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from hmac import compare_digest
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import msgspec

from fast_sse import __version__
from fast_sse.http.api.access import Access
from fast_sse.http.api.routes import Route, Segments
from fast_sse.http.hosts import is_ours
from fast_sse.http.message import Admission, Request, Response
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
#: Its signature is the right to kill the hub. It is a name to sign: nothing is published there.
KILL = Channel("fast-sse-demo", "kill")
#: Seconds until the parent of a demo starts a hub again that was killed.
RESTART_S = 3

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

_PLACE = "{{facts}}"
_MEDIA = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".md": "text/plain"}
_KILL_BODY_BYTES_MAX = 64  # none is read

#: Makes the signature that publishes to a channel and subscribes to it.
Sign = Callable[[Channel], str]


class DemoPages:
    """Answers for a request that calls this listener by a name of its own.

    Args:
        files: path to answer.
        host: the name or address that the listener is bound to.
        right: the signature of `KILL`; empty where nobody may.
        kill: ends this process, a moment later.
    """

    def __init__(
        self,
        files: Mapping[str, Response],
        host: str = "localhost",
        right: str = "",
        kill: Callable[[], object] = lambda: None,
    ) -> None:
        self._files = files
        self._names = frozenset({host.lower(), socket.gethostname().lower()})
        self._right = right.encode()
        self._kill = kill

    def routes(self, body_bytes_max: int) -> Iterator[Route]:
        """What stands where."""
        for method in ("GET", "HEAD"):
            for path in self._files:
                yield Route(method, path, self.answer, body_bytes_max)
        if self._right:
            yield Route("GET", "/demo/hub", self.hub, body_bytes_max)
            yield Route("POST", "/demo/kill", self.kill, _KILL_BODY_BYTES_MAX, self.admit_kill)

    def answer(self, request: Request, _segments: Segments, _access: Access) -> Response:
        """`GET` of one of the files. Raises ForbiddenError for any other Host."""
        self._check_name(request)
        return self._files[request.path]

    def hub(self, request: Request, _segments: Segments, _access: Access) -> Response:
        """`GET` of the process. Raises ForbiddenError for any other Host."""
        self._check_name(request)
        return _process()

    def admit_kill(self, request: Request, _segments: Segments, _access: Access) -> Admission:
        """Raises ForbiddenError unless the page itself asks."""
        self._check_name(request)
        scheme, _, origin = request.headers.get("origin", "").partition("://")
        if scheme not in ("http", "https") or origin != request.headers["host"]:
            raise ForbiddenError("a demo is killed by its own page")
        if not compare_digest(self._right, request.headers.get("x-signature", "").encode()):
            raise ForbiddenError("the signature is not the page's")
        return Admission(_KILL_BODY_BYTES_MAX)

    def kill(self, request: Request, segments: Segments, access: Access) -> Response:
        """Answer with the process that is about to be killed. Raises ForbiddenError."""
        self.admit_kill(request, segments, access)
        self._kill()
        return _process()

    def _check_name(self, request: Request) -> None:
        if not is_ours(request.headers.get("host", ""), self._names):
            raise ForbiddenError("the Host is not this demo's: open it as localhost, or start it with --host")


def demo_pages(sign: Sign, admin_port: int = 0, docs: Path | None = None) -> dict[str, Response]:
    """The files of the demo page by path.

    `admin_port`: of the dashboard that the page leads to; 0 for none. `docs`: a directory of Markdown to lead to.
    """
    web = files("fast_sse").joinpath("web")
    documents = {} if docs is None else {path.name: path for path in sorted(docs.glob("*.md"))}
    page = web.joinpath("demo.html").read_text("utf-8")
    assert page.count(_PLACE) == 1, "the page has one place for its facts"
    facts = page.replace(_PLACE, _facts(sign, admin_port, list(documents)))
    return {
        "/": Response(200, facts.encode(), "text/html; charset=utf-8", HEADERS),
        "/demo.css": _file(web.joinpath("demo.css")),
        "/demo.js": _file(web.joinpath("demo.js")),
        **{f"/demo/{part.name}": _file(part) for part in web.joinpath("demo").iterdir()},
        **{f"/docs/{name}": _file(path) for name, path in documents.items()},
    }


def _facts(sign: Sign, admin_port: int, documents: list[str]) -> str:
    """What the scripts are told, as JSON that no value can leave: inside a script element only `<` could end it."""
    facts = {
        "channels": [
            {"id": channel.event_id, "type": channel.event_type, "signature": sign(channel)}
            for channel in CHANNELS
        ],
        "kill": sign(KILL),
        "restart_s": RESTART_S,
        "version": __version__,
        "admin_port": admin_port,
        "documents": documents,
    }
    return msgspec.json.encode(facts).decode().replace("<", "\\u003c")


def _file(place: Traversable) -> Response:
    media = _MEDIA[Path(place.name).suffix]
    return Response(200, place.read_bytes(), f"{media}; charset=utf-8", HEADERS)


def _process() -> Response:
    return Response(200, msgspec.json.encode({"code": "ok", "data": {"pid": os.getpid()}}), headers=HEADERS)
