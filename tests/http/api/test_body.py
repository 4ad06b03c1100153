"""Rules of `http.api.body`."""

import gzip
import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast_sse.http.api.body import JSON, NDJSON, Inflating, is_gzip
from fast_sse.model.errors import BadRequestError, TooLargeError, UnsupportedMediaError
from fast_sse.model.limits import Limits

LIMITS = Limits()


def inflate(body: bytes, bytes_max: int, ratio_max: int) -> bytes:
    """All of it, in as many steps as it takes."""
    inflating = Inflating(body, Limits(inflate_ratio_max=ratio_max), bytes_max)
    begun = inflating.begin()
    return inflating.finish() if begun is None else begun


@given(st.binary(min_size=1, max_size=2000))
def test_gzip_comes_out_as_it_went_in(data: bytes) -> None:
    """One gzip member is inflated to what was compressed."""
    assert inflate(gzip.compress(data), 1 << 20, 100) == data


@pytest.mark.parametrize(("encoding", "expected"), [("gzip", True), ("X-GZIP", True), ("identity", False)])
def test_the_encoding_is_named_by_a_header(encoding: str, expected: bool) -> None:
    """Gzip under both of its names, in any case; `identity` is none (RFC 9110, 8.4.1.3)."""
    assert is_gzip({"content-type": JSON, "content-encoding": encoding}, JSON) is expected
    assert not is_gzip({"content-type": JSON}, JSON)


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "gzip,br", "", "chunked"])
def test_other_encodings_are_refused(encoding: str) -> None:
    """Unknown and nested encodings are 415, never guessed."""
    with pytest.raises(UnsupportedMediaError):
        is_gzip({"content-type": JSON, "content-encoding": encoding}, JSON)


@pytest.mark.parametrize("media_type", ["", "text/plain", "application/jsonx", NDJSON])
def test_other_media_types_are_refused(media_type: str) -> None:
    """The route's own media type, whatever its parameters and case, and no other."""
    with pytest.raises(UnsupportedMediaError):
        is_gzip({"content-type": media_type}, JSON)
    assert not is_gzip({"content-type": "Application/JSON; charset=utf-8"}, JSON)


def test_a_bomb_stops_at_the_cap() -> None:
    """A gibibyte of zeros in a megabyte is refused after at most the cap was inflated (CWE-409)."""
    bomb = gzip.compress(bytes(64 << 20), 9)
    tracemalloc.start()
    with pytest.raises(TooLargeError):
        inflate(bomb, 4 << 20, 10_000)
    assert tracemalloc.get_traced_memory()[1] < 12 << 20
    tracemalloc.stop()


def test_the_ratio_is_a_cap_of_its_own() -> None:
    """A body may not grow more than `ratio_max` times, even when that is under the number of bytes."""
    body = gzip.compress(bytes(50_000), 9)
    assert len(inflate(body, 1 << 20, 1000)) == 50_000
    with pytest.raises(TooLargeError):
        inflate(body, 1 << 20, 100)


def test_exactly_at_the_cap_passes_and_one_more_does_not() -> None:
    """The cap is inclusive."""
    data = b"".join(n.to_bytes(2, "big") for n in range(500))
    assert inflate(gzip.compress(data), 1000, 100) == data
    with pytest.raises(TooLargeError):
        inflate(gzip.compress(data + b"x"), 1000, 100)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not gzip",
        gzip.compress(b"{}")[:-1],
        gzip.compress(b"{}") + b"x",
        gzip.compress(b"{") + gzip.compress(b"}"),
        gzip.compress(b"{}")[:-8] + bytes(8),
    ],
    ids=["empty", "garbage", "cut", "trailing byte", "two members", "wrong checksum"],
)
def test_anything_but_one_whole_member_is_refused(body: bytes) -> None:
    """What one reader takes for the end, another may take for a message."""
    with pytest.raises((BadRequestError, TooLargeError)):
        inflate(body, 1000, 100)


@pytest.mark.parametrize("spare", [-1, 1, 5_000_000])
def test_what_is_done_at_once_is_bounded(spare: int) -> None:
    """Up to 64 KiB come out at once, whatever they became; the end of a longer body is for a thread."""
    data = random.Random(spare).randbytes(60_000) + bytes(64 * 1024 - 60_000 + spare)
    inflating = Inflating(gzip.compress(data), LIMITS, 16 << 20)
    begun = inflating.begin()
    assert (begun is None) is (spare > 0)
    assert (inflating.finish() if begun is None else begun) == data
