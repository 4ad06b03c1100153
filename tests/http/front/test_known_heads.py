"""Kept heads: found by their bytes, bounded, and never another reading of HTTP."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.http.front.corpus import GOOD, MALFORMED
from tests.support.interface import INTAKE

from fast_sse.http.front.known_heads import KnownHeads, plain_length
from fast_sse.http.front.reader import RequestReader
from fast_sse.http.message import Head, Request
from fast_sse.http.request_head import Kept
from fast_sse.model.errors import FastSseError
from fast_sse.model.limits import Limits

SMALL = Limits(head_bytes_max=300, body_bytes_max=100)
POST = b"POST /p?q=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
WELL_FORMED = [
    GOOD,
    POST,
    POST.replace(b"abc", b"\r\n\r"),
    POST.replace(b" 3", b" 0")[:-3],
    POST.replace(b"1.1", b"1.0"),
    GOOD.replace(b"1.1\r\n", b"1.1\r\nConnection: close\r\n"),
    b"\r\n" + GOOD,
    b"POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"POST /p HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
    b"POST /p HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nhi",
    b"GET /w HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    POST.replace(b" 3", b" 101"),
]


class Taker:
    """Collects what a reader says, errors included."""

    def __init__(self, heads: KnownHeads | None, stop_at: int = 1_000_000) -> None:
        self.said: list[Any] = []
        self._stop_at = stop_at
        self._taken = 0
        self._dead = False
        self._reader = RequestReader(SMALL, Kept(INTAKE), self._take, "192.0.2.7", heads)

    def _take(self, request: Request, keep_alive: bool) -> bool:
        self._taken += 1
        self._dead = self._taken >= self._stop_at or not keep_alive
        self.said.append((*(getattr(request, name) for name in FIELDS), keep_alive))
        return self._taken < self._stop_at

    def feed(self, data: bytes) -> None:
        """Feed one read, unless the reader is dead."""
        if self._dead:
            return
        try:
            self._reader.feed(data)
        except FastSseError as error:
            self.said.append((type(error), error.message))
            self._dead = True
        if not self._dead:
            self.said.append((self._reader.phase, self._reader.expects))


FIELDS = [name for name in Request.__struct_fields__ if name != "head"]


def warm(*streams: bytes, count_max: int = 1000, bytes_max: int = 1 << 20) -> KnownHeads:
    """KnownHeads of which each of these streams has been read twice."""
    heads = KnownHeads(count_max, bytes_max)
    for stream in (*streams, *streams):
        Taker(heads).feed(stream)
    return heads


WARM = warm(*WELL_FORMED, *MALFORMED.values())


@given(
    st.lists(
        st.one_of(
            st.sampled_from(WELL_FORMED), st.sampled_from(sorted(MALFORMED.values())), st.binary(max_size=8)
        ),
        max_size=6,
    ),
    st.lists(st.integers(0, 400), max_size=6),
    st.integers(1, 7),
)
def test_a_warm_reader_answers_any_stream_as_a_cold_one(
    parts: list[bytes], cuts: list[int], stop_at: int
) -> None:
    """Whatever is sent and however it is cut: the same requests, errors and phases, with heads kept and without."""
    stream = b"".join(parts)
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    readers = [Taker(None, stop_at), Taker(WARM, stop_at), Taker(warm(stream), stop_at)]
    for start, end in pairwise(places):
        for reader in readers:
            reader.feed(stream[start:end])
    assert readers[1].said == readers[0].said
    assert readers[2].said == readers[0].said


@given(st.sampled_from(WELL_FORMED), st.integers(0, 200), st.integers(0, 255))
def test_a_head_that_differs_in_one_byte_is_another_head(stream: bytes, place: int, byte: int) -> None:
    """Nothing is found by less than all bytes of a head."""
    changed = bytearray(stream)
    changed[place % len(stream)] = byte
    cold, kept = Taker(None), Taker(WARM)
    cold.feed(bytes(changed))
    kept.feed(bytes(changed))
    assert kept.said == cold.said


def test_a_head_is_kept_when_it_comes_again() -> None:
    """What comes once costs no memory; the second time it is kept, whatever its body is."""
    heads = KnownHeads(10, 1 << 20)
    reader = Taker(heads)
    reader.feed(POST)
    assert len(heads) == 0
    reader.feed(POST.replace(b"abc", b"xyz"))
    assert len(heads) == 1
    head = heads.find(POST[:-3])
    assert head is not None
    assert (head.path, head.query, head.length, head.keep_alive) == ("/p", "q=1", 3, True)


@pytest.mark.parametrize("stream", [*WELL_FORMED[6:], *MALFORMED.values()])
def test_what_is_no_plain_request_is_never_kept(stream: bytes) -> None:
    """Chunks, upgrades, 100-continue, leading empty lines, and whatever was refused, take the long way every time."""
    heads = KnownHeads(100, 1 << 20)
    for _ in range(3):
        Taker(heads).feed(stream)
    assert len(heads) == 0
    for _ in range(3):
        Taker(heads).feed(GOOD + stream)
    assert [*heads._young, *heads._old] == [GOOD]  # the plain one before it is, and nothing else


def head() -> Head:
    return Head("GET", b"/", {}, http11=True, keep_alive=True, length=0)


def test_kept_heads_are_bounded_in_number() -> None:
    """A flood of heads pushes the oldest out; one that is asked for stays."""
    heads = KnownHeads(10, 1 << 20)
    heads.keep(b"mine", head())
    for number in range(100):
        heads.keep(b"%d" % number, head())
        assert heads.look(b"mine") is not None
        assert len(heads) <= 10
    assert heads.look(b"1") is None


def test_kept_heads_are_bounded_in_bytes() -> None:
    """Long heads push others out sooner, and one that would need half of the room is not kept."""
    heads = KnownHeads(1000, 20_000)
    for number in range(100):
        heads.keep(b"%2000d" % number, head())
        assert sum(map(len, [*heads._young, *heads._old])) <= 20_000
    before = len(heads)
    heads.keep(b"x" * 9000, head())
    assert len(heads) == before
    assert heads.look(b"x" * 9000) is None


def test_zero_keeps_none() -> None:
    """Without room nothing is noticed and nothing kept."""
    assert len(warm(GOOD, POST, count_max=0, bytes_max=0)) == 0


def test_marks_of_heads_that_came_once_are_bounded() -> None:
    """A head is noticed by eight bytes, and a flood of heads that never come again does not pile these up."""
    heads = KnownHeads(10, 1 << 20)
    for number in range(100):
        assert not heads.is_due(b"%d" % number)
        assert len(heads._seen) <= 5


def test_only_a_plain_length_lets_a_head_be_kept() -> None:
    """A missing length is none; a coding, an expectation or an upgrade says more than a length."""
    assert plain_length({}) == 0
    assert plain_length({"content-length": "12"}) == 12
    for name in ("transfer-encoding", "expect", "upgrade"):
        assert plain_length({name: "x", "content-length": "1"}) == -1
