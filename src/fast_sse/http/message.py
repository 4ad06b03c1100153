"""Request, Response, Stream, Deferred: small values between the servers and the API. No framework.

`front` and `asgi` speak them and know of the API no more than `Interface` says, so that its rules stand once, in `api`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from fast_sse.model.right import Right


class Verdict:
    """A way to answer every request with a head, found when its first one was answered. Valid while `rules` are in force."""

    __slots__ = ("answer", "rules")

    def __init__(self, rules: object, answer: Callable[[Request], Answer]) -> None:
        self.rules = rules
        self.answer = answer


class Head:
    """An accepted head. All requests that begin with its bytes share it, so nothing of it may change but its `verdict`.

    Attributes:
        length: bytes of the body that follows.
    """

    __slots__ = ("headers", "http11", "keep_alive", "length", "method", "path", "query", "verdict")

    def __init__(
        self,
        method: str,
        target: bytes,
        headers: dict[str, str],
        *,
        http11: bool,
        keep_alive: bool,
        length: int,
    ) -> None:
        self.method = method
        self.path, _, self.query = target.decode("ascii").partition("?")
        self.headers = headers
        self.http11 = http11
        self.keep_alive = keep_alive
        self.length = length
        self.verdict: Verdict | None = None


class Request(msgspec.Struct, gc=False):
    """One complete request.

    Attributes:
        method: upper case as sent.
        path: raw, still percent-encoded, without the query.
        query: raw, without the question mark.
        headers: lower-case names to values (latin-1); repeated names joined by ", ". Those of `Intake.headers`, and of
            the framing; no others.
        body: complete and as sent (not inflated).
        http11: whether streams are chunked by us; False for HTTP/1.0, whose streams are delimited by the close, and
            for a server that frames them itself.
        peer: the address of the other end, for limits; empty where nothing is counted by it.
        head: the known head that it came with; None when its head is not kept.
        right: what the application around the hub lets it read; None where nobody was asked, or nothing may be read.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes = b""
    http11: bool = True
    peer: str = ""
    head: Head | None = None
    right: Right | None = None


class Response(msgspec.Struct, gc=False):
    """One complete answer. `headers` are added to those that every answer carries; `request_id` stands in its body."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    request_id: str = ""


class Stream(msgspec.Struct, gc=False):
    """A 200 whose body is an event stream.

    The server calls `attach(transport, head)` and hands the transport to what it returns with `set_protocol`. That
    writes `head`, together with the first bytes of the body so that both are one system call, and frames the body
    (chunked when the request was HTTP/1.1). A server that writes heads itself gives an empty one.
    """

    attach: Callable[[Any, bytes], asyncio.BaseProtocol]
    headers: tuple[tuple[str, str], ...] = ()


class Deferred(msgspec.Struct, gc=False):
    """An answer that waits for a future: `render(future)` (which never raises) turns it into a Response."""

    future: asyncio.Future[Any]
    render: Callable[[asyncio.Future[Any]], Response]


Answer = Response | Stream | Deferred


class Admission(msgspec.Struct, frozen=True, gc=False):
    """A request that its head does not refuse.

    Attributes:
        body_bytes_max: of a body that is still on its way.
        vouched: the signature is right already, for it does not cover the body.
    """

    body_bytes_max: int
    vouched: bool = False


#: Judges a request by its head, when its body takes more than one read of the socket.
Admit = Callable[[Request], Admission | Response]


class Intake(msgspec.Struct, frozen=True, gc=False):
    """What of a request the API takes in, and so what a server has to keep.

    Attributes:
        headers: lower-case names of the headers that the API reads.
        single: those of which there is one: a request that repeats it is malformed.
        bodies: path to the bytes that its body may have, where that is not `Limits.body_bytes_max`.
    """

    headers: frozenset[str] = frozenset()
    single: frozenset[str] = frozenset()
    bodies: Mapping[str, int] = {}


class Interface(Protocol):
    """The API as a server knows it. Neither method waits, and neither raises for any request."""

    @property
    def intake(self) -> Intake:
        """What the server must keep of a request. Constant."""

    def handle(self, request: Request) -> Answer:
        """Answer a complete request."""

    def admit(self, request: Request) -> Admission | Response:
        """Judge a request by its head, while its body is still on its way."""


class RefusedError(Exception):
    """A head that was refused before its body was read; `answer` says why."""

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.status)
        self.answer = answer
