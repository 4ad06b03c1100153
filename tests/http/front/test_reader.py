"""Bytes to requests, without a connection."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.http.front.corpus import GOOD, MALFORMED
from tests.http.front.reader_rig import SMALL, Taker, post, read
from tests.support.interface import INTAKE

from fast_sse.http.front.assembly import IDLE, IN_BODY, IN_HEAD
from fast_sse.http.front.reader import SLICE_BYTES, RequestReader
from fast_sse.http.message import Request
from fast_sse.http.request_head import Kept
from fast_sse.model.errors import BadRequestError, HeadersTooLargeError, TooLargeError

# -- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MALFORMED)
@pytest.mark.parametrize("cut", ["whole", "bytes"])
def test_malformed_is_refused(name: str, cut: str) -> None:
    """Nothing of the corpus becomes a request, however it is cut, and nothing behind it is looked at."""
    data = MALFORMED[name]
    taker = Taker()
    with pytest.raises(BadRequestError):
        taker.feed(*([data + GOOD] if cut == "whole" else [bytes([byte]) for byte in data + GOOD]))
    assert taker.requests == []


def test_bytes_behind_a_close_are_never_a_request() -> None:
    """After `Connection: close` nothing is read any more, not even to be refused (RFC 9112 §9.6)."""
    assert len(read(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + GOOD + b"\x00garbage")) == 1


def test_the_taker_says_when_to_stop() -> None:
    """Once a request is declared the last, the bytes behind it are not looked at."""
    taker = Taker(stop_at=2)
    taker.feed(GOOD * 2 + b"\x00garbage")
    assert len(taker.requests) == 2


def test_a_defect_of_the_taker_is_not_a_malformed_request() -> None:
    """An exception from our own code passes through as itself."""

    def broken(request: Request, keep_alive: bool) -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        RequestReader(SMALL, Kept(INTAKE), broken).feed(GOOD)


# -- limits -----------------------------------------------------------------------------------------------


def head_of(length: int) -> bytes:
    """A request whose target and headers count `length` bytes."""
    fixed = len(b"/") + len(b"Hosta") + 4 + len(b"X") + 4
    return b"GET / HTTP/1.1\r\nHost: a\r\nX: %b\r\n\r\n" % (b"v" * (length - fixed))


def test_head_limit_is_exact_when_complete() -> None:
    """A head of exactly `head_bytes_max` passes and one byte more is 431, wherever in a pipeline it stands."""
    assert len(read(GOOD + head_of(300) + head_of(300))) == 2 + 1
    taker = Taker()
    with pytest.raises(HeadersTooLargeError):
        taker.feed(GOOD + head_of(301))
    assert len(taker.requests) == 1


@pytest.mark.parametrize(
    "endless",
    [b"GET /" + b"a" * 400, b"GET / HTTP/1.1\r\nX: " + b"a" * 400, b"GET / HTTP/1.1\r\n" + b"a" * 400],
    ids=["target", "value", "name"],
)
@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_head_limit_holds_before_the_head_is_complete(endless: bytes, step: int) -> None:
    """A head that never ends is refused at the limit, not kept until it ends (CWE-770)."""
    with pytest.raises(HeadersTooLargeError):
        read(*(endless[at : at + step] for at in range(0, len(endless), step)))


@pytest.mark.parametrize(
    "endless",
    [
        b"1;" + b"a" * 500,
        b"1\r\na\r\n0\r\nX: " + b"a" * 500,
        b"1\r\na\r\n0\r\n" + b"X: a\r\n" * 100,
        b"1\r\na\r\n0\r\n" + b"X: a\r\n" * 100 + b"\r\n",
        b"0" * 500,
    ],
    ids=["extension", "trailer value", "trailers", "complete trailers", "zeros"],
)
@pytest.mark.parametrize("step", [1, 50, 10_000])
def test_what_is_not_body_is_bounded_behind_the_head_too(endless: bytes, step: int) -> None:
    """Chunk extensions and trailers share the limit of the head."""
    data = post(b"Transfer-Encoding: chunked\r\n") + endless
    with pytest.raises((HeadersTooLargeError, BadRequestError)):
        read(*(data[at : at + step] for at in range(0, len(data), step)))


def test_small_chunks_are_not_taken_for_an_attack() -> None:
    """The framing of many small chunks is not counted against the head."""
    (request,) = read(post(b"Transfer-Encoding: chunked\r\n"), *[b"1\r\na\r\n"] * 100, b"0\r\n\r\n")
    assert request.body == b"a" * 100


def test_body_limit_by_length() -> None:
    """A Content-Length over the limit is refused before a byte of the body; at the limit it passes."""
    assert read(post(b"Content-Length: 100\r\n", b"a" * 100))[0].body == b"a" * 100
    with pytest.raises(TooLargeError, match="100 bytes"):
        read(post(b"Content-Length: 101\r\n"))


@pytest.mark.parametrize("target", [b"/long", b"/long?a=/p", b"http://h/long"])
def test_a_path_may_take_longer_bodies(target: bytes) -> None:
    """The API names it: there its own bound holds, and nowhere near it."""
    long = post(b"Content-Length: 200\r\n", b"a" * 200).replace(b"/p", target, 1)
    assert len(read(long)[0].body) == 200
    for refused in (
        long.replace(b"200", b"201"),
        long.replace(b"/long", b"/longer"),
        long.replace(b"/long", b"/p?/long"),
    ):
        with pytest.raises(TooLargeError):
            read(refused)


@pytest.mark.parametrize("chunk", [1, 30, 101])
def test_body_limit_by_chunks(chunk: int) -> None:
    """A chunked body is counted as it comes."""
    piece = b"%x\r\n%b\r\n" % (chunk, b"a" * chunk)
    taker = Taker()
    with pytest.raises(TooLargeError):
        taker.feed(post(b"Transfer-Encoding: chunked\r\n"), *[piece] * (101 // chunk + 1))
    assert taker.requests == []


def test_the_limit_is_per_request() -> None:
    """What one request used is not missing to the next."""
    one = post(b"Content-Length: 90\r\n", b"a" * 90)
    assert len(read(one * 50, one[:50], one[50:], one)) == 52


# -- a turn -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("requests_max", [1, 4, 1000])
def test_a_turn_ends_after_so_many_requests(requests_max: int) -> None:
    """`feed` stops after `pipeline_requests_max` requests, or the slice in which they were complete, and says where."""
    taker = Taker(replace(SMALL, pipeline_requests_max=requests_max))
    data = GOOD * 1000
    at = taker.reader.feed(data)
    assert requests_max <= len(taker.requests) <= requests_max + SLICE_BYTES // len(GOOD) + 1
    while at:
        at = taker.reader.feed(data, at)
    assert len(taker.requests) == 1000


def test_a_body_of_known_length_is_no_reason_to_stop() -> None:
    """One request of many bytes is complete in the turn in which they came."""
    taker = Taker(replace(SMALL, body_bytes_max=1 << 20))
    assert taker.reader.feed(post(b"Content-Length: 500000\r\n", bytes(500_000))) == 0
    assert len(taker.requests) == 1


def test_a_second_key_is_refused() -> None:
    """Of two Idempotency-Key headers neither is the right one: joined they would be a third."""
    line = b"Idempotency-Key: a\r\n"
    assert read(post(line))[0].headers["idempotency-key"] == "a"
    with pytest.raises(BadRequestError, match="more than one Idempotency-Key"):
        read(post(line + line.lower()))


# -- expect and upgrade -----------------------------------------------------------------------------------


def test_expectation_is_noticed_until_the_body_comes() -> None:
    """`expects` asks for a 100 as long as no byte of the body has arrived (RFC 9110 §10.1.1)."""
    taker = Taker()
    taker.feed(post(b"Expect: 100-Continue\r\nContent-Length: 2\r\n"))
    assert (taker.reader.expects, taker.reader.phase) == (True, IN_BODY)
    taker.feed(b"a")
    assert not taker.reader.expects
    assert len(taker.feed(b"b")) == 1


@pytest.mark.parametrize(
    "request_bytes",
    [
        post(b"Expect: 100-continue\r\n"),
        post(b"Expect: 100-continue\r\nContent-Length: 0\r\n"),
        b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
    ],
    ids=["no body", "empty body", "http/1.0"],
)
def test_no_expectation_without_a_body_or_in_http10(request_bytes: bytes) -> None:
    """Without a body there is nothing to wait for, and HTTP/1.0 knows no interim answers (RFC 9110 §10.1.1)."""
    taker = Taker()
    taker.feed(request_bytes)
    assert not taker.reader.expects


H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"


@pytest.mark.parametrize("step", [1, 13, 10_000])
def test_upgrade_is_ignored(step: int) -> None:
    """A wish to upgrade is not granted and costs nothing: body and the next request are read as ever.

    Java's HttpClient sends its first request so (RFC 9110 §7.8).
    """
    data = (
        b"GET /1 HTTP/1.1\r\nHost: a\r\n%b\r\n" % H2C
        + post(H2C + b"X-Signature: s\r\nContent-Length: 3\r\n", b"abc")
        + post(H2C + b"Transfer-Encoding: chunked\r\n", b"3\r\ndef\r\n0\r\n\r\n")
        + post(H2C + b"Content-Length: 0\r\n")
        + GOOD
    )
    requests = read(*(data[at : at + step] for at in range(0, len(data), step)))
    assert [(r.path, r.body) for r in requests] == [
        ("/1", b""), ("/p", b"abc"), ("/p", b"def"), ("/p", b""), ("/ok", b""),
    ]  # fmt: skip
    assert requests[1].headers["x-signature"] == "s"
    assert "x-signature" not in requests[2].headers


def test_upgrade_keeps_close_and_expect() -> None:
    """The made-up head that a body is read under does not hide what the true one said."""
    taker = Taker()
    taker.feed(
        post(b"Connection: close, Upgrade\r\nUpgrade: h2c\r\nExpect: 100-continue\r\nContent-Length: 3\r\n")
    )
    assert taker.reader.expects
    assert taker.feed(b"abc" + GOOD)[0].body == b"abc"
    assert taker.kept_alive == [False]


def test_many_upgrades_in_one_read() -> None:
    """Thousands of upgrade requests in one read are a loop, not a recursion."""
    assert len(read((b"GET /1 HTTP/1.1\r\nHost: a\r\n%b\r\n" % H2C) * 3000)) == 3000


# -- any cutting ------------------------------------------------------------------------------------------


@st.composite
def pipelines(draw: Any) -> tuple[bytes, list[tuple[str, bytes]]]:
    """Valid requests with and without bodies, as bytes and as what they mean."""
    data, meant = b"", []
    for number in range(draw(st.integers(1, 6))):
        body = draw(st.binary(max_size=60))
        kind = draw(st.sampled_from(["none", "length", "chunked", "upgrade"]))
        head = b"POST /%d HTTP/1.1\r\nHost: a\r\n" % number
        if kind == "none":
            body = b""
            data += head + b"\r\n"
        elif kind == "chunked":
            sizes = draw(st.lists(st.integers(1, 20), min_size=60, max_size=60))
            data += head + b"Transfer-Encoding: chunked\r\n\r\n"
            at = 0
            for size in sizes:
                if piece := body[at : at + size]:
                    data += b"%x\r\n%b\r\n" % (len(piece), piece)
                at += size
            data += b"0\r\n\r\n"
        else:
            data += (
                head
                + (H2C if kind == "upgrade" else b"")
                + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
            )
        meant.append((f"/{number}", body))
    return data, meant


@given(pipelines(), st.lists(st.integers(1, 80)))
@example((GOOD, [("/ok", b"")]), [1] * len(GOOD))
def test_any_cutting_gives_the_same_requests(
    pipeline: tuple[bytes, list[tuple[str, bytes]]], sizes: list[int]
) -> None:
    """TCP may cut anywhere: the requests are those of the bytes and not of the reads."""
    data, meant = pipeline
    taker = Taker()
    at = 0
    for size in sizes:
        if at < len(data):
            taker.feed(data[at : at + size])
        at += size
    if at < len(data):
        taker.feed(data[at:])
    assert [(request.path, request.body) for request in taker.requests] == meant
    assert taker.reader.phase == IDLE


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    """Whatever arrives is a request, a refusal or unfinished; nothing else comes out."""
    taker = Taker()
    try:
        taker.feed(data)
    except (BadRequestError, HeadersTooLargeError, TooLargeError):
        return
    assert taker.reader.phase in (IDLE, IN_HEAD, IN_BODY)


def test_close_lets_go() -> None:
    """A closed reader refers to neither its parser nor its connection."""
    taker = Taker()
    taker.reader.close()
    assert taker.reader._parser is None
    assert taker.reader._on_request is None
