"""One record as one value of the log: a checksum, then its fields in msgpack.

SQLite has no checksums of its own. Each body begins with one, so that a flipped bit in the file is named and
never served (reliability F16).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from operator import attrgetter
from typing import cast

import msgspec

from fast_sse.model.cursor import Position
from fast_sse.model.message import Record
from fast_sse.store.record import OVERHEAD_BYTES

#: msgpack's byte before an unsigned integer of 32 bits. Between bodies it makes of their checksums values of one array.
JOINT = b"\xce"
_ARRAY = b"\xdd"  # before the length, 32 bits, and the values of an array

_UINT32 = struct.Struct(">I")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Record).decode
_decode_page = msgspec.msgpack.Decoder(list[int | Record]).decode
_decode_sizes = msgspec.json.Decoder(list[int]).decode


def body_of(record: Record) -> bytes:
    """A record as the log keeps it: the CRC-32 of its fields, then the fields in msgpack, an array in their order."""
    fields = _encode(record)
    return _UINT32.pack(zlib.crc32(fields)) + fields


def records_of_page(
    sizes: str | None, joined: bytes, positions_sum: int, bytes_max: int
) -> list[Record] | None:
    """The records of bodies with JOINT between them, ascending, as many as a page of `bytes_max` takes and at least one;
    None when any is damaged, or is not where it belongs.

    `sizes` are the bodies' lengths between commas, in the same order; None when there is no body. All are decoded by one call: a replay costs
    half of what it would record by record, and says less about what is wrong.
    """
    if sizes is None:
        return None
    lengths = _decode_sizes(f"[{sizes}]")
    try:
        found = _decode_page(_ARRAY + _UINT32.pack(2 * len(lengths)) + JOINT + joined)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    checksums, records = found[::2], cast("list[Record]", found[1::2])
    view, at = memoryview(joined), _UINT32.size
    for length, checksum in zip(lengths, checksums, strict=True):
        end = at + length - _UINT32.size
        if zlib.crc32(view[at:end]) != checksum:
            return None
        at = end + len(JOINT) + _UINT32.size
    if sum(map(_position, records)) != positions_sum:
        return None
    if sum(lengths) + OVERHEAD_BYTES * len(lengths) > bytes_max:
        return _first_page(zip(records, lengths, strict=True), bytes_max)
    records.sort(key=_position)
    return records


def _first_page(weighed: Iterable[tuple[Record, int]], bytes_max: int) -> list[Record]:
    """As many records from the first one on as a page takes, the first one however large."""
    page: list[Record] = []
    for record, length in sorted(weighed, key=_first_position):
        bytes_max -= length + OVERHEAD_BYTES
        if page and bytes_max < 0:
            break
        page.append(record)
    return page


def records_of(
    sizes: list[tuple[Position, int]], bodies: bytes | None, after: Position = 0
) -> tuple[list[Record], Position | None]:
    """The records of joined bodies, ascending, up to the first that is damaged, and the position of that one.

    A body under another position than its own is missing where it belongs, if that is after `after`.
    """
    records: list[Record] = []
    damaged: list[Position] = []
    strays: list[Position] = []
    end = 0
    for position, size in sizes:
        start, end = end, end + size
        one = _record((bodies or b"")[start:end])
        if one is None:
            damaged.append(position)
        elif one.position != position:
            damaged.append(position)
            strays.append(one.position)
        else:
            records.append(one)
    # Two aggregates over one scan agree in their order, but neither promises which it is.
    records.sort(key=_position)
    if not damaged:
        return records, None
    there = {one.position for one in records}
    first = min(damaged + [place for place in strays if place > after and place not in there])
    return [one for one in records if one.position < first], first


def _record(body: bytes) -> Record | None:
    """The record of one body, None when it is not what was written."""
    fields = body[_UINT32.size :]
    if body[: _UINT32.size] != _UINT32.pack(zlib.crc32(fields)):
        return None
    try:
        return _decode(fields)
    except msgspec.MsgspecError:
        return None


_position = attrgetter("position")


def _first_position(weighed: tuple[Record, int]) -> Position:
    return weighed[0].position
