"""Channels, filters and the one rule of matching.

A channel is the pair (event_id, event_type). `*` alone is a wildcard, on either side: a publish to
(id, *) goes to every type of that id, a subscription to (id, *) hears every type of that id. A record
matches a pattern when each of the two segments is equal or is `*` on either side.

Segments are percent-decoded exactly once, and the decoded value is the only one used for routing,
signing and storing (CWE-174: a second decoding is a second meaning).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from fast_sse.model.errors import BadChannelError

WILDCARD = "*"
#: UTF-8 bytes of one decoded segment.
SEGMENT_BYTES_MAX = 256
#: Channels of one stream.
FILTER_CHANNELS_MAX = 64

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
# C0, DEL and C1 would forge lines of logs and frames (CWE-117); `/`, `\` and `%` would be a second path.
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f/\\%]")
_PLAIN = re.compile(r"(?!\.\.?\Z)[A-Za-z0-9._\-~:@!$&'()*+,;=]{1,256}\Z")


class Channel(NamedTuple):
    """A validated pair. Build it with `channel()` or `channel_from_path()`, which check the segments."""

    event_id: str
    event_type: str

    @property
    def is_wildcard(self) -> bool:
        """True when either segment is `*`."""
        return self.event_id == WILDCARD or self.event_type == WILDCARD


def check_segment(value: str) -> str:
    """Return a decoded segment unchanged, or raise BadChannelError naming the rule it breaks."""
    if _PLAIN.match(value):
        return value
    if not value:
        raise BadChannelError("a channel segment is empty")
    try:
        size = len(value.encode())
    except UnicodeEncodeError as error:
        raise BadChannelError("a channel segment is not valid UTF-8") from error
    if size > SEGMENT_BYTES_MAX:
        raise BadChannelError(f"a channel segment is longer than {SEGMENT_BYTES_MAX} bytes")
    if value in (".", ".."):
        raise BadChannelError("a channel segment is a dot segment")
    if _FORBIDDEN.search(value):
        raise BadChannelError("a channel segment holds a control character, '/', '\\' or '%'")
    return value


def decode_segment(raw: str) -> str:
    """Percent-decode one path segment exactly once and check it. `raw` is ASCII as sent.

    Raises:
        BadChannelError: bad escape, bytes that are not UTF-8, or any rule of `check_segment`.
    """
    if _PLAIN.match(raw):
        return raw
    if _BAD_ESCAPE.search(raw) or not raw.isascii():
        raise BadChannelError("a channel segment has a bad percent escape or is not ASCII")
    try:
        return check_segment(unquote_to_bytes(raw).decode("utf-8", "strict"))
    except UnicodeDecodeError as error:
        raise BadChannelError("a channel segment is not valid UTF-8") from error


def channel(event_id: str, event_type: str) -> Channel:
    """A channel from two decoded segments. Raises BadChannelError."""
    return Channel(check_segment(event_id), check_segment(event_type))


def channel_of(text: str) -> Channel:
    """The channel of `ID/TYPE`, decoded, with one slash in it. Raises BadChannelError."""
    event_id, slash, event_type = text.partition("/")
    if not slash or "/" in event_type:
        raise BadChannelError("a channel is ID/TYPE with a single '/'")
    return channel(event_id, event_type)


@lru_cache(maxsize=1024)  # of channels, none longer than a segment may be: what raises is not kept
def channel_from_path(raw_id: str, raw_type: str) -> Channel:
    """A channel from two percent-encoded path segments. Raises BadChannelError."""
    return Channel(decode_segment(raw_id), decode_segment(raw_type))


def matches(record: Channel, pattern: Channel) -> bool:
    """Whether a record published to `record` belongs on a stream that asked for `pattern`."""
    return (record[0] == pattern[0] or record[0] == WILDCARD or pattern[0] == WILDCARD) and (
        record[1] == pattern[1] or record[1] == WILDCARD or pattern[1] == WILDCARD
    )


class Filter(NamedTuple):
    """What a subscription asks for: 1 to 64 distinct patterns, sorted, so that equal filters are equal."""

    patterns: tuple[Channel, ...]

    @classmethod
    def of(cls, *patterns: Channel) -> Filter:
        """Build a filter; duplicates collapse. Raises BadChannelError for none or more than 64."""
        distinct = tuple(sorted(set(patterns)))
        if not distinct:
            raise BadChannelError("a subscription names no channel")
        if len(distinct) > FILTER_CHANNELS_MAX:
            raise BadChannelError(f"a subscription names more than {FILTER_CHANNELS_MAX} channels")
        return cls(distinct)

    @property
    def addressed(self) -> bool:
        """True when the stream can carry more than one channel, so that envelopes name theirs."""
        return len(self.patterns) > 1 or self.patterns[0].is_wildcard

    def matches(self, record: Channel) -> bool:
        """Whether the record belongs on this stream."""
        return any(matches(record, pattern) for pattern in self.patterns)
