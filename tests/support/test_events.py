"""The tests' own eyes are tested too: a parser that overlooks something would see nothing wrong."""

from __future__ import annotations

import pytest
from tests.support.events import Block, Comment, Item, Parser, Retry
from tests.support.http1 import Dechunker

STREAM = b"retry: 5\nid: a\n\n: hi\nid: b\nevent: e\ndata: 1\ndata:  2\n\ndata\n\nid: c\n\n"
ITEMS: list[Item] = [
    Retry(5),
    Block("a", "message", None),
    Comment("hi"),
    Block("b", "e", "1\n 2"),
    Block("b", "message", ""),
    Block("c", "message", None),
]


@pytest.mark.parametrize("line_end", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_any_line_end_and_any_cut(line_end: bytes, step: int) -> None:
    """LF, CR and CRLF end lines, wherever the network cuts the bytes, also between CR and LF."""
    text = STREAM.replace(b"\n", line_end) + b":end\n"
    parser = Parser()
    items = [item for at in range(0, len(text), step) for item in parser.feed(text[at : at + step])]
    assert items == [*ITEMS, Comment("end")]


def test_half_a_block_counts_for_nothing() -> None:
    """A block that the connection cuts is not dispatched, and its id is not the last event id."""
    assert Parser("before").feed(b"id: half\ndata: 1\n") == []


@pytest.mark.parametrize(
    "line", [b"id: a\0b", b"retry: 1x", b"retry: \xc2\xb2", b"unknown: 1", b"\xe2\x80\xa8"]
)
def test_what_the_text_ignores_is_ignored(line: bytes) -> None:
    """An id with NUL, a retry that is no number, an unknown field: as if they were not there."""
    assert Parser("x").feed(line + b"\n\n") == [Block("x", "message", None)]


@pytest.mark.parametrize("step", [1, 3, 100])
def test_chunks_are_undone(step: int) -> None:
    """Chunks cut anywhere give the same bytes, and the last one is noticed."""
    text = b"3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n"
    dechunker = Dechunker()
    out = b"".join(dechunker.feed(text[at : at + step]) for at in range(0, len(text), step))
    assert (out, dechunker.ended) == (b"abc0123456789", True)


@pytest.mark.parametrize("bad", [b"3\r\nabcd\r\n", b"x\r\n", b"0\r\n\r\n1\r\na\r\n"])
def test_bad_chunks_are_refused(bad: bytes) -> None:
    """Framing that is not exactly right is an error and never repaired."""
    with pytest.raises(ValueError):  # noqa: PT011  any of them will do
        Dechunker().feed(bad)
