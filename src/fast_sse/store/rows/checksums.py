"""Checksums of what lies beside the bodies of records: SQLite has none of its own, and a flipped bit must not be believed.

A body has its own (`body`), which covers the record's position, channel and time as well: the columns beside it say them
a second time.
"""

from __future__ import annotations

from zlib import crc32

_CHECK_BITS = 16
_CHECK_MASK = (1 << _CHECK_BITS) - 1

#: In SQL: milliseconds of `paced`.
PACED_MS = f"(paced >> {_CHECK_BITS})"


def key_checksum(digest: bytes, position: int, body_sha256: bytes, expires_ms: int) -> int:
    """The checksum of an idempotency key and of what it stands for."""
    return crc32(b"%d %d" % (position, expires_ms), crc32(body_sha256, crc32(digest)))


def checked_paced(position: int, paced_ms: int) -> int:
    """The column `paced`: milliseconds, and in its lowest bits a checksum of them and of the record's position."""
    return paced_ms << _CHECK_BITS | crc32(b"%d %d" % (position, paced_ms)) & _CHECK_MASK


def is_sound_paced(position: int, paced: int) -> bool:
    """Whether a column `paced` is what was written for this position."""
    return checked_paced(position, paced >> _CHECK_BITS) == paced
