"""The dashboard's own files: open to everybody, since they hold no data and no key.

What the pages show comes from strangers, so their policy lets only their own scripts run: no inline code, no other origin, no
frame around them, no form that leaves (CWE-79, CWE-1021). Their Referer stays on this listener, where the guard may ask
for it. Each file is read once. Browsers keep it, and ask by its ETag whether it is still the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fast_sse.http.admin.answers import refusal
from fast_sse.model.errors import NotFoundError

PAGE = "/"
#: All other files of the dashboard are below it.
STATIC = "/static/"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "font-src 'self'; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_INDEX = "index.html"
_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "ico": "image/x-icon",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "mjs": "text/javascript; charset=utf-8",
    "png": "image/png",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
    "webmanifest": "application/manifest+json",
    "webp": "image/webp",
    "woff2": "font/woff2",
}


class File(msgspec.Struct, frozen=True):
    """A file as it is sent."""

    body: bytes
    media_type: str
    etag: str


@cache
def dashboard() -> Mapping[str, File]:
    """The files of the installed package by their names, `/` between the parts."""
    return dict(read(files("fast_sse").joinpath("web", "dashboard")))


def read(folder: Traversable, before: str = "") -> Iterator[tuple[str, File]]:
    """The files of a folder and of those below it, as far as their type is one that is served."""
    for one in sorted(folder.iterdir(), key=lambda one: one.name):
        if one.is_dir():
            yield from read(one, f"{before}{one.name}/")
        elif kind := _TYPES.get(one.name.rpartition(".")[2]):
            body = one.read_bytes()
            yield before + one.name, File(body, kind, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def routes(found: Mapping[str, File] | None = None) -> list[Route]:
    """The page and its files."""
    known = dashboard() if found is None else found

    async def page(request: Request) -> Response:
        return _answer(request, known.get(_INDEX))

    async def static(request: Request) -> Response:
        return _answer(request, known.get(request.path_params["name"]))

    return [Route(PAGE, page), Route(STATIC + "{name:path}", static)]


def _answer(request: Request, file: File | None) -> Response:
    if file is None:
        return refusal(NotFoundError("no such file"))
    headers = {**_HEADERS, "ETag": file.etag}
    shown = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if shown & {file.etag, "*"}:
        return Response(b"", 304, headers)
    return Response(file.body, 200, headers, file.media_type)
