"""Errors as answers."""

from __future__ import annotations

import msgspec

from fast_sse.http.errors import error_response
from fast_sse.model.errors import (
    BadChannelError,
    GrantEndedError,
    MethodNotAllowedError,
    NotStoredError,
    UnauthorizedError,
)


def test_an_error_is_code_message_and_request_id() -> None:
    """The body of an error names its code, one sentence and a request id, and nothing else."""
    answer = error_response(BadChannelError("The id is empty"), "r1")
    assert answer.status == 400
    assert answer.content_type == "application/json"
    assert msgspec.json.decode(answer.body) == {
        "code": "bad_channel",
        "message": "The id is empty",
        "request_id": "r1",
    }


def test_request_ids_are_random() -> None:
    """Each answer gets its own id, so that a caller can quote it and nobody can count with it."""
    ids = {msgspec.json.decode(error_response(BadChannelError()).body)["request_id"] for _ in range(100)}
    assert len(ids) == 100
    assert {len(request_id) for request_id in ids} == {16}


def test_unavailable_says_when_to_come_back() -> None:
    """A 503 carries Retry-After (RFC 9110 §10.2.3), a second where nobody knows better; what never helps carries none."""
    assert error_response(NotStoredError(retry_after_s=3)).headers == (("Retry-After", "3"),)
    assert error_response(NotStoredError()).headers == (("Retry-After", "1"),)
    assert error_response(BadChannelError()).headers == ()


def test_method_not_allowed_names_the_allowed() -> None:
    """A 405 carries Allow (RFC 9110 §15.5.6)."""
    assert error_response(MethodNotAllowedError(allow="GET, HEAD")).headers == (("Allow", "GET, HEAD"),)


def test_unauthorized_names_the_schemes() -> None:
    """A 401 carries WWW-Authenticate (RFC 9110 §15.5.2): some clients fail in a way of their own without it."""
    for error in (UnauthorizedError(), GrantEndedError()):
        assert error_response(error).headers == (("WWW-Authenticate", "Fast-SSE"),)
        assert error_response(error, challenge="Bearer").headers == (("WWW-Authenticate", "Bearer"),)
