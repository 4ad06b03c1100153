"""The body of a publish as its headers name it: its media type, and gzip or nothing around it.

Nested encodings are refused. Inflating costs time, so it comes after the signature, which covers the bytes as sent.
"""

from __future__ import annotations

from fast_sse.model.errors import UnsupportedMediaError

JSON = "application/json"
NDJSON = "application/x-ndjson"


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
        raise UnsupportedMediaError(f"Content-Type must be {media_type}")
    encoding = headers.get("content-encoding")
    if encoding is None or encoding.lower() == "identity":
        return False
    if encoding.lower() not in ("gzip", "x-gzip"):  # RFC 9110, 8.4.1.3: the two are one
        raise UnsupportedMediaError("Content-Encoding must be gzip, or absent")
    return True
