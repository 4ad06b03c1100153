"""Rules of `hub.letter_run`: a run is a text that goes to its caller and comes back."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.hub.letter_box import letter_of
from tests.hub.test_replays import record

from fast_sse.hub.letter_run import BEGINNING, Run, chunks, run_of
from fast_sse.model.errors import BadRequestError
from fast_sse.model.letter import Letter

#: Positions of Redis are wider than a number of JSON.
places = st.one_of(st.just(BEGINNING), st.tuples(st.integers(0, (1 << 128) - 1), st.text(max_size=20)))


@given(places, st.text(max_size=20), places)
def test_a_run_comes_back_as_it_went(upto: tuple[int, str], after: str, done: tuple[int, str]) -> None:
    """Its text needs no escape in a query."""
    run = Run(upto, after, done)
    assert run.text.isascii()
    assert run.text.replace("-", "").replace("_", "").isalnum()
    assert run_of(run.text) == run


@given(st.text(max_size=60))
def test_any_other_text_is_refused(text: str) -> None:
    """As the caller's error, whatever it is."""
    try:
        run = run_of(text)
    except BadRequestError:
        return
    assert run_of(run.text) == run


@pytest.mark.parametrize("position", ["x", "", "9" * 5000])
def test_a_position_is_a_number_of_a_bounded_length(position: str) -> None:
    """`int` of 5,000 digits is an error of its own in Python 3.11 (CWE-1284)."""
    real = Run((7, "a"), "", BEGINNING)
    broken = msgspec.structs.replace(real, upto=(position, "a"))
    with pytest.raises(BadRequestError):
        run_of(broken.text)


def sized(size_bytes: int, number: int) -> Letter:
    """A head of a size."""
    whole = letter_of(record(), f"s1.a.{number}")
    return msgspec.structs.replace(whole, size_bytes=size_bytes, record=None)


def test_what_is_published_at_once_is_bounded() -> None:
    """100 letters and 4 MiB at most, or one larger letter; all of them, in order."""
    heads = [sized(1, number) for number in range(250)]
    assert [len(chunk) for chunk in chunks(heads)] == [100, 100, 50]
    mixed = [sized(size << 20, number) for number, size in enumerate((3, 1, 1, 9, 2))]
    assert [[head.size_bytes >> 20 for head in chunk] for chunk in chunks(mixed)] == [[3, 1], [1], [9], [2]]
    assert [head for chunk in chunks(mixed) for head in chunk] == mixed
    assert list(chunks([])) == []
