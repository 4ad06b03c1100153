"""Answers as bytes: the head of a response and of a stream, and nothing that knows a connection.

An answer is one bytes object, so that it is one `write`. The part of a head that depends on status and content
type only is built once and cached.
"""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus
from typing import Final

from fast_sse.http.message import Request, Response, Stream

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

# The form of an answer, known from its request: plain HTTP/1.1 is 0.
HEAD: Final = 1  # no body goes out (RFC 9110 §9.3.2)
OLD: Final = 2  # HTTP/1.0: keep-alive must be said, chunks do not exist

_STREAM: Final = (
    b"HTTP/1.1 200 OK\r\n"
    b"Content-Type: text/event-stream; charset=utf-8\r\n"
    b"Cache-Control: no-store, no-transform\r\n"
    b"X-Accel-Buffering: no\r\n"
)


def form_of(request: Request) -> int:
    """What `request` asks of the form of its answer."""
    return (HEAD if request.method == "HEAD" else 0) | (0 if request.http11 else OLD)


@lru_cache(maxsize=128)
def _fixed(status: int, content_type: str) -> bytes:
    """Everything up to the value of Content-Length.

    A 204 has neither content nor its length (RFC 9110 §8.6).
    """
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
    common = "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
    if status == HTTPStatus.NO_CONTENT:
        return (head + common).encode("latin-1")
    return f"{head}Content-Type: {content_type}\r\n{common}Content-Length: ".encode("latin-1")


def _lines(headers: tuple[tuple[str, str], ...]) -> bytes:
    """`headers` as lines, each begun by its CRLF.

    Raises ValueError when one could break out of its line: response splitting (CWE-113).
    """
    text = "".join(f"\r\n{name}: {value}" for name, value in headers)
    if text.count("\r") != len(headers) or text.count("\n") != len(headers) or "\0" in text:
        raise ValueError("a header of an answer contains CR, LF or NUL")
    return text.encode("latin-1")


def response_bytes(response: Response, form: int = 0, *, close: bool = False) -> bytes:
    """The complete answer. Raises ValueError when one of its headers cannot be sent."""
    status, body = response.status, response.body
    extra = _lines(response.headers) if response.headers else b""
    if close:
        extra += b"\r\nConnection: close"
    elif form & OLD:
        extra += b"\r\nConnection: keep-alive"
    fixed = _fixed(status, response.content_type)
    if status == HTTPStatus.NO_CONTENT:
        return b"%b%b\r\n\r\n" % (fixed[:-2], extra)
    return b"%b%d%b\r\n\r\n%b" % (fixed, len(body), extra, b"" if form & HEAD else body)


def stream_head(stream: Stream, form: int = 0) -> bytes:
    """The head of an event stream: chunked, or until the close for HTTP/1.0 (RFC 9112 §6.3).

    Raises ValueError when one of its headers cannot be sent.
    """
    framing = b"Connection: close" if form & OLD else b"Transfer-Encoding: chunked"
    return b"%b%b%b\r\n\r\n" % (_STREAM, framing, _lines(stream.headers))
