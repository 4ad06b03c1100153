"""Records as the frames of a stream: encoded in one place, so that live and replayed ones are the same bytes.

A page of a replay is encoded as a whole. Its cost is that of a few conversions a record, and it counts: a client
that was away reads thousands of them.

The envelopes of some streams are packed (`model/payload.py`). That takes long where they are large: see `packing.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from fast_sse.model.channel import Filter
from fast_sse.model.cursor import KINDS, Cursor
from fast_sse.model.frame import frame
from fast_sse.model.limits import KIB
from fast_sse.model.message import ENVELOPE, Record, address, addressed_envelope, bare_envelope
from fast_sse.model.payload import is_compressed, packed

#: The shapes of a frame: bare for streams of exactly one channel, addressed for those that may carry several; and both of
#: them packed.
SHAPES = BARE, ADDRESSED, PAYLOAD, PAYLOAD_ADDRESSED = (0, 1, 2, 3)
_ADDRESSED = (ADDRESSED, PAYLOAD_ADDRESSED)


def id_texts(log: Cursor) -> Callable[[Record], str]:
    """What gives the `id:` of any record of a log (any cursor of it)."""
    if KINDS[log.kind].plain:
        prefix = _prefix(log)
        return lambda record: f"{prefix}{record.position}"
    return lambda record: log.at(record.position, record.fingerprint).text


def _prefix(log: Cursor) -> str:
    return f"{log.kind}.{log.epoch}."


def shape_of(wanted: Filter, body: str = "plain") -> int:
    """The shape of the frames that a stream with this filter and this body of its form carries."""
    if body == "payload":
        return PAYLOAD_ADDRESSED if wanted.addressed else PAYLOAD
    return ADDRESSED if wanted.addressed else BARE


def is_packed(record: Record, packed_bytes_min: int) -> bool:
    """Whether a packed shape packs this record, if that makes it smaller: not a short one, and not what its publisher
    compressed. Others are the same bytes as in a plain stream.
    """
    return len(record.data) + len(record.headers) >= packed_bytes_min and not is_compressed(record.headers)


def frame_of(record: Record, id_text: str, shape: int, packed_bytes_min: int = KIB) -> bytes:
    """The SSE bytes of a record in one of the shapes. Of packed ones, those with fewer bytes of data and headers are not."""
    envelope = addressed_envelope(record) if shape in _ADDRESSED else bare_envelope(record)
    if shape >= PAYLOAD and is_packed(record, packed_bytes_min):
        envelope = packed(envelope)
    return frame(id_text, record.event, envelope)


def frames_of(
    records: Sequence[Record], log: Cursor, *, shape: int, bytes_max: int, packed_bytes_min: int = KIB
) -> Iterator[tuple[int, bytes]]:
    """The frames of records joined to pieces of at most `bytes_max` (or one larger frame), each with how many are out
    after it.
    """
    if not records:
        return
    if shape < PAYLOAD or not any(is_packed(one, packed_bytes_min) for one in records):
        whole = _joined(records, log, shape)
        if 0 < len(whole) <= bytes_max:
            yield len(records), whole
            return
    text = id_texts(log)
    yield from pieces((frame_of(one, text(one), shape, packed_bytes_min) for one in records), bytes_max)


def _joined(records: Sequence[Record], log: Cursor, shape: int) -> bytes:
    """`frame_of` all of them end to end, a quarter of its cost each; empty when one holds a line break in its data."""
    plain = KINDS[log.kind].plain
    text = id_texts(log)
    before, between, behind = ENVELOPE
    before = b"data: " + before
    behind += f"\nid: {_prefix(log)}".encode() if plain else b"\nid: "
    parts: list[bytes] = []
    lines = 3 * len(records)
    for record in records:
        if record.event:
            parts.append(f"event: {record.event}\n".encode())
            lines += 1
        parts += (before, record.data, between)
        if shape in _ADDRESSED:
            parts += (record.headers[:-1], address(record.channel))
        else:
            parts.append(record.headers)
        parts += (behind, f"{record.position if plain else text(record)}\n\n".encode())
    whole = b"".join(parts)
    # Our own publishes are one line; what else stands in a log is framed line by line.
    return whole if whole.count(b"\n") == lines and b"\r" not in whole else b""


def pieces(frames: Iterable[bytes], bytes_max: int) -> Iterator[tuple[int, bytes]]:
    """Frames joined as in `frames_of`; each is asked for only when the piece before it is out."""
    some: list[bytes] = []
    size = out = 0
    for one in frames:
        if some and size + len(one) > bytes_max:
            yield out, b"".join(some)
            some, size = [], 0
        some.append(one)
        size += len(one)
        out += 1
    if some:
        yield out, b"".join(some)
