"""Bytes to Requests: llhttp's strict mode, plus the few checks that it leaves to its user. No I/O, no clock.

A request that two HTTP implementations could frame differently is refused and the connection is given up: there is
no safe place to go on (request smuggling, CWE-444; RFC 9112 §6.3, §11.2). llhttp itself refuses CL with TE, repeated
or malformed CL, bad chunk sizes, bare LF, obs-fold, control characters, bad names and space before a colon. Left to
us: the version, the form of the target, Host, any transfer coding but `chunked`, and every length.

Bytes that are not body are bounded too, complete or not: a head that never ends, endless chunk extensions and
trailers are all the same attack on memory (CWE-770).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser

from fast_sse.http.heads import Head, Heads, plain_length
from fast_sse.http.message import Request
from fast_sse.model.errors import BadRequestError, HeadersTooLargeError, TooLargeError
from fast_sse.model.limits import Limits

# Where the reader stands; anything but IDLE is an unfinished request.
IDLE: Final = 0
IN_HEAD: Final = 1
IN_BODY: Final = 2

#: Bytes that framing one chunk may take: 16 hex digits and two line ends.
CHUNK_FRAME_BYTES_MAX: Final = 20

# Only headers that somebody reads become Python strings.
_READ: Final = (
    "accept", "access-control-request-headers", "access-control-request-method", "authorization", "content-encoding",
    "content-length", "content-type", "expect", "host", "idempotency-key", "last-event-id", "origin", "traceparent",
    "transfer-encoding", "upgrade", "user-agent", "x-forwarded-for", "x-signature",
)  # fmt: skip
_NAMES: Final = {spelt.encode(): name for name in _READ for spelt in (name, name.title())}
_METHODS: Final = {
    name.encode(): name for name in ("GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH")
}
# RFC 3986 §3.2 without user information; empty is allowed (RFC 9112 §3.2).
_HOST: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::[0-9]*)?").fullmatch


#: The one path whose body may be larger than a message.
_BATCH: Final = b"/v1/sse/batch"


# The absolute form, which a server must take from anybody (RFC 9112 §3.2.2); no user information (RFC 9110 §4.2.4).
_ORIGIN: Final = re.compile(rb"(?i:https?)://[^/?#@]+(?=[/?]|$)").match


#: Keeps nothing.
_NO_HEADS: Final = Heads()


class _StopError(Exception):
    """Raised through llhttp when nothing behind this request may be looked at."""


class RequestReader:
    """Feeds one connection's bytes to llhttp and calls `on_request(request, keep_alive)` for each complete request.

    `on_request` answers whether the next request may be read; after False, or after `feed` raised, the reader is
    dead and must not be fed again.

    Attributes:
        phase: IDLE, IN_HEAD or IN_BODY.
        expects: a `100 Continue` is due: the head was good, the client waits, and no byte of the body has come.
    """

    __slots__ = (
        "_body", "_body_bytes", "_body_max", "_chunks", "_due", "_fed", "_head_bytes", "_headers", "_heads", "_http11",
        "_keep_alive", "_limits", "_long", "_method", "_on_request", "_parser", "_peer", "_stopped", "_target",
        "_upgrade", "expects", "phase",
    )  # fmt: skip

    def __init__(
        self,
        limits: Limits,
        on_request: Callable[[Request, bool], bool],
        peer: str = "",
        heads: Heads | None = None,
    ) -> None:
        self._limits = limits
        self._on_request = on_request
        self._peer = peer
        self._heads = _NO_HEADS if heads is None else heads
        self._parser: HttpRequestParser | None = None  # made when it is first needed
        self._due = b""  # the bytes of the head that is read next, if it is to be kept
        self._fed = 0
        self._method, self._http11, self._keep_alive = "", True, True
        self._upgrade = b""
        self._stopped = False
        self._start()

    def _start(self) -> None:
        """Forget the last request. The only place that knows what one request leaves behind."""
        self.phase = IDLE
        self.expects = False
        self._target = b""
        self._headers: dict[str, str] = {}
        self._body = b""
        self._long: bytearray | None = None
        self._head_bytes = self._body_bytes = self._chunks = 0

    def feed(self, data: bytes) -> None:
        """Read `data`. Raises BadRequestError, TooLargeError or HeadersTooLargeError: answer it and give up.

        A head that is not complete is measured by what was fed for it, since llhttp reports whole fields only. A
        request that began inside `data` is measured from the next call on: what is kept stays under the limit plus
        one read of the socket.
        """
        rest: bytes | memoryview = data
        if self.phase == IDLE:
            rest = self._read_known(data)
            if not rest:
                return
        self._fed += len(rest)
        if self._parser is None:
            self._parser = HttpRequestParser(self)
        try:
            while rest:
                rest = self._feed_until_upgrade(rest)
        except HttpParserCallbackError as error:
            if not self._stopped:  # no local name for the cause: it would be a cycle through this frame
                raise (error.__context__ or error) from None
        except HttpParserError as error:
            raise BadRequestError(f"Malformed request: {error}") from None
        if self.phase == IDLE:
            self._fed = 0
            return
        framing = self._fed - self._body_bytes - CHUNK_FRAME_BYTES_MAX * self._chunks
        if framing > self._limits.head_bytes_max:
            raise HeadersTooLargeError("Request line, headers and trailers are too large")

    def _read_known(self, data: bytes) -> bytes | memoryview:
        """Read the requests at the start of `data` that are all there and whose heads are kept; what follows them.

        A head ends at its first empty line: llhttp takes none inside one, and bytes that begin with one are not kept.
        """
        heads, at = self._heads, 0
        while (end := data.find(b"\r\n\r\n", at) + 4) > 3:
            key = data[at:end]
            head = heads.find(key) or heads.look(key)
            if head is None:
                self._due = key if key[0] not in b"\r\n" and heads.is_due(key) else b""
                break
            start, end = end, end + head.length
            if end > len(data):
                break
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
            if not self._on_request(request, head.keep_alive) or not head.keep_alive:
                return b""
            if at == len(data):
                return b""
        return memoryview(data)[at:] if at else data

    def close(self) -> None:
        """Break the cycle between reader, parser and connection, so that all three go at once."""
        self._parser = None
        self._on_request = None  # type: ignore[assignment]

    def _feed_until_upgrade(self, data: bytes | memoryview) -> bytes | memoryview:
        """Feed `data` and return what is left of it behind a head that asked for an upgrade.

        We ignore that wish (RFC 9110 §7.8). llhttp stops there and takes a body for another protocol's bytes, yet
        real clients (Java's, for h2c) send one.
        """
        try:
            self._parser.feed_data(data)  # type: ignore[union-attr]
        except HttpParserUpgrade as upgrade:
            if self._upgrade:
                self._read_body_behind_upgrade()
            return memoryview(data)[upgrade.args[0] :]
        return b""

    def _read_body_behind_upgrade(self) -> None:
        """Read the body under a made-up head with the same framing, and put the true head back."""
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
        known = _NAMES.get(name) or _NAMES.get(name.lower())
        if known is None or self.phase == IN_BODY:  # trailers never become headers (RFC 9110 §6.5.1)
            return
        text = value.decode("latin-1").rstrip(" \t")
        if known not in self._headers:
            self._headers[known] = text
        elif known == "host":
            raise BadRequestError("Malformed request: more than one Host")
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
        if target[:1] != b"/":
            self._target = target = _origin_form(target)
        path = target.partition(b"?")[0]
        if path[:1] != b"/" or b"//" in path or b"#" in target or method == b"CONNECT":
            raise BadRequestError("The target must be an absolute path without empty segments")
        limits = self._limits
        self._body_max = limits.batch_bytes_max if path == _BATCH else limits.body_bytes_max
        host = headers.get("host")
        if (host is None and http11) or (host is not None and not _HOST(host)):
            raise BadRequestError("Exactly one valid Host header is needed")
        framed = self._check_framing()
        self.phase = IN_BODY
        if "expect" in headers and http11:
            if headers["expect"].lower() != "100-continue":
                raise BadRequestError("Expect: only 100-continue is understood")
            self.expects = True
        if framed and "upgrade" in headers and parser.should_upgrade():
            self._upgrade = self._framing_head()
        if self._due:
            self._keep_head()

    def _keep_head(self) -> None:
        """Keep the head that was just accepted, if a length is all that says how it goes on."""
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

    def _check_framing(self) -> bool:
        """True when a body follows. Raises when its length is unsure or too large.

        Any transfer coding but plain `chunked` is refused, and chunked in HTTP/1.0 is faulty (RFC 9112 §6.1).
        """
        headers = self._headers
        coding = headers.get("transfer-encoding")
        if coding is not None:
            if coding.lower() != "chunked" or not self._http11:
                raise BadRequestError("Transfer-Encoding: only chunked is understood, in HTTP/1.1")
            return True
        length = headers.get("content-length")
        if length is None:
            return False
        if int(length) > self._body_max:
            raise self._too_large()
        return length.strip("0") != ""

    def _framing_head(self) -> bytes:
        length = self._headers.get("content-length")
        framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
        return f"POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n".encode("latin-1")

    def on_chunk_header(self) -> None:
        """One more chunk."""
        self._chunks += 1

    def on_body(self, piece: bytes) -> None:
        """A piece of the body, without its framing."""
        self.expects = False
        self._body_bytes += len(piece)
        if self._long is not None:
            self._long += piece
        elif self._body:
            self._long = bytearray(self._body)
            self._long += piece
        else:
            self._body = piece
        if self._body_bytes > self._body_max:
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
        self._fed = 0
        if not self._on_request(request, keep_alive) or not keep_alive:
            self._stopped = True
            raise _StopError

    def _too_large(self) -> TooLargeError:
        return TooLargeError(f"The body is larger than {self._body_max} bytes")


def _origin_form(target: bytes) -> bytes:
    """Path and query of a target in absolute form; any other one as it is."""
    origin = _ORIGIN(target)
    if origin is None:
        return target
    rest = target[origin.end() :]
    return rest if rest[:1] == b"/" else b"/" + rest
