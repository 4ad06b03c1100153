"""Event streams of the operators' listener: an answer that goes on, how many there may be, and how each of them ends.

A stream that is refused for their number is answered 200 with a time to come back, as on the public listener: a browser's
EventSource gives up for good on anything else. All of them end with their session, and before the listener stops, so
that an open page does not hold up the end of the hub.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal, Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from fast_sse.http.asgi.stream import StreamTransport
from fast_sse.model.frame import retry
from fast_sse.observe.access import Ended

End = Literal["stopping", "expired", "full"]
Kind = Literal["live", "tail"]
#: Streams of one node at once: of its numbers, and of channels.
MOST: dict[Kind, int] = {"live": 64, "tail": 16}
#: When a page comes back after each end, in milliseconds.
RETRY_MS: dict[End, int] = {"stopping": 2_000, "expired": 60_000, "full": 15_000}
#: The same in the access log.
ENDS: dict[End, Ended] = {"stopping": "shutdown", "expired": "expired", "full": "overload"}
#: The key of a scope under which a stream says why it ended, for the access log.
ENDED = "fast_sse.ended"
#: A connection that a stream of ours cuts: the key in the extensions of a scope, and of the function in there.
CUT = "fast_sse.cut"

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
    (b"connection", b"close"),
]


class Ending(Protocol):
    """A protocol of a transport that can say last words.

    Attributes:
        ended: why; `client` unless the hub ended it.
    """

    ended: Ended

    def end(self, reason: End) -> None:
        """Say why it ends, and close."""

    def connection_lost(self, exc: Exception | None) -> None:
        """The stream has ended."""


class OpenStreams:
    """The streams that are open, of each kind at most MOST."""

    def __init__(self) -> None:
        self._open: dict[Kind, set[Ending]] = {kind: set() for kind in MOST}
        self._stopped = False

    def refusal(self, kind: Kind) -> End | None:
        """Why no further stream of this kind may begin."""
        if self._stopped:
            return "stopping"
        return "full" if len(self._open[kind]) >= MOST[kind] else None

    def add(self, kind: Kind, stream: Ending) -> None:
        """One more."""
        self._open[kind].add(stream)

    def discard(self, kind: Kind, stream: Ending) -> None:
        """It has ended."""
        self._open[kind].discard(stream)

    def stop(self) -> None:
        """End all of them, and let none begin."""
        self._stopped = True
        for stream in [one for some in self._open.values() for one in some]:
            stream.end("stopping")


class EventStream(Response):
    """An answer of events. `attach` gets the transport, and returns the protocol that writes to it.

    `now`: seconds since 1970, for the end of the session.
    """

    def __init__(self, request: Request, attach: Callable[[Any], Ending], now: Callable[[], float]) -> None:
        super().__init__()
        self._attach = attach
        ends_s = request.scope.get("state", {}).get("session_ends_s")
        self._rest_s = None if ends_s is None else ends_s - now()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until either side ends it."""
        start = {"type": "http.response.start", "status": 200, "headers": _HEADERS}
        if scope["method"] == "HEAD":
            await send(start)
            await send({"type": "http.response.body", "body": b""})
            return
        transport = StreamTransport(scope.get("client"))
        protocol = self._attach(transport)
        transport.set_protocol(protocol)
        timer = None
        if self._rest_s is not None:
            timer = asyncio.get_running_loop().call_later(self._rest_s, protocol.end, "expired")
        try:
            await transport.run(receive, send, start)
        finally:
            scope[ENDED] = protocol.ended
            if timer is not None:
                timer.cancel()


class Refused:
    """A stream that says why it does not begin."""

    def __init__(self, transport: Any, reason: End) -> None:
        self._transport = transport
        self.end(reason)

    def end(self, reason: End) -> None:
        """See `Ending`."""
        self.ended: Ended = ENDS[reason]
        self._transport.write(last_words(reason))
        self._transport.close()

    def connection_lost(self, _exc: Exception | None) -> None:
        """See `Ending`."""


def last_words(reason: End) -> bytes:
    """What is said before the close: when to come back, and why it ends. It has no id, so that the page keeps its own."""
    return retry(RETRY_MS[reason]) + b"event: end\ndata: %b\n\n" % msgspec.json.encode({"reason": reason})


def cut_of(request: Request, otherwise: Callable[[], None]) -> Callable[[], None]:
    """What cuts the connection of a request, however much waits for its peer."""
    cut: Callable[[], None] = request.scope.get("extensions", {}).get(CUT, {}).get("cut", otherwise)
    return cut
