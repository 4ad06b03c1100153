"""Turns an error of the tree into the JSON answer of the public protocol. No other place does.

The answer is `{"code", "message", "request_id"}` and nothing more: the message is written for the caller. What else there
is to say stays in the log, under the same `request_id` (CWE-209).
"""

from __future__ import annotations

import secrets
from http import HTTPStatus

import msgspec

from fast_sse.http.message import Response
from fast_sse.model.errors import FastSseError, MethodNotAllowedError, UnauthorizedError


class ErrorBody(msgspec.Struct, gc=False):
    """The body of every answer that is not 2xx."""

    code: str
    message: str
    request_id: str


#: `Retry-After` of a 503 that does not know how long it will last.
_UNAVAILABLE_S = 1

#: What a 401 asks for in `WWW-Authenticate`: our signatures, or keys and tokens (RFC 6750 §3). No browser asks its user for either.
SIGNATURE = "Fast-SSE"
BEARER = "Bearer"

_encode = msgspec.json.Encoder().encode


def new_request_id() -> str:
    """64 random bits in hex. A caller quotes it, an operator finds it in the log; it does not count our errors."""
    return secrets.token_hex(8)


def error_response(error: FastSseError, request_id: str = "", challenge: str = SIGNATURE) -> Response:
    """The answer for `error`, with a new `request_id` unless one is given. `challenge`: what a 401 asks for.

    Adds `Retry-After` to a 503 and where the error says when (RFC 9110 §10.2.3), `Allow` to a 405 (§15.5.6) and
    `WWW-Authenticate` to a 401 (§15.5.2). It is the same for every 401, as the message is.
    """
    headers: tuple[tuple[str, str], ...] = ()
    wait_s = error.retry_after_s or (_UNAVAILABLE_S if error.status == HTTPStatus.SERVICE_UNAVAILABLE else 0)
    if wait_s:
        headers = (("Retry-After", str(wait_s)),)
    if isinstance(error, MethodNotAllowedError):
        headers = (*headers, ("Allow", error.allow))
    if isinstance(error, UnauthorizedError):
        headers = (*headers, ("WWW-Authenticate", challenge))
    request_id = request_id or new_request_id()
    body = _encode(ErrorBody(code=error.code, message=error.message, request_id=request_id))
    return Response(status=error.status, body=body, headers=headers, request_id=request_id)
