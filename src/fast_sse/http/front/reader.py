"""Bytes to Requests: llhttp's strict mode, plus the few checks that it leaves to its user. No I/O, no clock.

A request that two HTTP implementations could frame differently is refused, and the connection is given up: there is no
safe place to go on (request smuggling, CWE-444; RFC 9112 §6.3, §11.2). llhttp itself refuses CL with TE, repeated
or malformed CL, bad chunk sizes, bare LF, obs-fold, control characters, bad names and space before a colon. Left to
us are the checks of `request_head.py`, the version, and every length.

Bytes that are not body are bounded too, complete or not: a head that never ends, endless chunk extensions and endless
trailers are the same attack on memory (CWE-770). What one call reads is bounded as well, because all other peers wait
meanwhile: a read of the socket may hold ten thousand requests, so `feed` returns where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Final

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser

from fast_sse.http.front.known_heads import KnownHeads, plain_length
from fast_sse.http.message import Admit, Head, RefusedError, Request, Response
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

#: Bytes that framing one chunk may take: 16 hex digits and two line ends.
CHUNK_FRAME_BYTES_MAX: Final = 20
#: Bytes given to llhttp at once, which hands on every request in them. A body of known length is given as one piece.
SLICE_BYTES: Final = 2048

_METHODS: Final = {
    name.encode(): name for name in ("GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH")
}
#: Keeps nothing.
_NO_HEADS: Final = KnownHeads()


class _StopError(Exception):
    """Raised through llhttp when nothing behind this request may be looked at."""


class RequestReader:
    """Feeds one connection's bytes to llhttp and calls `on_request(request, keep_alive)` for each complete request.

    `on_request` answers whether the next request may be read; after False, or after `feed` raised, the reader is
    dead and must not be fed again.

    Attributes:
        phase: where it stands.
        expects: a `100 Continue` is due: the head was accepted, the client waits, and no byte of the body has come.
        body_bytes: what has come of the body that is being read.
        vouched: its signature is right already, because it does not cover the body.
    """

    __slots__ = (
        "_admit", "_body", "_body_max", "_chunks", "_complete", "_due", "_fed", "_head_bytes", "_headers", "_heads", "_http11",
        "_judged", "_keep_alive", "_kept", "_length", "_limits", "_long", "_method", "_on_request", "_parser", "_peer",
        "_stopped", "_target", "_upgrade", "body_bytes", "expects", "phase", "vouched",
    )  # fmt: skip

    def __init__(
        self,
        limits: Limits,
        kept: Kept,
        on_request: Callable[[Request, bool], bool],
        peer: str = "",
        heads: KnownHeads | None = None,
        admit: Admit | None = None,
    ) -> None:
        self._limits = limits
        self._kept = kept
        self._body_max = limits.body_bytes_max
        self._on_request = on_request
        self._peer = peer
        self._heads = _NO_HEADS if heads is None else heads
        self._admit = admit
        self._parser: HttpRequestParser | None = None  # made when it is first needed
        self._due = b""  # the bytes of the head that is read next, if it is to be kept
        self._fed = self._complete = 0
        self._method, self._http11, self._keep_alive = "", True, True
        self._upgrade = b""
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

    def feed(self, data: bytes, at: int = 0) -> int:
        """Read `data` from `at` on. Returns where to go on in a later turn, 0 when all of it is read.

        Raises BadRequestError, TooLargeError, HeadersTooLargeError or RefusedError: answer it and give up.

        A turn ends after `pipeline_requests_max` requests, or with the slice in which that many became complete. A head
        that is not complete is measured by what was fed for it, because llhttp reports whole fields only. A request that
        began inside a slice is measured from the next slice on, so what is kept stays under the limit plus a slice.
        """
        if self.phase == IDLE:
            at, over = self._read_known(data, at)
            if over:
                return at
        if self._parser is None:
            self._parser = HttpRequestParser(self)
        end, self._complete = len(data), 0
        while at < end:
            body_left = self._length - self.body_bytes if self.phase == IN_BODY else 0
            stop = min(end, at + (body_left if body_left > 0 else SLICE_BYTES))
            self._read_slice(data[at:stop] if stop - at <= SLICE_BYTES else memoryview(data)[at:stop])
            if self._stopped:
                return 0
            at = stop
            if self._complete >= self._limits.pipeline_requests_max:
                break
        if self.phase == IN_BODY and not self._judged:
            self._judge()
        return at if at < end else 0

    def _read_known(self, data: bytes, at: int) -> tuple[int, bool]:
        """Read the requests from `at` on that are complete and whose heads are known.

        Returns where it stopped, as `feed` does, and whether this turn is over. A head ends at its first empty line:
        llhttp accepts none inside a head, and bytes that begin with one are not kept.
        """
        heads = self._heads
        for _ in range(self._limits.pipeline_requests_max):
            end = data.find(b"\r\n\r\n", at) + 4
            if end < 4:
                return at, False
            key = data[at:end]
            head = heads.find(key) or heads.look(key)
            if head is None:
                self._due = key if key[0] not in b"\r\n" and heads.is_due(key) else b""
                return at, False
            start, end = end, end + head.length
            if end > len(data):
                return at, False
            at = end
            request = Request(
                head.method,
                head.path,
                head.query,
                head.headers,
                data[start:end],
                head.http11,
                self._peer,
                head,
            )
            if not self._on_request(request, head.keep_alive) or not head.keep_alive or at == len(data):
                return 0, True
        return at, True

    def _read_slice(self, piece: bytes | memoryview) -> None:
        """Feed `piece`, and measure what is neither head nor body."""
        self._fed += len(piece)
        try:
            while piece:
                piece = self._feed_until_upgrade(piece)
        except HttpParserCallbackError as error:
            if not self._stopped:  # no local name for the cause: it would be a cycle through this frame
                raise (error.__context__ or error) from None
        except HttpParserError as error:
            raise BadRequestError(f"Malformed request: {error}") from None
        if self.phase == IDLE:
            self._fed = 0
            return
        framing = self._fed - self.body_bytes - CHUNK_FRAME_BYTES_MAX * self._chunks
        if framing > self._limits.head_bytes_max:
            raise HeadersTooLargeError("Request line, headers and trailers are too large")

    def _judge(self) -> None:
        """Let the API judge a request whose body is still on its way. Raises RefusedError when its head is refused."""
        self._judged = True
        if self._admit is None:
            return
        path, _, query = self._target.decode("ascii").partition("?")
        found = self._admit(Request(self._method, path, query, self._headers, b"", self._http11, self._peer))
        if isinstance(found, Response):
            raise RefusedError(found)
        self.vouched = found.vouched
        self._body_max = min(self._body_max, found.body_bytes_max)
        if max(self._length, self.body_bytes) > self._body_max:
            raise self._too_large()

    def close(self) -> None:
        """Break the cycle between reader, parser and connection, so that all three go at once."""
        self._parser = None
        self._on_request = None  # type: ignore[assignment]

    def _feed_until_upgrade(self, data: bytes | memoryview) -> bytes | memoryview:
        """Feed `data`, and return what is left of it behind a head that asks for an upgrade.

        We ignore the upgrade (RFC 9110 §7.8). llhttp stops behind such a head and takes the body for bytes of another
        protocol, but real clients (Java's, for h2c) send a body.
        """
        try:
            self._parser.feed_data(data)  # type: ignore[union-attr]
        except HttpParserUpgrade as upgrade:
            if self._upgrade:
                self._read_body_behind_upgrade()
            return memoryview(data)[upgrade.args[0] :]
        return b""

    def _read_body_behind_upgrade(self) -> None:
        """Give a new parser a made-up head with the same framing, then restore what the true head said."""
        head, self._upgrade = self._upgrade, b""
        saved = self._target, self._headers, self._method, self._keep_alive, self._head_bytes, self.expects
        self._start()
        self._parser = HttpRequestParser(self)
        self._parser.feed_data(head)
        self._target, self._headers, self._method, self._keep_alive, self._head_bytes, self.expects = saved

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
            raise BadRequestError("Only HTTP/1.1 and HTTP/1.0 are spoken here")
        if self._head_bytes + len(target) > self._limits.head_bytes_max:
            raise HeadersTooLargeError("Request line and headers are too large")
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
            raise HeadersTooLargeError("Trailers are too large")
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
            raise _StopError

    def _too_large(self) -> TooLargeError:
        return TooLargeError(f"The body is larger than {self._body_max} bytes")
