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
from typing import Final

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser

from fast_sse.http.front.assembly import IDLE, IN_BODY, Assembly
from fast_sse.http.front.known_heads import KnownHeads
from fast_sse.http.message import Admit, RefusedError, Request, Response
from fast_sse.http.request_head import Kept
from fast_sse.model.errors import BadRequestError, HeadersTooLargeError
from fast_sse.model.limits import Limits

#: Bytes that framing one chunk may take: 16 hex digits and two line ends.
CHUNK_FRAME_BYTES_MAX: Final = 20
#: Bytes given to llhttp at once, which hands on every request in them. A body of known length is given as one piece.
SLICE_BYTES: Final = 2048


class RequestReader(Assembly):
    """Feeds one connection's bytes to llhttp and calls `on_request(request, keep_alive)` for each complete request.

    `on_request` answers whether the next request may be read. After False, or after `feed` raised, the reader is
    dead and must not be fed again.
    """

    __slots__ = ("_admit",)

    def __init__(
        self,
        limits: Limits,
        kept: Kept,
        on_request: Callable[[Request, bool], bool],
        peer: str = "",
        heads: KnownHeads | None = None,
        admit: Admit | None = None,
    ) -> None:
        super().__init__(limits, kept, on_request, peer, heads)
        self._admit = admit

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
            raise BadRequestError(f"malformed request: {error}") from None
        if self.phase == IDLE:
            self._fed = 0
            return
        framing = self._fed - self.body_bytes - CHUNK_FRAME_BYTES_MAX * self._chunks
        if framing > self._limits.head_bytes_max:
            raise HeadersTooLargeError("request line, headers and trailers are too large")

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
