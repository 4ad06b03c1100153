"""What a request asks for: parameters that are all known, and a body that is short.

A parameter that is not known is refused by its name, and so is one that comes twice. A filter that is misspelt would
otherwise be no filter, and a purge would take everything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from fast_sse.http.admin.answers import refusal
from fast_sse.http.api.subscribing import parse_query
from fast_sse.model.channel import Channel, channel_from_path
from fast_sse.model.errors import BadRequestError, FastSseError, TooLargeError

_DIGITS_MAX = 18

T = TypeVar("T")
W = TypeVar("W", bound=str)
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


def bounded(fields: dict[str, str], name: str, otherwise: int, most: int) -> int:
    """A number from 1 to `most`, `otherwise` where it is absent. Raises BadRequestError."""
    value = number(name, fields[name]) if name in fields else otherwise
    if not 1 <= value <= most:
        raise BadRequestError(f"{name} must be 1 to {most}")
    return value


def one_of(fields: dict[str, str], name: str, words: Sequence[W]) -> W:
    """One of a few words, the first where it is absent. Raises BadRequestError."""
    for word in words:
        if fields.get(name, words[0]) == word:
            return word
    raise BadRequestError(f"{name} must be one of {', '.join(words)}")


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


class RawRoute(Route):
    """Matches the path as sent, so that a `%2F` is part of a segment, as on the public listener, and not one more."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """See Starlette."""
        if scope["type"] != "http":
            return Match.NONE, {}
        return super().matches({**scope, "path": str(scope["raw_path"], "latin-1")})


def channel_in(request: Request) -> Channel:
    """The channel that the path of a RawRoute names. Raises BadChannelError."""
    return channel_from_path(request.path_params["event_id"], request.path_params["event_type"])


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
