"""The trace that a message belongs to: `traceparent` of W3C Trace Context, level 1 (https://www.w3.org/TR/trace-context-1/).

    00-<trace id: 32 hex digits>-<parent id: 16>-<flags: 2>

Lower case only, and neither id may be all zeros (section 3.2.2). Anything else is ignored, as section 4.3 asks for: a trace is
never a reason to refuse a message. The trace of a publish becomes a header of its message, so that whoever receives it can go on.
"""

from __future__ import annotations

import re

#: The name of the header, of a request and of a message.
TRACEPARENT = "traceparent"

_VALID = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}").fullmatch


def is_traceparent(text: str) -> bool:
    """Whether a text is a traceparent of version 00."""
    return _VALID(text) is not None


def carrying(headers: dict[str, str] | None, traceparent: str) -> dict[str, str] | None:
    """A message's headers with the traceparent of its request; as they are when that is none, or when they have their own."""
    if not is_traceparent(traceparent):
        return headers
    if headers is None:
        return {TRACEPARENT: traceparent}
    if any(name.lower() == TRACEPARENT for name in headers):
        return headers
    return {**headers, TRACEPARENT: traceparent}
