"""Answers of the operators' routes: JSON in the form of the public protocol, and in nobody's cache."""

from __future__ import annotations

import json

import pytest
from starlette.responses import Response

from fast_sse.http.admin.answers import json_answer, ok, refusal
from fast_sse.model.errors import MethodNotAllowedError, NotStoredError, UnauthorizedError


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (ok({"state": "alive"}), 200, "ok"),
        (json_answer(503, {"code": "not_ready"}), 503, "not_ready"),
        (refusal(NotStoredError("away")), 503, "not_stored"),
    ],
)
def test_each_answer_is_json_that_is_not_kept(answer: Response, status: int, code: str) -> None:
    """What a proxy or a browser kept would be the health or the refusal of another moment."""
    assert (answer.status_code, json.loads(bytes(answer.body))["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"


def test_an_error_keeps_its_headers() -> None:
    """A 405 names the methods that the route takes, a 503 the time to wait, and a 401 how the key is shown."""
    assert refusal(MethodNotAllowedError("no", allow="GET")).headers["allow"] == "GET"
    assert refusal(NotStoredError("away", retry_after_s=3)).headers["retry-after"] == "3"
    assert refusal(UnauthorizedError("no key")).headers["www-authenticate"] == "Bearer"
