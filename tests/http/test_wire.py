"""The bytes of answers."""

from __future__ import annotations

import asyncio

import pytest

from fast_sse.http.message import Request, Response, Stream
from fast_sse.http.wire import (
    HEAD,
    OLD,
    date_line,
    form_of,
    response_bytes,
    response_fields,
    stream_fields,
    stream_head,
)


def test_answer_is_complete() -> None:
    """Every answer carries its length and type, is never stored and never sniffed."""
    assert response_bytes(Response(200, b"{}")) == (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n"
        b"X-Content-Type-Options: nosniff\r\nContent-Length: 2\r\n\r\n{}"
    )


def test_extra_headers_follow_the_fixed_ones() -> None:
    """An endpoint's headers are added, each on its own line."""
    answer = response_bytes(Response(405, b"x", "text/plain", (("Allow", "GET"), ("Vary", "Origin"))))
    assert answer.startswith(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain\r\n")
    assert answer.endswith(b"Content-Length: 1\r\nAllow: GET\r\nVary: Origin\r\n\r\nx")


def test_head_has_the_length_but_no_body() -> None:
    """HEAD answers like GET, without the body (RFC 9110 §9.3.2)."""
    assert response_bytes(Response(200, b"{}"), HEAD).endswith(b"Content-Length: 2\r\n\r\n")


def test_no_content_has_no_length() -> None:
    """A 204 has neither body nor Content-Length (RFC 9110 §8.6)."""
    answer = response_bytes(Response(204, headers=(("Vary", "Origin"),)))
    assert answer == (
        b"HTTP/1.1 204 No Content\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
        b"Vary: Origin\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("form", "close", "line"),
    [(0, True, b"close"), (OLD, True, b"close"), (OLD, False, b"keep-alive")],
)
def test_connection_is_named_when_it_is_not_the_default(form: int, close: bool, line: bytes) -> None:
    """`close` is announced, and so is staying open to an HTTP/1.0 client (RFC 9112 §9.3)."""
    assert b"\r\nConnection: " + line + b"\r\n" in response_bytes(Response(200), form, close=close)
    assert b"Connection" not in response_bytes(Response(200))


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "a\nb", "a\rb", "a\0b"])
def test_a_header_cannot_leave_its_line(value: str) -> None:
    """CR, LF and NUL in a header are refused: response splitting (CWE-113)."""
    with pytest.raises(ValueError, match="CR, LF or NUL"):
        response_bytes(Response(200, headers=(("X", value),)))
    with pytest.raises(ValueError, match="CR, LF or NUL"):
        stream_head(Stream(lambda *_: asyncio.Protocol(), (("X", value),)))


def test_stream_head_is_that_of_the_protocol() -> None:
    """The head of a stream is exactly the published one: chunked in HTTP/1.1, and a client is told of the close."""
    stream = Stream(lambda *_: asyncio.Protocol(), (("Vary", "Origin"),))
    begin = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
        b"Cache-Control: no-store, no-transform\r\nX-Accel-Buffering: no\r\nIncremental: ?1\r\n"
    )
    assert stream_head(stream) == (
        begin + b"Transfer-Encoding: chunked\r\nConnection: close\r\nVary: Origin\r\n\r\n"
    )
    assert stream_head(stream, OLD) == begin + b"Connection: close\r\nVary: Origin\r\n\r\n"


def test_the_date_is_a_line_of_every_head() -> None:
    """Answers and streams carry the Date that they are given (RFC 9110 §6.6.1)."""
    line = date_line(784111777.9)
    assert line == b"\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT"
    answers = [
        response_bytes(Response(200, b"{}"), date=line),
        response_bytes(Response(204), OLD, close=True, date=line),
        response_bytes(Response(405, headers=(("Allow", "GET"),)), HEAD, date=line),
        stream_head(Stream(lambda *_: asyncio.Protocol()), 0, line),
    ]
    for answer in answers:
        head, _, rest = answer.partition(b"\r\n\r\n")
        assert head.count(line) == 1
        assert rest in (b"{}", b"")


def test_the_form_comes_from_the_request() -> None:
    """HEAD and HTTP/1.0 are the two things about a request that change the shape of its answer."""
    assert form_of(Request("GET", "/", "", {})) == 0
    assert form_of(Request("HEAD", "/", "", {}, http11=False)) == HEAD | OLD


def test_a_server_that_frames_gets_the_same_head() -> None:
    """As fields, a head has the same names and values as in bytes, but for what frames the message."""
    answer = Response(405, b"xy", "text/plain", (("Allow", "GET"),))
    lines = response_bytes(answer).decode().partition("\r\n\r\n")[0].split("\r\n")[1:]
    assert [f"{name}: {value}" for name, value in response_fields(answer)] == lines
    stream = Stream(lambda *_: asyncio.Protocol(), (("Vary", "Origin"),))
    lines = stream_head(stream).decode().strip().split("\r\n")[1:]
    lines.remove("Transfer-Encoding: chunked")
    lines.remove("Connection: close")
    assert [f"{name}: {value}" for name, value in stream_fields(stream)] == lines
    assert "Content-Length" not in dict(response_fields(Response(204)))


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "a\nb", "a\rb", "a\0b"])
def test_a_field_cannot_leave_its_line(value: str) -> None:
    """What would split a response in bytes is refused as a field too: not every server looks (CWE-113)."""
    with pytest.raises(ValueError, match="CR, LF or NUL"):
        response_fields(Response(200, headers=(("X", value),)))
    with pytest.raises(ValueError, match="CR, LF or NUL"):
        stream_fields(Stream(lambda *_: asyncio.Protocol(), (("X", value),)))
