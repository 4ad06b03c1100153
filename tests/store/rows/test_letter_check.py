"""What is found of dead letters that are damaged."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from fast_sse.model.channel import Channel
from fast_sse.model.cursor import Cursor, Position
from fast_sse.model.letter import Poison, Source
from fast_sse.model.message import Record
from fast_sse.store.letters import LetterBounds
from fast_sse.store.pace import Instant
from fast_sse.store.rows import letter_check
from fast_sse.store.rows.letter_check import BEGINNING, LetterPlace, check_letters
from fast_sse.store.rows.letters import LetterRows
from fast_sse.store.rows.schema import prepare

AT = Instant(1000, 1000, 1000)
LETTERS = 9


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    prepare(connection)
    rows = LetterRows(connection, Cursor("s1", "e" * 13, 0), LetterBounds())
    for position in range(1, LETTERS + 1):
        record = Record(position, Channel("ä", "t"), b"1", b"{}", "", b"", 10)
        rows.add(record, AT, maybe=False, node="a", grace_s=1)
    rows.keep(Poison(source=Source("k", "q", "1"), raw=b"raw", description=""), LETTERS + 1, AT)
    yield connection
    connection.close()


def damaged(connection: sqlite3.Connection) -> list[Position]:
    found: list[Position] = []
    place: LetterPlace | None = BEGINNING
    while place is not None:
        piece = check_letters(connection, place)
        found += piece.damaged
        place = piece.through
    return found


@pytest.mark.parametrize("pieces", [(256, 1 << 20), (1, 1 << 20), (4, 1 << 20), (256, 1)])
@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("UPDATE letter SET weight = weight", []),
        (
            "UPDATE letter SET reason = 'expired' WHERE reason = 'poison'",
            [],
        ),  # kept for a source under its own reason
        ("UPDATE letter SET body = x'00' || substr(body, 2) WHERE seq IN (1, 5, 10)", [1, 5, 10]),
        ("UPDATE letter SET body = x'' WHERE seq IN (5, 10)", [5, 10]),
        ("UPDATE letter SET event_id = 'b' WHERE seq = 5", [5]),
        ("UPDATE letter SET event_type = NULL WHERE seq = 5", [5]),
        ("UPDATE letter SET event_id = x'ff' WHERE seq = 5", [5]),
        ("UPDATE letter SET seq = 50 WHERE seq = 5", [50]),
    ],
)
def test_each_letter_that_is_not_what_was_written_is_found(
    connection: sqlite3.Connection,
    monkeypatch: pytest.MonkeyPatch,
    pieces: tuple[int, int],
    change: str,
    found: list[Position],
) -> None:
    """Its body, and the channel and the position beside it; whatever the size of a piece."""
    monkeypatch.setattr(letter_check, "PIECE_LETTERS", pieces[0])
    monkeypatch.setattr(letter_check, "_PIECE_BYTES", pieces[1])
    connection.execute(change)
    assert damaged(connection) == found
