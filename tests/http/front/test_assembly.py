"""What a request becomes."""

from __future__ import annotations

from typing import Any

import pytest
from tests.http.front.corpus import GOOD
from tests.http.front.reader_rig import Taker, post, read
from tests.support.interface import INTAKE

from fast_sse.http.front.assembly import IDLE


def test_request_is_what_was_sent() -> None:
    """Method, raw path and query, body, version and peer arrive as sent; nothing is decoded."""
    (request,) = read(b"POST /a%2Fb?x=%20&y=//z HTTP/1.1\r\nHost: h:1\r\nContent-Length: 3\r\n\r\nabc")
    assert (request.method, request.path, request.query) == ("POST", "/a%2Fb", "x=%20&y=//z")
    assert (request.body, request.http11, request.peer) == (b"abc", True, "192.0.2.7")


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"http://h:1/a%2Fb?x=http://y", "/a%2Fb", "x=http://y"),
        (b"HTTPS://[::1]/a", "/a", ""),
        (b"http://h", "/", ""),
        (b"http://h?x", "/", "x"),
    ],
)
def test_absolute_form_is_the_path_in_it(target: bytes, path: str, query: str) -> None:
    """RFC 9112 §3.2.2: a server takes it from anybody, as if the path alone had been asked for."""
    (request,) = read(b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % target)
    assert (request.path, request.query) == (path, query)


@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "QUERY"]
)
def test_any_method_goes_to_the_handler(method: str) -> None:
    """HEAD, OPTIONS and methods that no route has are the handler's to answer."""
    (request,) = read(f"{method} / HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    assert request.method == method


@pytest.mark.parametrize("name", ["host", *sorted(INTAKE.headers)])
@pytest.mark.parametrize("spell", [str.lower, str.title, str.upper, str.swapcase])
def test_headers_that_are_read_are_found_in_any_case(name: str, spell: Any) -> None:
    """Names are case-insensitive (RFC 9110 §5.1); the surrounding white space is not part of a value (§5.5)."""
    lines = f"{spell(name)}: \t va lue;\tb \t\r\n" + ("" if name == "host" else "Host: a\r\n")
    if name == "host":
        lines = f"{spell(name)}: \tvalue \t\r\n"
    (request,) = read(f"GET / HTTP/1.1\r\n{lines}\r\n".encode())
    assert request.headers[name] == ("value" if name == "host" else "va lue;\tb")


def test_headers_nobody_reads_are_not_kept() -> None:
    """A header without a reader costs nothing beyond its bytes."""
    (request,) = read(b"GET / HTTP/1.1\r\nHost: a\r\nCookie: s\r\nSec-Fetch-Mode: cors\r\n\r\n")
    assert request.headers == {"host": "a"}


def test_repeated_headers_are_joined() -> None:
    """A repeated header is one list (RFC 9110 §5.3); bytes over 0x7f are latin-1."""
    (request,) = read(b"GET / HTTP/1.1\r\nHost: a\r\nAccept: x\r\naccept: \xe9\r\n\r\n")
    assert request.headers["accept"] == "x, \xe9"


def test_one_request_leaves_nothing_to_the_next() -> None:
    """Headers, body and method of a request never show up in the one behind it."""
    first, second = read(post(b"Accept: x\r\nContent-Length: 1\r\n", b"b") + GOOD)
    assert (first.body, first.headers["accept"]) == (b"b", "x")
    assert (second.method, second.body, second.headers) == ("GET", b"", {"host": "a"})


def test_chunks_are_joined_and_extensions_ignored() -> None:
    """A chunked body is the sum of its chunks; extensions are tolerated and dropped (RFC 9112 §7.1.1)."""
    (request,) = read(post(b"Transfer-Encoding: Chunked\r\n", b'3;a=b\r\nabc\r\n2;c="d"\r\nde\r\n0\r\n\r\n'))
    assert request.body == b"abcde"


def test_trailers_never_become_headers() -> None:
    """A signature in a trailer was not there when the request was judged (RFC 9110 §6.5.1)."""
    (request,) = read(post(b"Transfer-Encoding: chunked\r\n", b"0\r\nX-Signature: s\r\nHost: b\r\n\r\n"))
    assert request.headers == {"host": "a", "transfer-encoding": "chunked"}


def test_empty_lines_before_a_request_are_skipped() -> None:
    """Some clients send a CRLF behind a body (RFC 9112 §2.2); it does not begin a request."""
    taker = Taker()
    taker.feed(b"\r\n" * 400, b"\r\n" * 400)
    assert taker.reader.phase == IDLE
    assert len(taker.feed(GOOD + b"\r\n" + GOOD)) == 2
    assert len(taker.feed(b"\r\n" * 400, GOOD[:9], GOOD[9:])) == 3  # and is not counted as part of one


@pytest.mark.parametrize(
    ("head", "http11", "keep_alive"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n", True, True),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n", True, False),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n", True, False),
        (b"GET / HTTP/1.0\r\n", False, False),
        (b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n", False, True),
    ],
)
def test_who_keeps_the_connection(head: bytes, http11: bool, keep_alive: bool) -> None:
    """HTTP/1.1 stays open unless told to close; HTTP/1.0 closes unless asked to stay (RFC 9112 §9.3)."""
    taker = Taker()
    (request,) = taker.feed(head + b"\r\n")
    assert request.http11 is http11
    assert taker.kept_alive == [keep_alive]


@pytest.mark.parametrize(
    "host", ["a", "a.b-c_d", "a:80", "a:", "", "[::1]", "[2001:db8::1]:80", "192.0.2.1", "a%20b"]
)
def test_valid_hosts(host: str) -> None:
    """Host is a name or address with an optional port; empty is allowed (RFC 9112 §3.2)."""
    (request,) = read(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert request.headers["host"] == host
