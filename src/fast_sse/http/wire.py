"""Answers as bytes: the head of a response and of a stream. Nothing here knows a connection.

An answer is one bytes object, so that it takes one `write`. The part of a head that depends on status and content
type only is built once and cached. `date` is a line that the caller renews once a second. A server that frames answers
itself (ASGI) takes the same head as fields, without `Connection` and `Date`, which it adds.
"""

from __future__ import annotations

import re
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from fast_sse.http.message import Request, Response, Stream

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

# The form of an answer, which its request decides; 0 is plain HTTP/1.1. The two flags can stand together.
HEAD: Final = 1  # the answer has no body (RFC 9110 §9.3.2)
OLD: Final = 2  # HTTP/1.0: keep-alive is announced, and there are no chunks

_NO_CONTENT: Final = 204  # a plain number: HTTPStatus looks each of its names up by a call
_BREAK: Final = re.compile(r"[\r\n\0]").search

#: Names and values of a head.
Fields = tuple[tuple[str, str], ...]

_COMMON: Final[Fields] = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))
_STREAM: Final[Fields] = (
    ("Content-Type", "text/event-stream; charset=utf-8"),
    ("Cache-Control", "no-store, no-transform"),
    ("X-Accel-Buffering", "no"),  # nginx
    ("Incremental", "?1"),  # any intermediary: forward each part as it comes (RFC 10036)
)


def form_of(request: Request) -> int:
    """The form that the answer to `request` must have."""
    return (HEAD if request.method == "HEAD" else 0) | (0 if request.http11 else OLD)


def response_fields(response: Response) -> Fields:
    """The fields of the head of `response`, without those that frame the message on the connection.

    A 204 has neither content nor its length (RFC 9110 §8.6). Raises ValueError when a header cannot be sent.
    """
    _check(response.headers)
    if response.status == _NO_CONTENT:
        return (*_COMMON, *response.headers)
    length = ("Content-Length", str(len(response.body)))
    return (("Content-Type", response.content_type), *_COMMON, length, *response.headers)


def stream_fields(stream: Stream) -> Fields:
    """The fields of the head of an event stream. Raises ValueError when a header cannot be sent."""
    _check(stream.headers)
    return (*_STREAM, *stream.headers)


@lru_cache(maxsize=128)
def _fixed(status: int, content_type: str) -> bytes:
    """Everything up to the value of Content-Length; all of it for a 204."""
    first = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode("latin-1")
    if status == _NO_CONTENT:
        return first + _lines(_COMMON)
    return first + _lines((("Content-Type", content_type), *_COMMON, ("Content-Length", "")))


def _check(headers: Fields) -> None:
    """Raise ValueError when a header could break out of its line: response splitting (CWE-113)."""
    if headers and _BREAK("".join(map("".join, headers))):
        raise ValueError("a header of an answer contains CR, LF or NUL")


def _lines(headers: Fields) -> bytes:
    """`headers` as lines, each of which begins with its CRLF. Raises ValueError as `_check` does."""
    _check(headers)
    return "".join(f"\r\n{name}: {value}" for name, value in headers).encode("latin-1")


def date_line(now_s: float) -> bytes:
    """The `Date` line (RFC 9110 §6.6.1), which begins with its CRLF."""
    return f"\r\nDate: {formatdate(now_s, usegmt=True)}".encode("ascii")


def response_bytes(response: Response, form: int = 0, *, close: bool = False, date: bytes = b"") -> bytes:
    """The complete answer. Raises ValueError when one of its headers cannot be sent."""
    status, body = response.status, response.body
    extra = date + _lines(response.headers) if response.headers else date
    if close:
        extra += b"\r\nConnection: close"
    elif form & OLD:
        extra += b"\r\nConnection: keep-alive"
    fixed = _fixed(status, response.content_type)
    if status == _NO_CONTENT:
        return b"%b%b\r\n\r\n" % (fixed, extra)
    return b"%b%d%b\r\n\r\n%b" % (fixed, len(body), extra, b"" if form & HEAD else body)


@lru_cache(maxsize=2)
def _stream_fixed(form: int) -> bytes:
    chunked = () if form else (("Transfer-Encoding", "chunked"),)
    return b"HTTP/1.1 200 OK" + _lines((*_STREAM, *chunked, ("Connection", "close")))


def stream_head(stream: Stream, form: int = 0, date: bytes = b"") -> bytes:
    """The head of an event stream: chunked, or for HTTP/1.0 until the close (RFC 9112 §6.3).

    The head says that the connection closes with the stream. Otherwise a client would send its next request into a
    closed connection. Raises ValueError when one of its headers cannot be sent.
    """
    more = _lines(stream.headers) if stream.headers else b""
    return b"%b%b%b\r\n\r\n" % (_stream_fixed(form & OLD), date, more)
