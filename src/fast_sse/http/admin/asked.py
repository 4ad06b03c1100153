"""What a request asks for: parameters that are all known, and a body that is short.

A parameter that is not known is refused by its name, and so is one that comes twice. A filter that is misspelt would
otherwise be no filter, and a purge would take everything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from fast_sse.http.admin.answers import refusal
from fast_sse.http.api.subscribing import parse_query
from fast_sse.model.errors import BadRequestError, FastSseError, TooLargeError

_DIGITS_MAX = 18

T = TypeVar("T")
Handler = Callable[[Request], Awaitable[Response]]


def parameters(request: Request, known: frozenset[str]) -> dict[str, str]:
    """The query. Raises BadRequestError naming the parameter that is not known or comes twice."""
    given: dict[str, str] = {}
    for name, value in parse_query(request.scope["query_string"].decode("latin-1")):
        if name not in known:
            raise BadRequestError(f"there is no parameter {name[:64]!a} here")
        if name in given:
            raise BadRequestError(f"the parameter {name} comes twice")
        given[name] = value
    return given


def number(name: str, text: str) -> int:
    """A number without sign. Raises BadRequestError."""
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX):
        raise BadRequestError(f"{name} must be a whole number")
    return int(text)


async def body_of(request: Request, bytes_max: int) -> bytes:
    """The body. Raises TooLargeError as soon as it is longer."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > bytes_max:
            raise TooLargeError(f"the body is larger than {bytes_max} bytes")
    return body


def decoded(body: bytes, kind: type[T]) -> T:
    """A body as JSON of this kind. Raises BadRequestError naming the field."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequestError(f"the body is not valid: {error}") from error


def refusing(handle: Handler) -> Handler:
    """Answers with the error that a handler raises."""

    @wraps(handle)
    async def answer(request: Request) -> Response:
        try:
            return await handle(request)
        except FastSseError as error:
            return refusal(error)

    return answer


def address_of(request: Request) -> str:
    """Of the operator, for the log."""
    return "" if request.client is None else request.client.host
