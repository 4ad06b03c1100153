"""The body of a publish: its media type, and gzip inflated under caps.

A few kilobytes of gzip can become gigabytes (CWE-409), so inflating stops at a number of bytes and at a ratio,
whichever comes first, and never holds more than that. Several members, trailing bytes and nested encodings are
refused: what one reader takes for the end, another may take for a message.
"""

from __future__ import annotations

import zlib

from fast_sse.model.errors import BadRequestError, TooLargeError, UnsupportedMediaError
from fast_sse.model.limits import Limits

JSON = "application/json"
NDJSON = "application/x-ndjson"

#: zlib's window bits for the gzip wrapper with the largest window.
_GZIP = 31


def content(headers: dict[str, str], body: bytes, media_type: str, limits: Limits, bytes_max: int) -> bytes:
    """The body after its content encoding.

    Args:
        headers: of the request, lower-case names.
        body: as sent.
        media_type: the one that this route takes; parameters such as charset are ignored.
        limits: for the ratio.
        bytes_max: of the inflated body.

    Raises:
        UnsupportedMediaError: another media type, or an encoding other than gzip.
        TooLargeError: more than `bytes_max`, or a ratio above `inflate_ratio_max`.
        BadRequestError: not one complete gzip member.
    """
    given = headers.get("content-type", "")
    if given != media_type and given.partition(";")[0].strip().lower() != media_type:
        raise UnsupportedMediaError(f"the body must be {media_type}")
    encoding = headers.get("content-encoding")
    if encoding is None or encoding.lower() == "identity":
        return body
    if encoding.lower() not in ("gzip", "x-gzip"):  # RFC 9110, 8.4.1.3: the two are one
        raise UnsupportedMediaError("the only content encoding is gzip")
    return inflate(body, bytes_max, limits.inflate_ratio_max)


def inflate(body: bytes, bytes_max: int, ratio_max: int) -> bytes:
    """One gzip member, at most `bytes_max` and at most `ratio_max` times as long as it was sent."""
    most = min(bytes_max, ratio_max * len(body))
    stream = zlib.decompressobj(_GZIP)
    try:
        data = stream.decompress(body, most + 1)
    except zlib.error as error:
        raise BadRequestError("the body is not valid gzip") from error
    if len(data) > most:
        raise TooLargeError("the body is too large when inflated")
    if not stream.eof or stream.unused_data:
        raise BadRequestError("the body is not exactly one gzip member")
    return data
