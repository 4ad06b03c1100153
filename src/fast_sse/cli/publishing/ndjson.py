"""NDJSON from a file or a pipe, as chunks of bounded size in which every line has its idempotency key.

The key is made of the run and the line's number, so a line that is sent again has the same key: after a cut, and
after a restart that names the run. A line's bytes are kept as they are: the key is put before the closing brace. Only
a byte order mark before the first line is passed over.

A file may be larger than memory, and a pipe may be slow: what has arrived goes out when nothing follows soon.
"""

from __future__ import annotations

import select
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from fast_sse.model.channel import Channel, channel
from fast_sse.model.errors import BadChannelError
from fast_sse.model.limits import KIB, MIB
from fast_sse.model.message import BOM

#: A chunk is closed at this many bytes. Half of what many proxies take as a body.
CHUNK_BYTES = 512 * KIB
#: A longer line is refused here; the hub's own bound is usually lower.
LINE_BYTES_MAX = 16 * MIB
READ_BYTES = 256 * KIB
#: Lines from a pipe wait this long for company.
LINGER_S = 0.1


class Line(msgspec.Struct, frozen=True, gc=False):
    """One message: where it stands in the input, where it goes, and the JSON to send."""

    number: int
    to: Channel
    body: bytes


class Chunk(msgspec.Struct):
    """Some lines in order. `bad` are the numbers of those that are no messages, with the reason.

    Attributes:
        through: number of the last line that was looked at.
        bytes_read: how far the input was read.
    """

    lines: list[Line]
    bad: list[tuple[int, str]]
    through: int
    bytes_read: int


class _Head(msgspec.Struct):
    event_id: str
    event_type: str
    idempotency_key: str | None = None


_decode = msgspec.json.Decoder(_Head).decode


def chunks(source: BinaryIO, run_id: str, from_line: int = 1, lines_max: int = 500) -> Iterator[Chunk]:
    """Take the input apart. Empty lines count and are skipped, as are those before `from_line`."""
    chunk, size, number, bytes_read = Chunk([], [], from_line - 1, 0), 0, 0, 0
    for raw in _raw_lines(source):
        if raw is not None:
            number += 1
            bytes_read += len(raw) + 1
            if number < from_line:
                continue
            chunk.through, chunk.bytes_read = number, bytes_read
            if stripped := (raw.removeprefix(BOM) if number == 1 else raw).strip():
                size += len(stripped)
                _sort(stripped, number, run_id, chunk)
        if len(chunk.lines) + len(chunk.bad) >= lines_max or size >= CHUNK_BYTES or raw is None:
            if chunk.lines or chunk.bad:
                yield chunk
            chunk, size = Chunk([], [], chunk.through, bytes_read), 0
    if chunk.lines or chunk.bad:
        yield chunk


def _sort(raw: bytes, number: int, run_id: str, chunk: Chunk) -> None:
    """Add a line to the messages of a chunk or to what is wrong with it."""
    if len(raw) > LINE_BYTES_MAX:
        chunk.bad.append((number, f"is longer than {LINE_BYTES_MAX} bytes"))
        return
    try:
        head = _decode(raw)
        target = channel(head.event_id, head.event_type)
    except BadChannelError as error:
        chunk.bad.append((number, f"bad channel: {error.message}"))
    except RecursionError:
        chunk.bad.append((number, "nests too deep"))
    except ValueError as error:  # msgspec's errors are such, those of a bad encoding too
        chunk.bad.append((number, f"is not a message: {error}"))
    else:
        body = raw if head.idempotency_key is not None else _with_key(raw, f"{run_id}:{number}")
        chunk.lines.append(Line(number, target, body))


def _with_key(raw: bytes, key: str) -> bytes:
    """A valid JSON object that is not empty, with one field more; of two fields of one name the last counts."""
    return b'%b,"idempotency_key":%b}' % (raw[:-1], msgspec.json.encode(key))


def _raw_lines(source: BinaryIO) -> Iterator[bytes | None]:
    """Each line without its LF; None whenever a pipe has nothing more for now. Long lines are cut, never kept whole."""
    rest = b""
    while True:
        if not _has_more(source):
            yield None
        data: bytes = source.read1(READ_BYTES)  # type: ignore[attr-defined]  # a buffered file, but no protocol says so
        if not data:
            break
        *whole, rest = (rest + data).split(b"\n")
        rest = rest[: LINE_BYTES_MAX + 1]
        yield from whole
    if rest:
        yield rest


def _has_more(source: BinaryIO) -> bool:
    """Whether there is something to read, or the end, within a moment."""
    try:
        return bool(select.select([source], [], [], LINGER_S)[0])
    except (OSError, ValueError):  # no file of the system's
        return True
