"""Answers of the operators' routes: the form of the public protocol, sent by Starlette, and never cached."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from fast_sse.http import message
from fast_sse.http.errors import BEARER, error_response
from fast_sse.model.errors import FastSseError


def ok(data: dict[str, Any]) -> Response:
    """200 with `data`."""
    return json_answer(200, {"code": "ok", "data": data})


def refusal(error: FastSseError) -> Response:
    """The answer for an error of the tree."""
    return sent(error_response(error, challenge=BEARER))


def json_answer(status: int, body: dict[str, Any]) -> Response:
    """A JSON answer with any status."""
    return sent(message.Response(status, msgspec.json.encode(body)))


def sent(answer: message.Response) -> Response:
    """An answer of the rules, as Starlette's."""
    headers = {
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        **dict(answer.headers),
    }
    return Response(answer.body, answer.status, headers, answer.content_type)
