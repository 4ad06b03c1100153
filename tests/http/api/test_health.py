"""Rules of `http.api.health`."""

from __future__ import annotations

import pytest
from tests.http.rig import rigged

from fast_sse.http.api.page import DemoPages
from fast_sse.http.message import Request, Response
from fast_sse.model.limits import Limits

PAGES = DemoPages({"/": Response(200, b"page"), "/health": Response(200, b"page")})


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("host", ["10.0.0.7:30000", "hub.example", ""])
async def test_health_is_told_under_any_name(method: str, host: str) -> None:
    """A balancer calls a hub by its number, or by whatever name it was given; a page of the demo is shown under ours only."""
    async with rigged(Limits(), pages=PAGES, health_path="/health") as rig:
        answer = await rig.ask(Request(method, "/health", "", {"host": host}))
        assert (answer.status, answer.body, answer.content_type) == (
            200,
            b"ok\n",
            "text/plain; charset=utf-8",
        )
        if not host[:1].isdigit():
            assert await rig.code(Request("GET", "/", "", {"host": host})) == (403, "forbidden")
        assert (await rig.ask(Request("GET", "/", "", {"host": "localhost"}))).body == b"page"


async def test_health_is_for_reading() -> None:
    """Another method is 405, and names those that there are."""
    async with rigged(Limits(), health_path="/health") as rig:
        answer = await rig.ask(Request("POST", "/health", "", {}))
        assert (answer.status, dict(answer.headers)["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/health/", "/Health", "/health%7a", "/healthz", "//health"])
async def test_only_the_exact_path_is_health(path: str) -> None:
    """Nothing near it is, and nothing at all where no path is set."""
    async with rigged(Limits(), health_path="/health") as rig:
        assert await rig.code(Request("GET", path, "", {"host": "localhost"})) == (404, "not_found")
    async with rigged(Limits()) as rig:
        assert await rig.code(Request("GET", "/health", "", {"host": "localhost"})) == (404, "not_found")
