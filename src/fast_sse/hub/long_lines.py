"""Messages whose line is longer than some clients can read: counted, and reported once for each power of two.

The protocol has no such bound, but libraries do: a reader that takes lines of 64 KiB at most ends the stream at a longer
one, comes back, gets the same line again, and so for ever. Nothing is wrong on our side, so without a word from us the cause is hard to find.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from fast_sse.model.message import ENVELOPE, Draft
from fast_sse.observe.observer import LongLine, Observer

#: What stands around data and headers in the line of a stream of one channel; others name the channel beside it.
_AROUND_BYTES = len(b"data: ") + len(b"".join(ENVELOPE))


class LongLines:
    """Looks at every message on its way to the store.

    Attributes:
        total: how many were longer than `bytes_warn`; 0 looks for none.
    """

    __slots__ = ("_most", "_observer", "_reported", "total")

    def __init__(self, bytes_warn: int, observer: Observer) -> None:
        self.total = 0
        self._observer = observer
        self._most = bytes_warn - _AROUND_BYTES if bytes_warn else sys.maxsize
        self._reported = 0  # one bit for each power of two

    def look(self, drafts: Sequence[Draft]) -> None:
        """Count the long ones among these."""
        for draft in drafts:
            inside = len(draft.data) + len(draft.headers)
            if inside > self._most:
                self._found(draft, inside + _AROUND_BYTES)

    def _found(self, draft: Draft, line_bytes: int) -> None:
        self.total += 1
        bit = 1 << line_bytes.bit_length()
        if not self._reported & bit:
            self._reported |= bit
            self._observer.notify(LongLine(*draft.channel, line_bytes))
