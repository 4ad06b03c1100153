"""Frames of a page are those of the tail, and pieces of them lose nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from fast_sse.hub.frames import (
    ADDRESSED,
    BARE,
    PAYLOAD,
    SHAPES,
    _joined,
    frame_of,
    frames_of,
    id_texts,
    pieces,
)
from fast_sse.hub.tail import Entry
from fast_sse.model.channel import Channel
from fast_sse.model.cursor import Cursor, parse_cursor
from fast_sse.model.message import Record
from fast_sse.model.parser import EventParser
from fast_sse.model.payload import unpacked

#: Long enough to be packed.
LONG = b'"%b"' % (b"x" * 1100)
LOGS = {kind: Cursor(kind, "0" * 13, 0) for kind in ("m1", "s1", "r1", "k1")}

records = st.builds(
    Record,
    st.integers(1, 1 << 62),
    st.builds(Channel, st.sampled_from(["a", "b é"]), st.just("*")),
    st.sampled_from([b"1", b'{"a":"\xc3\xa9"}', b"[1,\n2]", b"[1,\r\n2]", LONG, b"[%b,\n%b]" % (LONG, LONG)]),
    st.sampled_from([b'{"send_time":"x"}', b'{"message_compressed":"true","send_time":"x"}']),
    st.sampled_from(["", "tick"]),
    st.just(b""),
    st.just(0),
    fingerprint=st.just("0123456"),
)


@given(st.lists(records, max_size=5), st.sampled_from(sorted(LOGS)), st.sampled_from(SHAPES))
def test_a_replayed_frame_is_the_live_one(some: list[Record], kind: str, shape: int) -> None:
    """Encoded page by page or entry by entry, a record is the same bytes."""
    log = LOGS[kind]
    one_by_one = [Entry(record, id_texts(log)).frame(shape) for record in some]
    whole = b"".join(one_by_one)
    assert list(frames_of(some, log, shape=shape, bytes_max=len(whole))) == [(len(some), whole)][: len(some)]
    bytes_max = max(1, len(whole) // 2)
    found = list(frames_of(some, log, shape=shape, bytes_max=bytes_max))
    assert found == list(pieces(one_by_one, bytes_max))


@given(records, st.sampled_from([BARE, ADDRESSED]))
def test_a_packed_frame_holds_the_plain_envelope(record: Record, plain: int) -> None:
    """A long one is packed and a short one is not, nor one that its publisher compressed; id and event are the same."""
    text = LOGS["m1"].at(record.position).text
    (expected,) = EventParser().feed(frame_of(record, text, plain))
    (found,) = EventParser().feed(frame_of(record, text, plain + PAYLOAD))
    assert (found.type, found.last_event_id) == (expected.type, expected.last_event_id)
    assert json.loads(unpacked(found.data)) == json.loads(expected.data)
    assert (found.data != expected.data) is (len(record.data) > 1000 and b"compressed" not in record.headers)


@given(st.lists(records, min_size=1, max_size=5), st.sampled_from(sorted(LOGS)), st.sampled_from(SHAPES))
def test_only_a_line_break_in_the_data_takes_the_long_way(some: list[Record], kind: str, shape: int) -> None:
    """Records with and without an event are joined as one piece; an empty piece says that one must be framed line by line."""
    broken = any(b"\n" in record.data for record in some)
    assert bool(_joined(some, LOGS[kind], shape)) is not broken


def test_a_frame_is_asked_for_when_its_piece_is_due() -> None:
    """Nothing is encoded for a peer that stopped reading before it."""
    asked = []

    def frames() -> Iterator[bytes]:
        for number in range(9):
            asked.append(number)
            yield b"12345"

    found = pieces(frames(), 10)
    assert next(found) == (2, b"1234512345")
    assert asked == [0, 1, 2]


@given(records, st.sampled_from(sorted(LOGS)))
def test_the_id_is_the_cursor_of_the_record(record: Record, kind: str) -> None:
    """What a client sends back is the place of the record it had."""
    fingerprint = record.fingerprint if kind in ("r1", "k1") else ""
    cursor = LOGS[kind].at(record.position, fingerprint)
    assert id_texts(LOGS[kind])(record) == cursor.text
    assert parse_cursor(cursor.text) == cursor
    assert frame_of(record, cursor.text, BARE).endswith(b"\nid: %b\n\n" % cursor.text.encode())


@given(st.lists(st.binary(min_size=1, max_size=9), max_size=9), st.integers(1, 20))
def test_pieces_are_bounded_and_whole(frames: list[bytes], bytes_max: int) -> None:
    """Joined they are all frames in order; a piece is above its bound only when it is one frame; counts tell what is out."""
    found = list(pieces(frames, bytes_max))
    assert b"".join(piece for _, piece in found) == b"".join(frames)
    before = 0
    for sent, piece in found:
        assert piece == b"".join(frames[before:sent])
        assert len(piece) <= bytes_max or sent == before + 1
        before = sent
    assert before == len(frames)
