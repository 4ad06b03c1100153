"""Channels: what a segment may be, one decoding, and who hears whom."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast_sse.model.channel import (
    FILTER_CHANNELS_MAX,
    SEGMENT_BYTES_MAX,
    WILDCARD,
    Channel,
    Filter,
    channel,
    channel_from_path,
    check_segment,
    decode_segment,
    matches,
)
from fast_sse.model.errors import BadChannelError

GOOD = [
    "a",
    "carid000001",
    "a.b",
    "...",
    ".a",
    "a:b",
    "user@host",
    "café",
    "🛒",
    "a b",
    "*",
    "**",
    "a*",
    "-",
    "~",
]
BAD = [
    "",
    ".",
    "..",
    "a/b",
    "a\\b",
    "a%b",
    "a\nb",
    "a\rb",
    "a\0b",
    "\t",
    "\x1b[2J",
    "\x7f",
    "\u0085",
    "\ud800",
]


@pytest.mark.parametrize("segment", GOOD)
def test_good_segments_are_left_as_they_are(segment):
    """Anything but control characters, `/`, `\\`, `%` and dot segments is a segment, and is not changed."""
    assert check_segment(segment) == segment
    assert decode_segment(quote(segment, safe="")) == segment


@pytest.mark.parametrize("segment", BAD)
def test_bad_segments_are_refused(segment):
    """Empty, dot segments, control characters (C0, DEL, C1), path characters and lone surrogates are 400."""
    with pytest.raises(BadChannelError):
        check_segment(segment)


@pytest.mark.parametrize("unit", ["a", "é", "€", "🛒"])
def test_a_segment_has_256_bytes_at_most(unit):
    """The bound is on UTF-8 bytes of the decoded segment, not on characters and not on the escaped form."""
    count = SEGMENT_BYTES_MAX // len(unit.encode())
    assert decode_segment(quote(unit * count, safe="")) == unit * count
    with pytest.raises(BadChannelError):
        check_segment(unit * (count + 1))
    with pytest.raises(BadChannelError):
        decode_segment(quote(unit * (count + 1), safe=""))


DOTS = [".", "..", "%2e", "%2E%2e", ".%2e", "%252e%252e"]
SEPARATORS = ["%2F", "a%2Fb", "%5C", "%25", "%252F"]
CONTROLS = ["%00", "%0a", "%0D", "%1b", "%7f", "%c2%85"]
BAD_ESCAPES = ["%", "a%", "%2", "%zz", "%2g", "%u0041"]
NOT_UTF8 = ["%ff", "%c3", "%c0%af", "%ed%a0%80", "é", "\ud800"]


@pytest.mark.parametrize("raw", DOTS + SEPARATORS + CONTROLS + BAD_ESCAPES + NOT_UTF8)
def test_bad_paths_are_refused(raw):
    """Escapes are decoded exactly once, strictly; what they hide is judged by the same rules (S2, CWE-174)."""
    with pytest.raises(BadChannelError):
        decode_segment(raw)


def test_a_plus_is_a_plus():
    """In a path `+` is no space, and `;` and `=` have no meaning."""
    assert channel_from_path("a+b", "c;d=e") == Channel("a+b", "c;d=e")


def test_an_escaped_wildcard_is_a_wildcard():
    """There is one meaning only, that of the decoded value: `%2A` is `*`."""
    assert channel_from_path("%2A", "x") == channel("*", "x")
    assert channel("*", "x").is_wildcard
    assert channel("x", "*").is_wildcard
    assert not channel("x*", "**").is_wildcard


def test_unicode_is_not_normalised():
    """A composed and a decomposed é are two channels: bytes are compared, not looks."""
    assert channel("caf\u00e9", "x") != channel("cafe\u0301", "x")


def test_the_same_value_goes_everywhere():
    """A channel from a path equals the one from decoded text, so signing, routing and storing agree."""
    assert channel_from_path("caf%C3%A9", "a%20b") == channel("café", "a b")


any_text = st.text(st.characters(exclude_categories=[]), max_size=12)


@given(any_text)
def test_check_segment_is_total(text):
    """Any text is either returned unchanged or refused with BadChannelError."""
    try:
        assert check_segment(text) == text
    except BadChannelError:
        return
    assert 1 <= len(text.encode()) <= SEGMENT_BYTES_MAX
    assert not set(text) & set("/\\%")
    assert decode_segment(quote(text, safe="")) == text


@given(st.one_of(any_text, st.text("%0123456789abcdefABCDEF.*/", max_size=12)))
def test_decode_segment_is_total(raw):
    """Any raw text is decoded to a segment that passes `check_segment`, or refused with BadChannelError."""
    try:
        decoded = decode_segment(raw)
    except BadChannelError:
        return
    assert check_segment(decoded) == decoded
    if "%" not in raw:
        assert decoded == raw


# -- who hears whom -------------------------------------------------------------------------------------

few = st.sampled_from(["a", "b", "*"])
channels = st.builds(Channel, few, few)


def hears(record: Channel, pattern: Channel) -> bool:
    """Brute force: is there a concrete channel that both cover?"""
    concrete = [Channel(event_id, event_type) for event_id in "abc" for event_type in "abc"]

    def covers(one: Channel, at: Channel) -> bool:
        return all(mine in (WILDCARD, theirs) for mine, theirs in zip(one, at, strict=True))

    return any(covers(record, at) and covers(pattern, at) for at in concrete)


@given(channels, channels)
def test_matching_is_having_a_channel_in_common(record, pattern):
    """A record reaches a pattern exactly when some channel lies in both; so the rule is symmetrical."""
    assert matches(record, pattern) == hears(record, pattern) == matches(pattern, record)


def test_types_of_one_id_are_apart():
    """A stream of one type never carries another type of the same id (original defect 5)."""
    assert not matches(Channel("a", "x"), Channel("a", "y"))
    assert matches(Channel("a", "*"), Channel("a", "y"))
    assert matches(Channel("a", "x"), Channel("a", "*"))


@given(st.lists(channels, min_size=1, max_size=8), channels)
def test_a_filter_is_the_union_of_its_patterns(patterns, record):
    """A record belongs on the stream when any pattern matches; order and repetition change nothing."""
    asked = Filter.of(*patterns)
    assert asked.matches(record) == any(hears(record, pattern) for pattern in patterns)
    assert asked == Filter.of(*reversed(patterns), *patterns)
    assert hash(asked) == hash(Filter.of(*reversed(patterns)))


def test_a_filter_is_addressed_when_it_can_carry_more_than_one_channel():
    """One exact channel, even named twice, gets bare envelopes; a wildcard or a list gets addressed ones."""
    one, other = Channel("a", "x"), Channel("b", "x")
    assert not Filter.of(one, one).addressed
    assert Filter.of(one, other).addressed
    assert Filter.of(Channel("a", "*")).addressed


def test_a_filter_names_1_to_64_channels():
    """None and more than 64 distinct ones are refused; repeats are not counted."""
    many = [Channel(str(number), "x") for number in range(FILTER_CHANNELS_MAX + 1)]
    assert len(Filter.of(*many[:-1], *many[:-1]).patterns) == FILTER_CHANNELS_MAX
    for wrong in (many, []):
        with pytest.raises(BadChannelError):
            Filter.of(*wrong)
