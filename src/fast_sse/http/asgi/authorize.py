"""What the application around the hub lets a request read: its own sessions decide, and no signature leaves the server.

The application is asked with the request as Starlette has it, cookies and session included. It answers with channels, or with
none. What it raises is its own: an HTTPException is answered by the application's handlers. Any other error ends no page for good:
its stream is told to come back.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request

from fast_sse.model.errors import BadChannelError, FastSseError
from fast_sse.model.right import UNDECIDED, Right, is_time
from fast_sse.signing import Name, channel_named


class Allowed(NamedTuple):
    """Channels that may be read, `*` in a half for all; `ends_at`: Unix seconds at which a stream of this right ends."""

    channels: Iterable[Name]
    ends_at: float | None = None


#: What `authorize` answers: channels, or None for nothing.
Answer = Allowed | Iterable[Name] | None
#: Asked for each request to read that shows no signature. It may be async; if it is not, it must not block.
Authorize = Callable[[Request], Answer | Awaitable[Answer]]

_NO_LIST = "authorize must answer with a list of channels, such as ['ID/TYPE']"
_NO_TIME = "authorize answered with an ends_at that is not in seconds since 1970, as time.time() is"


async def ask_application(
    authorize: Authorize, scope: MutableMapping[str, Any], *, waits: bool = False
) -> tuple[Right | None, Exception | None]:
    """The right of a request, None where it may read nothing; and what `authorize` raised, if that is to be raised later.

    It is later where the client `waits`, as EventSource does: that takes a 500 for good, but a stream can tell it when to come
    back. An HTTPException is an answer, and raised at once.

    Raises what `authorize` raises, as RuntimeError where that is an OSError, which would look like a peer that left; TypeError for
    an answer that is no list of channels, or that ends at no time.
    """
    try:
        return await _asked(authorize, Request(scope)), None
    except (HTTPException, FastSseError):
        raise
    except Exception as error:
        if not waits:
            raise
        return UNDECIDED, error


async def _asked(authorize: Authorize, request: Request) -> Right | None:
    try:
        answer = authorize(request)
        if inspect.isawaitable(answer):
            answer = await answer
        return _right_of(answer)  # a generator does its work only here
    except OSError as error:
        raise RuntimeError(f"authorize failed: {error!r}") from error


def _right_of(answer: Answer) -> Right | None:
    """What an answer comes to. Raises TypeError."""
    if answer is None:
        return None
    allowed = answer if isinstance(answer, Allowed) else Allowed(answer)
    if isinstance(allowed.channels, str | bytes):
        raise TypeError(_NO_LIST)
    if not (allowed.ends_at is None or is_time(allowed.ends_at)):
        raise TypeError(_NO_TIME)
    try:
        patterns = tuple(map(channel_named, allowed.channels))
    except BadChannelError as error:
        raise TypeError(f"authorize answered with a channel that cannot be: {error.message}") from error
    except TypeError as error:
        raise TypeError(f"{_NO_LIST}: {error}") from error
    return Right(patterns, allowed.ends_at) if patterns else None
