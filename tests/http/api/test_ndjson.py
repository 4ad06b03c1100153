"""Lines of a batch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast_sse.http.api.ndjson import find_lines
from fast_sse.model.errors import TooLargeError

KIB = 1024


def lines(text: bytes, lines_max: int = 10_000) -> list[bytes]:
    return [line for line in find_lines(text, lines_max) if line is not None]


@given(
    st.lists(st.sampled_from([b"\n", b"\r", b" ", b"\t", b"\x0b", b"\x0c", b"{}", b"a", b"\x85", b"\xa0"]))
)
def test_every_line_that_holds_something_is_found_as_it_is(pieces: list[bytes]) -> None:
    """White space and empty lines are framing; any other line comes out byte for byte, in order."""
    text = b"".join(pieces)
    assert lines(text) == [line for line in text.split(b"\n") if line.strip()]


def test_white_space_that_is_longer_than_a_step_belongs_to_its_line() -> None:
    """A line keeps what stands before its first word, however much that is."""
    indented = b" " * 200 * KIB + b"{}"
    assert lines(b"1\n" + indented + b"\n2") == [b"1", indented, b"2"]


@pytest.mark.parametrize("text", [b"\n" * KIB * KIB, b" " * KIB * KIB, b"{}\n" * 5000])
def test_others_have_their_turns(text: bytes) -> None:
    """Between two turns there are at most 64 KiB of nothing, or 200 lines."""
    found = list(find_lines(text, 10_000))
    assert found.count(None) >= max(16 * (b"{" not in text), text.count(b"{") // 200)


def test_the_line_too_many_ends_the_search() -> None:
    """The bound is inclusive, and nothing behind it is read."""
    assert len(lines(b"1\n" * 3, 3)) == 3
    found = find_lines(b"1\n" * 1_000_000, 3)
    assert [next(found) for _ in range(3)] == [b"1"] * 3
    with pytest.raises(TooLargeError, match="3 lines"):
        next(found)
