"""One record as one value of the log: a checksum, then its fields in msgpack.

SQLite has no checksums of its own. Each body begins with one, so that a flipped bit in the file is named and
never served (reliability F16).
"""

from __future__ import annotations

import struct
import zlib

import msgspec

from fast_sse.model.channel import Channel
from fast_sse.model.cursor import Position
from fast_sse.model.message import Record

_CHECKSUM = struct.Struct(">I")
_Fields = tuple[Position, Channel, bytes, bytes, str, bytes, int, int, str]
_encode = msgspec.msgpack.Encoder().encode
_decode_fields = msgspec.msgpack.Decoder(_Fields).decode


def body_of(record: Record) -> bytes:
    """A record as the log keeps it: the CRC-32 of its fields, then the fields in msgpack."""
    fields = _encode(
        (
            record.position,
            record.channel,
            record.data,
            record.headers,
            record.event,
            record.meta,
            record.time_ms,
            record.expires_ms,
            record.fingerprint,
        )
    )
    return _CHECKSUM.pack(zlib.crc32(fields)) + fields


def records_of(
    sizes: list[tuple[Position, int]], bodies: bytes | None
) -> tuple[list[Record], Position | None]:
    """The records of joined bodies, ascending, up to the first that is damaged, and the position of that one."""
    records: list[Record] = []
    damaged: list[Position] = []
    end = 0
    for position, size in sizes:
        start, end = end, end + size
        one = _record((bodies or b"")[start:end])
        if one is not None and one.position == position:
            records.append(one)
        else:
            damaged.append(position)
    # Two aggregates over one scan agree in their order, but neither promises which it is.
    records.sort(key=_position)
    if not damaged:
        return records, None
    first = min(damaged)
    return [one for one in records if one.position < first], first


def _record(body: bytes) -> Record | None:
    """The record of one body, None when it is not what was written."""
    fields = body[_CHECKSUM.size :]
    if body[: _CHECKSUM.size] != _CHECKSUM.pack(zlib.crc32(fields)):
        return None
    try:
        return Record(*_decode_fields(fields))
    except msgspec.MsgspecError:
        return None


def _position(record: Record) -> Position:
    return record.position
