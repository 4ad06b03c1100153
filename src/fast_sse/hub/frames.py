"""Records as the frames of a stream: encoded in one place, so that live and replayed ones are the same bytes.

A page of a replay is encoded as a whole. Its cost is that of a few conversions a record, and it counts: a client
that was away reads thousands of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fast_sse.model.cursor import Cursor
from fast_sse.model.frame import frame
from fast_sse.model.message import Record, addressed_envelope, bare_envelope

#: Stores whose positions are plain numbers, written as they are behind one prefix.
_COUNTED = ("m1", "s1")


def id_texts(log: Cursor) -> Callable[[Record], str]:
    """What gives the `id:` of any record of a log (any cursor of it)."""
    if log.kind in _COUNTED:
        prefix = f"{log.kind}.{log.epoch}."
        return lambda record: f"{prefix}{record.position}"
    return lambda record: log.at(record.position, record.fingerprint).text


def frame_of(record: Record, id_text: str, *, addressed: bool) -> bytes:
    """The SSE bytes of a record: bare for exact streams, addressed for those that carry several channels."""
    envelope = addressed_envelope(record) if addressed else bare_envelope(record)
    return frame(id_text, record.event, envelope)


def frames_of(records: Iterable[Record], log: Cursor, *, addressed: bool) -> list[bytes]:
    """`frame_of` each, in order."""
    text = id_texts(log)
    if addressed:
        return [frame_of(record, text(record), addressed=True) for record in records]
    return [
        frame_of(record, text(record), addressed=False)
        if record.event or b"\n" in record.data or b"\r" in record.data
        else b'id: %b\ndata: {"data":%b,"headers":%b}\n\n'
        % (text(record).encode(), record.data, record.headers)
        for record in records
    ]


def pieces(frames: list[bytes], bytes_max: int) -> Iterable[tuple[int, bytes]]:
    """Frames joined to pieces of at most `bytes_max` (or one larger frame), each with how many are out after it."""
    if sum(map(len, frames)) <= bytes_max:
        if frames:
            yield len(frames), b"".join(frames)
        return
    first = size = 0
    for place, one in enumerate(frames):
        if place > first and size + len(one) > bytes_max:
            yield place, b"".join(frames[first:place])
            first, size = place, 0
        size += len(one)
    yield len(frames), b"".join(frames[first:])
