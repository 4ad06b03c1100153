"""A table of routes, and the look-up in it. `endpoints.py` fills it.

From the table follow the dispatch, 404 and 405 with its `Allow`, the preflight of every path, and the bound that a server
keeps for the body of a request. docs/openapi.yaml is held to it by a test.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from fast_sse.http.api.access import Access
from fast_sse.http.api.paths import CHANNEL, MESSAGE
from fast_sse.http.message import Admission, Answer, Request, Response
from fast_sse.model.errors import MethodNotAllowedError, NotFoundError

#: The segments of a path that name a channel, or a message, still percent-encoded; none for any other path.
Segments = tuple[str, ...]
#: Answers a request. May raise a FastSseError.
Handler = Callable[[Request, Segments, Access], Answer]
#: Judges the head of a request whose body is still on its way. May raise a FastSseError.
Judge = Callable[[Request, Segments, Access], Admission]
#: Answers OPTIONS on a path, given the methods that it takes.
Preflight = Callable[[Request, str], Response]


class Route(NamedTuple):
    """One method of one path.

    Attributes:
        method: upper case.
        path: one of `paths.py`, or a fixed one.
        answer: what answers a complete request.
        body_bytes_max: of its body, as sent.
        judge: what judges its head; None where nothing reads a body.
        reads: whether a right to read is enough for it.
    """

    method: str
    path: str
    answer: Handler
    body_bytes_max: int
    judge: Judge | None = None
    reads: bool = False


class _Place(NamedTuple):
    """What stands at one path. `methods` as in `Allow`, which leaves out OPTIONS: every path takes it."""

    methods: str
    routes: dict[str, Route]


class Routes:
    """All routes of a hub. Of two routes with the same method and path, the first counts."""

    def __init__(self, routes: Iterable[Route], preflight: Preflight) -> None:
        by_path: dict[str, dict[str, Route]] = {}
        for route in routes:
            by_path.setdefault(route.path, {}).setdefault(route.method, route)
        self._places = {path: _place(path, found, preflight) for path, found in by_path.items()}
        self._by_prefix = {
            path.removesuffix(CHANNEL): place
            for path, place in self._places.items()
            if path.endswith(CHANNEL)
        }
        self._by_message = [
            (re.compile("([^/]+)".join(map(re.escape, path.split(MESSAGE)))).fullmatch, place)
            for path, place in self._places.items()
            if MESSAGE in path
        ]
        prefixes = "|".join(map(re.escape, self._by_prefix))
        self._channel = re.compile(rf"({prefixes})/events/([^/]+)/types/([^/]+)").fullmatch

    def __iter__(self) -> Iterator[Route]:
        return (route for place in self._places.values() for route in place.routes.values())

    def find(self, method: str, path: str) -> tuple[Route, Segments]:
        """The route of a request, and the segments of its path that name a channel or a message.

        Raises:
            NotFoundError: there is no such path.
            MethodNotAllowedError: the path takes other methods.
        """
        segments: Segments = ()
        if (named := self._channel(path)) is not None:
            prefix, event_id, event_type = named.groups()
            place, segments = self._by_prefix[prefix], (event_id, event_type)
        elif path in self._places:
            place = self._places[path]
        else:
            place, segments = self._of_message(path)
        if method not in place.routes:
            raise MethodNotAllowedError("this route does not take this method", allow=place.methods)
        return place.routes[method], segments

    def _of_message(self, path: str) -> tuple[_Place, Segments]:
        """What stands at a path with the id of a message in it. Raises NotFoundError for any other path."""
        for match, place in self._by_message:
            if (named := match(path)) is not None:
                return place, named.groups()
        raise NotFoundError("there is no such route")


def _place(path: str, routes: dict[str, Route], preflight: Preflight) -> _Place:
    """One path with its preflight."""
    methods = ", ".join(routes)

    def options(request: Request, _segments: Segments, _access: Access) -> Response:
        return preflight(request, methods)

    return _Place(methods, {**routes, "OPTIONS": Route("OPTIONS", path, options, 0)})
