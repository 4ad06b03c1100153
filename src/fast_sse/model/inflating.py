"""One gzip member from a stranger, inflated under caps.

A few kilobytes of gzip can become gigabytes (CWE-409). So inflating stops at a number of bytes and at a ratio, whichever
comes first, and never holds more than that. Several members and trailing bytes are refused: what one reader takes for the
end, another may take for a message.

Only the beginning is inflated at once; most of what is published is no longer than that. The rest is for a thread, because
zlib releases the interpreter.
"""

from __future__ import annotations

import zlib

from fast_sse.model.errors import BadRequestError, TooLargeError
from fast_sse.model.limits import KIB

#: zlib's window bits for the gzip wrapper with the largest window.
_GZIP = 31
#: What is inflated at once, about 0.2 ms of the loop.
_BEGIN_BYTES = 64 * KIB


class Inflating:
    """One gzip member, at most `bytes_max` and at most `ratio_max` times as long as it was sent.

    Call `begin` once, and `finish` once if `begin` returned None. Both raise BadRequestError for anything but exactly one
    whole member, and TooLargeError when more comes out than is allowed. Errors speak of `name`.
    """

    __slots__ = ("_body", "_data", "_most", "_name", "_stream")

    def __init__(self, body: bytes, bytes_max: int, ratio_max: int, name: str = "the body") -> None:
        self._body = body
        self._most = min(bytes_max, ratio_max * len(body))
        self._name = name
        self._stream = zlib.decompressobj(_GZIP)
        self._data = b""

    def begin(self) -> bytes | None:
        """All of it, or None when it is longer than what is inflated at once."""
        self._data = self._inflate(self._body, min(_BEGIN_BYTES, self._most + 1))
        done = self._stream.eof or len(self._data) < _BEGIN_BYTES
        return self._checked(self._data) if done else None

    def finish(self) -> bytes:
        """All of it, however long that takes."""
        left = self._most + 1 - len(self._data)
        return self._checked(self._data + self._inflate(self._stream.unconsumed_tail, left))

    def _inflate(self, body: bytes, bytes_max: int) -> bytes:
        try:
            return self._stream.decompress(body, bytes_max)
        except zlib.error as error:
            raise BadRequestError(f"{self._name} is not valid gzip") from error

    def _checked(self, data: bytes) -> bytes:
        if len(data) > self._most:
            raise TooLargeError(f"{self._name} is too large when inflated")
        if not self._stream.eof or self._stream.unused_data:
            raise BadRequestError(f"{self._name} is not exactly one gzip member")
        return data
