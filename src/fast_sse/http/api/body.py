"""The body of a publish: its media type, and gzip inflated under caps.

A few kilobytes of gzip can become gigabytes (CWE-409). So inflating stops at a number of bytes and at a ratio, whichever
comes first, and never holds more than that. Several members, trailing bytes and nested encodings are refused: what one
reader takes for the end, another may take for a message.

Inflating costs time, so it comes after the signature, which covers the bytes as sent. Only the beginning is inflated at
once; most bodies are no longer than that. The rest of a long body is inflated in a thread, because zlib releases the
interpreter.
"""

from __future__ import annotations

import zlib

from fast_sse.model.errors import BadRequestError, TooLargeError, UnsupportedMediaError
from fast_sse.model.limits import KIB, Limits

JSON = "application/json"
NDJSON = "application/x-ndjson"

#: zlib's window bits for the gzip wrapper with the largest window.
_GZIP = 31
#: What is inflated at once, about 0.2 ms of the loop.
_BEGIN_BYTES = 64 * KIB


def is_gzip(headers: dict[str, str], media_type: str) -> bool:
    """Whether the body is gzip, from headers with lower-case names.

    Args:
        headers: of the request.
        media_type: the one that the route takes; parameters such as charset are ignored.

    Raises:
        UnsupportedMediaError: another media type, or an encoding other than gzip.
    """
    given = headers.get("content-type", "")
    if given != media_type and given.partition(";")[0].strip().lower() != media_type:
        raise UnsupportedMediaError(f"the body must be {media_type}")
    encoding = headers.get("content-encoding")
    if encoding is None or encoding.lower() == "identity":
        return False
    if encoding.lower() not in ("gzip", "x-gzip"):  # RFC 9110, 8.4.1.3: the two are one
        raise UnsupportedMediaError("the only content encoding is gzip")
    return True


class Inflating:
    """One gzip member, at most `bytes_max` and at most `inflate_ratio_max` times as long as it was sent.

    Call `begin` once, and `finish` once if `begin` returned None. Both raise BadRequestError for anything but exactly one
    whole member, and TooLargeError when more comes out than is allowed.
    """

    __slots__ = ("_body", "_data", "_most", "_stream")

    def __init__(self, body: bytes, limits: Limits, bytes_max: int) -> None:
        self._body = body
        self._most = min(bytes_max, limits.inflate_ratio_max * len(body))
        self._stream = zlib.decompressobj(_GZIP)
        self._data = b""

    def begin(self) -> bytes | None:
        """The whole body, or None when it is longer than what is inflated at once."""
        self._data = self._inflate(self._body, min(_BEGIN_BYTES, self._most + 1))
        done = self._stream.eof or len(self._data) < _BEGIN_BYTES
        return self._checked(self._data) if done else None

    def finish(self) -> bytes:
        """The whole body, however long that takes."""
        left = self._most + 1 - len(self._data)
        return self._checked(self._data + self._inflate(self._stream.unconsumed_tail, left))

    def _inflate(self, body: bytes, bytes_max: int) -> bytes:
        try:
            return self._stream.decompress(body, bytes_max)
        except zlib.error as error:
            raise BadRequestError("the body is not valid gzip") from error

    def _checked(self, data: bytes) -> bytes:
        if len(data) > self._most:
            raise TooLargeError("the body is too large when inflated")
        if not self._stream.eof or self._stream.unused_data:
            raise BadRequestError("the body is not exactly one gzip member")
        return data
