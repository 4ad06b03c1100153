"""The dead letters of the memory store: the rows that every store has, in a database without a file.

So the rules are those of the durable stores, to the letter. Each call is one short transaction in one turn of the loop.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import TypeVar

from fast_sse.model.channel import Channel
from fast_sse.model.cursor import Cursor, Position
from fast_sse.model.errors import StoreClosedError
from fast_sse.model.letter import Letter, Poison
from fast_sse.model.message import Record
from fast_sse.store.letters import Begun, LetterBounds, LetterPage, Letters, Settled, Turn, Wanted
from fast_sse.store.pace import Instant
from fast_sse.store.rows.letter_pages import letter_of, letter_page
from fast_sse.store.rows.letters import NOTHING_DROPPED, LetterRows
from fast_sse.store.rows.schema import LETTERS
from fast_sse.store.rows.turns import Turns

_T = TypeVar("_T")


class MemoryLetters(Letters):
    """Gone with the store that opens and closes it."""

    shared = False

    def __init__(
        self,
        origin: Cursor,
        bounds: LetterBounds,
        record_of: Callable[[Position], Record | None],
        newest: Callable[[], Position],
        now: Callable[[], Instant],
    ) -> None:
        """`origin`: any cursor of the log. `record_of`, `newest`, `now`: what the log says."""
        self._origin = origin
        self._bounds = bounds
        self._record_of = record_of
        self._newest = newest
        self._now = now
        self._connection: sqlite3.Connection | None = None
        self._dropped = NOTHING_DROPPED

    def open(self) -> None:
        """Begin without letters."""
        self._connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._connection.executescript(LETTERS)

    def close(self) -> None:
        """Let go of all. Idempotent."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    async def begin(self, node: str, start: str) -> Begun:
        """At once."""
        return self._write(lambda rows: self._turns(rows).begin(node, start, self._now()))

    async def settle(self, turn: Turn) -> Settled:
        """At once."""
        return self._write(lambda rows: self._turns(rows).settle(turn, self._now()))

    async def keep(self, poison: Poison) -> bool:
        """At once."""
        return self._write(lambda rows: rows.keep(poison, self._newest(), self._now()))

    async def list(self, wanted: Wanted, after: str, count: int) -> LetterPage:
        """A page of the moment."""
        return letter_page(self._opened(), wanted, after, count)

    async def get(self, letter_id: str) -> Letter | None:
        """A letter of the moment."""
        return letter_of(self._opened(), letter_id)[0]

    async def drop(self, ids: Sequence[str]) -> int:
        """At once."""
        return self._write(lambda rows: rows.drop(ids))

    async def erase(self, target: Channel) -> int:
        """All in one turn of the loop."""
        erased = 0
        while gone := self._write(lambda rows: rows.erase(target)):
            erased += gone
        return erased

    def _turns(self, rows: LetterRows) -> Turns:
        return Turns(rows, self._record_of, self._newest)

    def _write(self, work: Callable[[LetterRows], _T]) -> _T:
        connection = self._opened()
        rows = LetterRows(connection, self._origin, self._bounds, self._dropped)
        with connection:  # commits, or rolls back
            connection.execute("BEGIN")
            found = work(rows)
        self._dropped = rows.dropped
        return found

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreClosedError("the store is closed")
        return self._connection
