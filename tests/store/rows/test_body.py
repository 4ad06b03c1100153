"""A record as one value of the log: what is damaged is named and never served."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fast_sse.model.channel import Channel
from fast_sse.model.message import Record
from fast_sse.store.rows.body import JOINT, body_of, records_of, records_of_page

RECORDS = [
    Record(position, Channel("café", "*"), b'{"n":1}', b"{}", "", b"", 1_000, 2_000, "0123456")
    for position in (7, 8, 9)
]


def joined(*bodies: bytes) -> tuple[list[tuple[int, int]], bytes]:
    """Bodies as a page has them: positions with sizes, and the bytes end to end."""
    return [(record.position, len(body)) for record, body in zip(RECORDS, bodies, strict=False)], b"".join(
        bodies
    )


def test_records_come_back_as_they_were_stored() -> None:
    """Every field survives, and the order is that of the log, whatever order the page was put together in."""
    sizes, bodies = joined(*map(body_of, RECORDS))
    assert records_of(sizes, bodies) == (RECORDS, None)
    backwards = [body_of(record) for record in reversed(RECORDS)]
    shuffled = [
        (record.position, len(body)) for record, body in zip(reversed(RECORDS), backwards, strict=True)
    ]
    assert records_of(shuffled, b"".join(backwards)) == (RECORDS, None)
    assert records_of([], None) == ([], None)


@given(bit=st.integers(0, 8 * len(body_of(RECORDS[1])) - 1))
def test_one_flipped_bit_is_never_served(bit: int) -> None:
    """Whichever bit it is, the record is named as damaged, and the page ends before it."""
    damaged = bytearray(body_of(RECORDS[1]))
    damaged[bit // 8] ^= 1 << bit % 8
    sizes, bodies = joined(body_of(RECORDS[0]), bytes(damaged), body_of(RECORDS[2]))
    assert records_of(sizes, bodies) == (RECORDS[:1], 8)


def test_a_body_of_another_place_is_damaged() -> None:
    """A whole body under the wrong position is as wrong as a flipped bit."""
    sizes, bodies = joined(body_of(RECORDS[0]), body_of(RECORDS[0]))
    assert records_of(sizes, bodies) == (RECORDS[:1], 8)


def test_a_body_under_a_later_position_is_missing_where_it_belongs() -> None:
    """The page ends before its own place, not before the one that it was found at: else it would be passed over in silence."""
    bodies = [body_of(record) for record in RECORDS]
    sizes = [(7, len(bodies[0])), (40, len(bodies[1])), (9, len(bodies[2]))]
    assert records_of(sizes, b"".join(bodies)) == (RECORDS[:1], 8)
    assert records_of(sizes, b"".join(bodies), after=8) == (RECORDS[:1] + RECORDS[2:], 40)
    there = [*sizes, (8, len(bodies[1]))]
    assert records_of(there, b"".join([*bodies, bodies[1]])) == (RECORDS, 40)


def page_of(*bodies: bytes) -> tuple[str, bytes]:
    """Bodies as a page of whole records has them: sizes between commas, bodies with a joint between them."""
    return ",".join(str(len(body)) for body in bodies), JOINT.join(bodies)


def test_a_page_is_decoded_as_a_whole() -> None:
    """One call gives what record by record would, in the order of the log."""
    bodies = [body_of(record) for record in RECORDS]
    assert records_of_page(*page_of(*bodies), 7 + 8 + 9, 1 << 20) == RECORDS
    assert records_of_page(*page_of(*reversed(bodies)), 7 + 8 + 9, 1 << 20) == RECORDS


@given(bit=st.integers(0, 8 * len(body_of(RECORDS[1])) - 1))
def test_one_flipped_bit_spoils_a_whole_page(bit: int) -> None:
    """Whichever bit it is, nothing of the page is served before a second look has said which record it is."""
    damaged = bytearray(body_of(RECORDS[1]))
    damaged[bit // 8] ^= 1 << bit % 8
    page = page_of(body_of(RECORDS[0]), bytes(damaged), body_of(RECORDS[2]))
    assert records_of_page(*page, 7 + 8 + 9, 1 << 20) is None


def test_a_page_with_a_body_of_another_place_is_not_served() -> None:
    """Whole bodies whose positions are not those of their rows are as wrong as flipped bits."""
    page = page_of(body_of(RECORDS[0]), body_of(RECORDS[0]), body_of(RECORDS[2]))
    assert records_of_page(*page, 7 + 8 + 9, 1 << 20) is None
