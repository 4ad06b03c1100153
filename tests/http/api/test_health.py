"""Rules of `http.health`."""

from __future__ import annotations

import pytest

from fast_sse.http.api.health import WithHealth
from fast_sse.http.message import Request, Response
from fast_sse.model.errors import ForbiddenError

PAGE = Response(200, b"page")
PAGES = WithHealth("/health", {"/": PAGE, "/health": PAGE}, "localhost")


@pytest.mark.parametrize("host", ["10.0.0.7:30000", "hub.example", ""])
def test_health_is_told_under_any_name(host: str) -> None:
    """A balancer calls a hub by its number, or by whatever name it was given; a page of the demo is shown under ours only."""
    answer = PAGES.at(Request("GET", "/health", "", {"host": host}))
    assert answer is not None
    assert (answer.status, answer.body, answer.content_type) == (200, b"ok\n", "text/plain; charset=utf-8")
    with pytest.raises(ForbiddenError):
        PAGES.at(Request("GET", "/", "", {"host": "hub.example"}))
    assert PAGES.at(Request("GET", "/", "", {"host": "localhost"})) is PAGE


@pytest.mark.parametrize("path", ["/health/", "/Health", "/health%7a", "/healthz", "//health"])
def test_only_the_exact_path_is_health(path: str) -> None:
    """Nothing near it is."""
    assert PAGES.at(Request("GET", path, "", {"host": "localhost"})) is None
