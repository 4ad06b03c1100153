"""A publish body is strict JSON, and what of it is data goes on byte for byte."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.model.test_message import LIMITS, drafted, json_values, parse, refused

from fast_sse.model.errors import BadRequestError
from fast_sse.model.limits import MIB
from fast_sse.model.message import BOM, depth_exceeds, one_line, parse_publish

# -- strict JSON ----------------------------------------------------------------------------------------

BAD_VALUES = {
    "nothing": b"",
    "NaN": b"NaN",
    "Infinity": b"Infinity",
    "-Infinity": b"[-Infinity]",
    "leading zero": b"01",
    "no fraction": b"1.",
    "no exponent": b"1e",
    "plus": b"+1",
    "trailing comma": b"[1,]",
    "comment": b"[1/**/]",
    "single quotes": b"'a'",
    "bare key": b"{a:1}",
    "number as key": b"{1:1}",
    "unclosed": b'{"a":[1}',
    "two values": b"1 2",
    "raw LF in a string": b'"a\nb"',
    "raw NUL in a string": b'"a\x00b"',
    "bad escape": b'"\\x"',
    "short escape": b'"\\u12"',
    "vertical tab": b"[\x0b1]",
    "no-break space": b"[\xc2\xa01]",
    "high surrogate alone": b'"\\ud800"',
    "high surrogate before text": b'"\\ud800 and more text"',
    "high surrogate before an escape": b'"\\uD83D\\u0041"',
    "two high surrogates": b'"\\ud800\\ud800"',
    "low surrogate alone": b'"\\udc00"',
    "surrogate in a key": b'{"\\ud800":1}',
    "surrogate in UTF-8": b'"\xed\xa0\x80"',
    "not UTF-8": b'"\xff"',
    "overlong UTF-8": b'"\xc0\xaf"',
    "cut-off UTF-8": b'"\xe2\x82"',
}


def test_a_byte_order_mark_before_a_body_is_passed_over():
    """One, at its very beginning (RFC 8259, 8.1); anywhere else it is no JSON."""
    assert bytes(parse_publish(BOM + b'{"data":1}', LIMITS).data) == b"1"
    for body in (
        BOM + BOM + b'{"data":1}',
        b'{"data":%b1}' % BOM,
        b'{"data":1}' + BOM,
        b" " + BOM + b'{"data":1}',
    ):
        refused(body)


@pytest.mark.parametrize("value", BAD_VALUES.values(), ids=BAD_VALUES)
@pytest.mark.parametrize("field", [b"data", b"user", b"unknown"])
def test_json_is_strict_everywhere(field, value):
    """What RFC 8259 and I-JSON forbid is 400, in a field that is passed on as in one that is ignored."""
    refused(b'{"data":1,"%b":%b}' % (field, value))


@pytest.mark.parametrize("body", [b"", b" ", b"null", b"[]", b"1", b'"x"', b"{}", b'{"data":1}x'])
def test_a_body_is_one_object_with_data(body):
    """Anything else is 400."""
    refused(body)


@given(st.binary(max_size=40))
def test_any_bytes_are_parsed_or_refused(body):
    """Whatever comes, it is a message or 400; nothing else is raised."""
    try:
        parse_publish(body, LIMITS)
        parse_publish(b'{"data":%b}' % body, LIMITS)
    except BadRequestError:
        return
    json.loads(body)


NUMBERS = [b"-0", b"1.0E+05", b"1e400", b"1" * 5000]
STRINGS = [b'""', b'"\\ud83d\\uDE00"', b'"\\u0041\\/"', '"\u2028\u2029\u0085\x7f"'.encode()]
OTHERS = [b"null", b"true", b"[ 1,\t2 ]", b'{"a":1,"a":2}']


@pytest.mark.parametrize("value", NUMBERS + STRINGS + OTHERS)
def test_data_is_passed_on_byte_for_byte(value):
    """One line of JSON is not touched: digits, escapes, duplicates and spaces stay, `null` is a value."""
    assert drafted(value).data == value


@given(json_values)
def test_what_goes_in_comes_out(value):
    """For any JSON value, in compact or pretty form: one line, and the same value."""
    for text in (json.dumps(value), json.dumps(value, indent=2), json.dumps(value, ensure_ascii=False)):
        data = drafted(text.encode()).data
        assert not set(data) & set(b"\r\n")
        assert json.loads(data) == value


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (
            b'{\r\n  "a" : [1.0E+05, 12345678901234567890123],\n\r"b\\n": "c  d"\n}',
            b'{"a":[1.0E+05,12345678901234567890123],"b\\n":"c  d"}',
        ),
        (b'[\n"\\u0041\\/",\r"\xe2\x80\xa8"\n]', b'["\\u0041\\/","\xe2\x80\xa8"]'),
        (b"[ 1,\r2]", b"[1,2]"),
        (b"[ 1 ]", b"[ 1 ]"),
    ],
)
def test_only_white_space_between_tokens_goes(value, line):
    """Pretty JSON becomes one line; strings, escapes and digits stay as they were."""
    assert one_line(value) == line


# -- depth ----------------------------------------------------------------------------------------------


def nested(depth: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    """An array or object that many levels deep."""
    return opening * depth + b"1" + closing * depth


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"[":', b"}]")])
def test_data_nests_64_deep_at_most(opening, closing):
    """The bound counts the levels of `data` itself: 64 are taken, 65 are 400, and the same goes for `user`."""
    levels = opening.count(b"[", 0, 1) + opening.count(b"{")
    most = nested(64 // levels, opening, closing)
    assert drafted(most, user=most).data == most
    for body in (b'{"data":[%b]}' % most, b'{"data":1,"user":[%b]}' % most):
        assert "nests deeper than 64" in refused(body)


@pytest.mark.parametrize("depth", [1000, 5000, 100_000, 500_000])
@pytest.mark.parametrize("field", [b"data", b"user", b"headers", b"unknown"])
def test_absurd_depth_is_400(field, depth):
    """A hundred thousand levels are refused in any field, closed or not, and the process lives (CWE-674)."""
    refused(b'{"data":1,"%b":%b}' % (field, nested(depth)))
    refused(b'{"data":1,"%b":%b' % (field, b'{"a":' * depth))


def test_what_is_ignored_may_be_deep():
    """An unknown field is not passed on, so its depth harms nobody; its grammar is checked all the same."""
    assert bytes(parse(b"1", unknown=nested(200)).data) == b"1"


def measured_depth(value: object) -> int:
    """Levels of a parsed value, counted by walking it."""
    if not isinstance(value, list | dict):
        return 0
    children = value if isinstance(value, list) else value.values()
    return 1 + max(map(measured_depth, children), default=0)


brackets = st.text('[]{}"\\a', max_size=6)
bracket_values = st.recursive(
    brackets,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(brackets, inner, max_size=3),
    max_leaves=15,
)


@given(bracket_values, st.integers(0, 6))
def test_depth_is_that_of_the_value(value, depth_max):
    """Brackets, quotes and backslashes inside strings and keys count for nothing."""
    for text in (json.dumps(value), json.dumps(value, indent=1)):
        assert depth_exceeds(text.encode(), depth_max) == (measured_depth(value) > depth_max)


def test_many_brackets_are_no_depth():
    """A megabyte of brackets side by side is two levels."""
    wide = b"[%b]" % b",".join([b'["[{"]'] * (MIB // 8))
    assert not depth_exceeds(wide, 2)
    assert depth_exceeds(wide, 1)
