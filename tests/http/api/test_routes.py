"""Rules of the table of routes."""

from __future__ import annotations

import pytest

from fast_sse.http.api.access import Access
from fast_sse.http.api.paths import CHANNEL, MESSAGE
from fast_sse.http.api.routes import Route, Routes, Segments
from fast_sse.http.message import Request, Response
from fast_sse.model.errors import MethodNotAllowedError, NotFoundError
from fast_sse.model.signature import Keyring

ACCESS = Access(keyring=Keyring())


def answer(_request: Request, _segments: Segments, _access: Access) -> Response:
    return Response(200)


def preflight(_request: Request, methods: str) -> Response:
    return Response(204, methods.encode())


ONE = Route("POST", f"/a{CHANNEL}", answer, 1)
OTHER = Route("GET", f"/a.c{CHANNEL}", answer, 2)
PAGE = Route("GET", "/a", answer, 3)
HEAD = Route("HEAD", "/a", answer, 4)
SHOW = Route("GET", f"/m.s/{MESSAGE}/show", answer, 5)
MARK = Route("POST", f"/m.s/{MESSAGE}/mark", answer, 6)
ROUTES = Routes([ONE, OTHER, PAGE, HEAD, SHOW, MARK], preflight)


@pytest.mark.parametrize(
    ("method", "path", "route", "segments"),
    [
        ("POST", "/a/events/x/types/y", ONE, ("x", "y")),
        ("POST", "/a/events/%2F/types/{event_type}", ONE, ("%2F", "{event_type}")),
        ("GET", "/a.c/events/*/types/*", OTHER, ("*", "*")),
        ("GET", "/a", PAGE, ()),
        ("HEAD", "/a", HEAD, ()),
        ("GET", "/m.s/s1.0000000000000.7/show", SHOW, ("s1.0000000000000.7",)),
        ("POST", "/m.s/%2F/mark", MARK, ("%2F",)),
    ],
)
def test_a_request_finds_its_route(method: str, path: str, route: Route, segments: Segments) -> None:
    """By method and whole path; segments stay as sent, to be decoded once."""
    assert ROUTES.find(method, path) == (route, segments)


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/a/", "/A", "", "/a/events/x", "/a/events/x/types/", "/a/events//types/y"),
        *("/a/events/x/types/y/", "/a/events/x/types/y/z", "/abc/events/x/types/y", "/b/events/x/types/y"),
        *("/a/types/x/events/y", "/x/a/events/x/types/y"),
        *("/m.s/x", "/m.s//show", "/m.s/x/y/show", "/m.s/x/show/", "/mxs/x/show", "/m.s/x/hide"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "BREW"])
def test_no_other_path_is_one(method: str, path: str) -> None:
    """Whatever the method, nothing near a path is that path; a prefix is a text and no pattern."""
    with pytest.raises(NotFoundError):
        ROUTES.find(method, path)


@pytest.mark.parametrize(("path", "allow"), [("/a", "GET, HEAD"), ("/a/events/x/types/y", "POST")])
@pytest.mark.parametrize("method", ["PUT", "BREW", "get", ""])
def test_another_method_names_those_that_there_are(method: str, path: str, allow: str) -> None:
    """In the order of the table; methods are case-sensitive (RFC 9110 §9.1)."""
    with pytest.raises(MethodNotAllowedError) as refused:
        ROUTES.find(method, path)
    assert refused.value.allow == allow


@pytest.mark.parametrize(("path", "methods"), [("/a", b"GET, HEAD"), ("/a/events/%ff/types/y", b"POST")])
def test_every_path_has_a_preflight(path: str, methods: bytes) -> None:
    """OPTIONS is answered with the path's methods, before anything else of the path is looked at."""
    route, segments = ROUTES.find("OPTIONS", path)
    found = route.answer(Request("OPTIONS", path, "", {}), segments, ACCESS)
    assert isinstance(found, Response)
    assert found.body == methods


def test_of_two_routes_the_first_counts() -> None:
    """A path of the interface cannot be taken over by what stands behind it in the table."""
    again = Route("GET", "/a", answer, 9)
    routes = Routes([PAGE, again], preflight)
    assert routes.find("GET", "/a")[0] is PAGE
    assert [(route.method, route.path) for route in routes] == [("GET", "/a"), ("OPTIONS", "/a")]
