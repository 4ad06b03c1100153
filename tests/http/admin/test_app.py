"""The operators' application: the key before everything, and errors in one form."""

from __future__ import annotations

import pytest
from tests.http.admin.conftest import KEY, FakeNode, ask


@pytest.mark.parametrize(
    "shown", ["", "Bearer ", "Bearer wrong", "operators-only", "Basic operators-only", "Bearer é"]
)
@pytest.mark.parametrize(
    "path", ["/static", "/metrics", "/v1/channels", "/v1/live", "/healthz/", "/readyz", "/v1/sse/events"]
)
async def test_everything_else_needs_the_key(path: str, shown: str) -> None:
    """With admin.key set, no path but the probes and the dashboard's own files answers anything else without it (S24)."""
    answer = await ask(FakeNode(), path, KEY, authorization=shown)
    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthorized"
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("key", "shown"), [(b"", ""), (KEY, "Bearer operators-only"), (KEY, "bearer operators-only")]
)
async def test_unknown_paths_are_404_in_our_shape(key: bytes, shown: str) -> None:
    """With the key, or without one set, what does not exist is 404 with code, message and request_id."""
    answer = await ask(FakeNode(), "/nothing", key, authorization=shown)
    assert answer.status_code == 404
    assert set(answer.json()) == {"code", "message", "request_id"}
    assert answer.json()["code"] == "not_found"


@pytest.mark.parametrize("path", ["/metrics/", "/healthz/", "/nothing"])
async def test_an_unknown_path_is_404_in_our_shape(path: str) -> None:
    """A slash too many is not redirected."""
    answer = await ask(FakeNode(), path)
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


async def test_other_methods_are_405() -> None:
    """A route that exists says which methods it takes."""
    answer = await ask(FakeNode(), "/healthz", method="POST")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD"


async def test_a_defect_tells_the_caller_nothing() -> None:
    """An error that nobody foresaw is 500 without its text (CWE-209)."""
    node = FakeNode()
    node.error = ZeroDivisionError("/etc/secret")  # type: ignore[assignment]  # that is the point
    answer = await ask(node, "/readyz/publish")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "secret" not in answer.text
