"""Whether dead letters are what was written: each body against its checksum, and the columns beside it against the body.

Piece by piece, as the log is looked through (`check`).
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from fast_sse.model.cursor import Position
from fast_sse.model.letter import is_poison_id
from fast_sse.store.rows.body import records_of
from fast_sse.store.rows.letters import unpacked

#: Letters of a piece, and bytes of its bodies.
PIECE_LETTERS = 256
_PIECE_BYTES = 1 << 20

LetterPlace = tuple[Position, str]
#: Before the first letter.
BEGINNING: LetterPlace = (-1, "")

_SQL = """
    SELECT seq, CAST(id AS TEXT), CAST(event_id AS BLOB), CAST(event_type AS BLOB), CAST(body AS BLOB)
    FROM letter WHERE (seq, id) > (?, ?) ORDER BY seq, id LIMIT ?
"""


class LetterPiece(NamedTuple):
    """Where a piece ended, None at the end, and the positions of letters that are damaged."""

    through: LetterPlace | None
    damaged: list[Position]


def check_letters(connection: sqlite3.Connection, after: LetterPlace) -> LetterPiece:
    """The next piece. Raises sqlite3.Error: it cannot be read at all."""
    damaged: list[Position] = []
    through: LetterPlace | None = None
    size = 0
    for seq, letter_id, event_id, event_type, body in connection.execute(_SQL, (*after, PIECE_LETTERS)):
        through = seq, letter_id
        sound = (
            unpacked(body) is not None
            if is_poison_id(letter_id)
            else _is_message(seq, event_id, event_type, body)
        )
        if not sound:
            damaged.append(seq)
        size += len(body)
        if size >= _PIECE_BYTES:
            break
    return LetterPiece(through, damaged)


def _is_message(seq: Position, event_id: bytes | None, event_type: bytes | None, body: bytes) -> bool:
    records, _ = records_of([(seq, len(body))], body)
    if not records or event_id is None or event_type is None:
        return False
    return tuple(name.encode() for name in records[0].channel) == (event_id, event_type)
