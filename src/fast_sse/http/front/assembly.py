"""From what llhttp reports to a Request: the head is judged before a byte of the body is kept. No I/O, no clock.

The checks that llhttp leaves to its user stand in `request_head.py`; here they are made, with the version and the
lengths of head, body and trailers. llhttp calls the methods below in their order, once or more for each request.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Final

from httptools import HttpRequestParser

from fast_sse.http.front.known_heads import KnownHeads, plain_length
from fast_sse.http.message import Head, Request
from fast_sse.http.request_head import (
    Kept,
    announced_bytes,
    check_host,
    checked_target,
    framing_head,
    repeated,
    waits_for_continue,
)
from fast_sse.model.errors import BadRequestError, HeadersTooLargeError, TooLargeError
from fast_sse.model.limits import Limits


class Phase(IntEnum):
    """Where the reader stands. Anything but IDLE is an unfinished request."""

    IDLE = 0
    IN_HEAD = 1
    IN_BODY = 2


IDLE, IN_HEAD, IN_BODY = Phase  # names of this module: an attribute of an enumeration costs a call

_METHODS: Final = {
    name.encode(): name for name in ("GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH")
}
#: Keeps nothing.
_NO_HEADS: Final = KnownHeads()


class StopError(Exception):
    """Raised through llhttp when nothing behind a request may be read."""


class Assembly:
    """The request that is being read; calls `on_request(request, keep_alive)` when it is complete.

    `on_request` answers whether the next request may be read. After False, a method raises StopError.

    Attributes:
        phase: where it stands.
        expects: a `100 Continue` is due: the head was accepted, the client waits, and no byte of the body has come.
        body_bytes: what has come of the body that is being read.
        vouched: its signature is right already, because it does not cover the body.
    """

    __slots__ = (
        "_body", "_body_max", "_chunks", "_complete", "_due", "_fed", "_head_bytes", "_headers", "_heads", "_http11", "_judged",
        "_keep_alive", "_kept", "_length", "_limits", "_long", "_method", "_on_request", "_parser", "_peer", "_stopped", "_target",
        "_upgrade", "body_bytes", "expects", "phase", "vouched",
    )  # fmt: skip

    def __init__(
        self,
        limits: Limits,
        kept: Kept,
        on_request: Callable[[Request, bool], bool],
        peer: str = "",
        heads: KnownHeads | None = None,
    ) -> None:
        self._limits = limits
        self._kept = kept
        self._body_max = limits.body_bytes_max
        self._on_request = on_request
        self._peer = peer
        self._heads = _NO_HEADS if heads is None else heads
        self._parser: HttpRequestParser | None = None  # made when it is first needed
        self._due = b""  # the bytes of the head that is read next, if it is to be kept
        self._fed = self._complete = 0  # bytes since the last complete request; requests of this turn
        self._method, self._http11, self._keep_alive = "", True, True
        self._upgrade = b""  # a made-up head, while the body behind an ignored upgrade is still to be read
        self._stopped = False
        self._start()

    def _start(self) -> None:
        """Forget the last request. No other place resets what one request leaves behind."""
        self.phase: Phase = IDLE
        self.expects = self.vouched = self._judged = False
        self._target = b""
        self._headers: dict[str, str] = {}
        self._body = b""
        self._long: bytearray | None = None
        self._head_bytes = self.body_bytes = self._chunks = self._length = 0

    # -- what llhttp calls, in this order ---------------------------------------------------------------

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self.phase = IN_HEAD

    def on_url(self, piece: bytes) -> None:
        """The target, or a piece of it."""
        self._target += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        """A complete header or trailer."""
        self._head_bytes += len(name) + len(value) + 4
        kept = self._kept
        known = kept.spelt.get(name) or kept.spelt.get(name.lower())
        if known is None or self.phase == IN_BODY:  # trailers never become headers (RFC 9110 §6.5.1)
            return
        text = value.decode("latin-1").rstrip(" \t")
        if known not in self._headers:
            self._headers[known] = text
        elif known in kept.single:
            raise repeated(known)
        else:
            self._headers[known] = f"{self._headers[known]}, {text}"

    def on_headers_complete(self) -> None:
        """Judge the head before a byte of the body is kept."""
        parser, headers, target = self._parser, self._headers, self._target
        assert parser is not None
        method = parser.get_method()
        self._method = _METHODS.get(method) or method.decode("latin-1")
        version = parser.get_http_version()
        self._http11 = http11 = version == "1.1"
        self._keep_alive = parser.should_keep_alive()
        if not http11 and version != "1.0":
            raise BadRequestError("the hub speaks HTTP/1.1 and HTTP/1.0 only")
        if self._head_bytes + len(target) > self._limits.head_bytes_max:
            raise HeadersTooLargeError(
                f"request line and headers are larger than {self._limits.head_bytes_max} bytes"
            )
        if target[:1] != b"/" or b"//" in target or b"#" in target or method == b"CONNECT":
            self._target = checked_target(method, target)
        path, bodies = self._target.partition(b"?")[0], self._kept.bodies
        self._body_max = bodies[path] if path in bodies else self._limits.body_bytes_max  # noqa: SIM401  a call less
        check_host(headers.get("host"), http11=http11)
        self._length = announced_bytes(headers, http11=http11)
        if self._length > self._body_max:
            raise self._too_large()
        self.phase = IN_BODY
        self.expects = "expect" in headers and waits_for_continue(headers, http11=http11)
        if self._length and "upgrade" in headers and parser.should_upgrade():
            self._upgrade = framing_head(headers)
        if self._due:
            self._keep_head()

    def _keep_head(self) -> None:
        """Keep the head that was just accepted, if nothing but a length says how it goes on."""
        key, self._due = self._due, b""
        length = plain_length(self._headers)
        if length >= 0:
            head = Head(
                self._method,
                self._target,
                self._headers,
                http11=self._http11,
                keep_alive=self._keep_alive,
                length=length,
            )
            self._heads.keep(key, head)

    def on_chunk_header(self) -> None:
        """One more chunk."""
        self._chunks += 1

    def on_body(self, piece: bytes) -> None:
        """A piece of the body, without its framing."""
        self.expects = False
        self.body_bytes += len(piece)
        if self._long is not None:
            self._long += piece
        elif self._body:
            self._long = bytearray(self._body)
            self._long += piece
        else:
            self._body = piece
        if self.body_bytes > self._body_max:
            raise self._too_large()

    def on_message_complete(self) -> None:
        """Hand the request on, unless its body is still to be read (see `_feed_until_upgrade`)."""
        if self._upgrade:
            return
        if self._head_bytes > self._limits.head_bytes_max:
            raise HeadersTooLargeError("the trailers are too large")
        path, _, query = self._target.decode("ascii").partition("?")
        request = Request(
            self._method,
            path,
            query,
            self._headers,
            self._body if self._long is None else bytes(self._long),
            self._http11,
            self._peer,
        )
        keep_alive = self._keep_alive
        self._start()
        self._complete += 1
        self._fed = 0
        if not self._on_request(request, keep_alive) or not keep_alive:
            self._stopped = True
            raise StopError

    def _too_large(self) -> TooLargeError:
        return TooLargeError(f"the body is larger than {self._body_max} bytes")
