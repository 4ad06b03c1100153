"""Blocks of gzip that many connections share: what a client unpacks is what was said, in whatever order blocks come."""

from __future__ import annotations

import json
import os
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast_sse.model import deflate
from fast_sse.model.deflate import GZIP_HEADER, SMALL_BYTES, Window, block, stored

texts = st.one_of(st.binary(max_size=300), st.binary(max_size=40).map(lambda some: some * 3000))


@pytest.fixture(params=["isal", "zlib"])
def large(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the two that compress what is large; ISA-L is one of the test tools."""
    assert deflate.large.__name__ == "isal.isal_zlib"
    if request.param == "zlib":
        monkeypatch.setattr(deflate, "large", zlib)


def unpacked(*blocks: bytes) -> bytes:
    """What a client has read when these have come behind the header. The body has not ended: there is no trailer."""
    client = zlib.decompressobj(31)
    text = b"".join(client.decompress(one) for one in (GZIP_HEADER, *blocks))
    assert not client.eof
    assert not client.unused_data
    return text


@given(st.lists(texts, max_size=8), st.lists(st.sampled_from([block, stored]), min_size=8, max_size=8))
def test_blocks_follow_each_other_in_any_order(said: list[bytes], makers: list[object]) -> None:
    """Each stands for itself, compressed or stored, so what came before it on a connection does not matter."""
    made = [make(text) for make, text in zip(makers, said, strict=False)]  # type: ignore[operator]
    assert unpacked(*made) == b"".join(said)
    assert unpacked(*reversed(made)) == b"".join(reversed(said))


@given(st.lists(texts, max_size=8))
def test_a_window_is_for_those_who_have_all_of_it(said: list[bytes]) -> None:
    """Its blocks in their order, after whatever stood before them, and with blocks that stand for themselves behind."""
    window = Window()
    made = [window.block(text) for text in said]
    assert unpacked(block(b"before"), *made, stored(b"behind")) == b"before" + b"".join(said) + b"behind"


def test_a_window_refers_back() -> None:
    """The second of two equal texts costs a few bytes, and cannot be read without the first."""
    text = bytes(range(256))
    window = Window()
    first, second = window.block(text), window.block(text)
    assert len(second) < 20
    assert len(first) > 250
    with pytest.raises(zlib.error):
        unpacked(second)


@pytest.mark.parametrize("size", [60, 65_535, 65_536, 200_000])
def test_what_does_not_shrink_is_stored(size: int) -> None:
    """At the cost of 5 bytes for each 65,535 of it, and 5 at the end."""
    noise = b"".join(zlib.crc32(b"%d" % n).to_bytes(4, "big") for n in range(size // 4 + 1))[:size]
    assert block(noise) == stored(noise)
    assert len(stored(noise)) == size + 5 * -(-size // 65_535) + 5


@pytest.mark.parametrize("size", [1, 100, SMALL_BYTES + 1, 70_000])
def test_everything_ends_as_a_flush_does(size: int) -> None:
    """With an empty block: at that a decoder hands out what it has, even one that keeps the rest until its window is full."""
    window = Window()
    for made in (stored(b"x" * size), block(b"x" * size), block(os.urandom(size)), window.block(b"x" * size)):
        assert made.endswith(b"\0\0\xff\xff")


@pytest.mark.parametrize("size", [SMALL_BYTES - 1, SMALL_BYTES, SMALL_BYTES + 1, 300_000])
@pytest.mark.usefixtures("large")
def test_large_blocks_are_made_by_either_library(size: int) -> None:
    """What comes out is the same text, and a fraction of its size."""
    text = json.dumps([{"sku": number, "price": number * 7 % 1000} for number in range(12_000)]).encode()[
        :size
    ]
    made = block(text)
    assert unpacked(made) == text
    assert len(made) < size / 2
