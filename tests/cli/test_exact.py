"""JSON that is looked at and never read: its bytes stay."""

from __future__ import annotations

import pytest
from hypothesis import given
from tests.cli.json_texts import SPACE, TEXTS

from fast_sse.cli.exact import checked, one_line
from fast_sse.model.message import BOM


@given(TEXTS, SPACE)
def test_whatever_is_json_keeps_its_bytes(text: str, space: str) -> None:
    """Digits, escapes, inner white space and doubled names stay; only what surrounds the value goes."""
    assert checked((space + text + space).encode()) == text.encode()


@given(TEXTS)
def test_one_line_is_the_same_value(text: str) -> None:
    """Line breaks between tokens become spaces, and no token changes."""
    line = one_line(text.encode())
    assert b"\n" not in line
    assert b"\r" not in line
    assert line.split() == text.encode().split()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"NaN",
        b"Infinity",
        b"01",
        b"1 2",
        b"[1,]",
        b'"\xff"',
        rb'"\ud800"',
        b"'a'",
        b"[" * 100_000 + b"]" * 100_000,
    ],
)
def test_what_is_no_json_is_refused(text: bytes) -> None:
    """What a lenient reader takes, and what nests too deep to be looked at, is no JSON here."""
    with pytest.raises(ValueError, match=r"malformed|truncated|decode|deep"):
        checked(text)


def test_a_byte_order_mark_is_passed_over() -> None:
    """One, at the very beginning."""
    assert checked(BOM + b" 1 ") == b"1"
    with pytest.raises(ValueError, match="malformed"):
        checked(BOM + BOM + b"1")
