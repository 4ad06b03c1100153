"""What a request asks for: parameters that are all known, and a body that is short.

A parameter that is not known is refused by its name, and so is one that comes twice. A filter that is misspelt would
otherwise be no filter, and a purge would take everything.
"""

from __future__ import annotations

from starlette.requests import Request

from fast_sse.http.api.subscribing import parse_query
from fast_sse.model.errors import BadRequestError, TooLargeError

_DIGITS_MAX = 18


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
