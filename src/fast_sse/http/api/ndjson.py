"""The lines of a batch, found in short steps, so that sixteen megabytes of line ends do not hold up other requests.

A line that is empty or white space is framing and no message. Pure: the caller decides what happens between the steps.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fast_sse.model.errors import TooLargeError
from fast_sse.model.limits import KIB

#: Bytes of nothing but white space that one step looks through, and lines that it finds: each about 0.2 ms.
_STEP_BYTES = 64 * KIB
_STEP_LINES = 200

_SOMETHING = re.compile(rb"\S").search


def find_lines(text: bytes, lines_max: int) -> Iterator[bytes | None]:
    """The lines that are not blank, without their LF, and None after each step that is long enough.

    Raises TooLargeError at the first line over `lines_max`; nothing behind it is looked at.
    """
    begin = at = count = 0
    end = len(text)
    while at < end:
        found = _SOMETHING(text, at, min(end, at + _STEP_BYTES))
        if found is None:
            at += _STEP_BYTES
            yield None
            continue
        begin = text.rfind(b"\n", begin, found.start()) + 1 or begin
        at = text.find(b"\n", found.start()) + 1 or end + 1
        count += 1
        if count > lines_max:
            raise TooLargeError(f"a batch has at most {lines_max} lines")
        yield text[begin : at - 1]
        begin = at
        if count % _STEP_LINES == 0:
            yield None
