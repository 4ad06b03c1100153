"""Rules of `model.inflating`."""

from __future__ import annotations

import gzip
import random
import tracemalloc
import zlib
from types import SimpleNamespace
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast_sse.model.errors import BadRequestError, TooLargeError
from fast_sse.model.inflating import Inflating
from fast_sse.model.limits import MIB


def inflate(body: bytes, bytes_max: int, ratio_max: int) -> bytes:
    """All of it, in as many steps as it takes."""
    inflating = Inflating(body, bytes_max, ratio_max)
    begun = inflating.begin()
    return inflating.finish() if begun is None else begun


@given(st.binary(min_size=1, max_size=2000))
def test_gzip_comes_out_as_it_went_in(data: bytes) -> None:
    """One gzip member is inflated to what was compressed."""
    assert inflate(gzip.compress(data), 1 << 20, 100) == data


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
    inflating = Inflating(gzip.compress(data), 16 << 20, 100)
    begun = inflating.begin()
    assert (begun is None) is (spare > 0)
    assert (inflating.finish() if begun is None else begun) == data


def test_an_error_names_what_was_inflated() -> None:
    """Whoever sent it reads which of their fields is meant."""
    with pytest.raises(BadRequestError, match=r"^data is not valid gzip$"):
        Inflating(b"not gzip", MIB, 100, "data").begin()
    with pytest.raises(TooLargeError, match=r"^data is too large when inflated$"):
        Inflating(gzip.compress(bytes(50_000)), 1000, 100, "data").begin()


class Counting:
    """A real decompressor that notes how much came out of it."""

    given: ClassVar[list[int]] = []

    def __init__(self, bits: int) -> None:
        self._real = zlib.decompressobj(bits)

    def decompress(self, data: bytes, bytes_max: int) -> bytes:
        out = self._real.decompress(data, bytes_max)
        self.given.append(len(out))
        return out

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)


def test_inflating_stops_at_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a bomb one byte more than the cap is inflated, counted, and not one more (CWE-409)."""
    monkeypatch.setattr(Counting, "given", [])
    monkeypatch.setattr(
        "fast_sse.model.inflating.zlib", SimpleNamespace(decompressobj=Counting, error=zlib.error)
    )
    with pytest.raises(TooLargeError):
        inflate(gzip.compress(bytes(64 * MIB), 9), 4 * MIB, 10_000)
    assert sum(Counting.given) == 4 * MIB + 1
