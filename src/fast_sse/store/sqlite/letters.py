"""The dead letters of the SQLite store: in the log's own file, each call one transaction of its writer's thread.

So a letter is as durable as its message, a turn lies between two groups, and no lock is needed: what a turn looks for in the log
cannot change meanwhile. Reading is done by the readers' threads, on snapshots of their own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from fast_sse.model.channel import Channel
from fast_sse.model.cursor import Cursor
from fast_sse.model.letter import Letter, Poison
from fast_sse.store.letters import Begun, Drop, LetterBounds, LetterPage, Letters, Settled, Turn, Wanted
from fast_sse.store.pace import Instant
from fast_sse.store.rows.letter_pages import letter_of, letter_page
from fast_sse.store.rows.letters import NOTHING_DROPPED, LetterRows
from fast_sse.store.rows.log import SqliteLog
from fast_sse.store.rows.turns import Turns
from fast_sse.store.sqlite.damage import Damage
from fast_sse.store.sqlite.keeper import Keeper

_T = TypeVar("_T")


class OnWriter(Protocol):
    """Runs something on the writer's thread, between two groups. Raises StoreClosedError, and what it raises."""

    def __call__(self, work: Callable[[Keeper], _T], /) -> Awaitable[_T]:
        """What it returns."""


class OnReader(Protocol):
    """Runs something on a reader's thread. Raises StoreClosedError, UnavailableError, BadRequestError."""

    def __call__(self, work: Callable[[SqliteLog], _T], /) -> Awaitable[_T]:
        """What it returns."""


class SqliteLetters(Letters):
    """Opened and closed with the store."""

    shared = False

    def __init__(
        self,
        bounds: LetterBounds,
        damage: Damage,
        on_writer: OnWriter,
        on_reader: OnReader,
        now: Callable[[], Instant],
        origin: Callable[[], Cursor],
    ) -> None:
        """`now`: the times of the log. `origin`: any cursor of it."""
        self._bounds = bounds
        self._damage = damage
        self._on_writer = on_writer
        self._on_reader = on_reader
        self._now = now
        self._origin = origin
        #: Changed on the writer's thread alone.
        self._dropped: Mapping[Drop, int] = NOTHING_DROPPED

    async def begin(self, node: str, start: str) -> Begun:
        """Durable before it is answered, as each of these calls."""
        now = self._now()
        return await self._write(lambda log, rows: _turns(log, rows).begin(node, start, now))

    async def settle(self, turn: Turn) -> Settled:
        """Between two groups."""
        now = self._now()
        return await self._write(lambda log, rows: _turns(log, rows).settle(turn, now))

    async def keep(self, poison: Poison) -> bool:
        """Durable before it is answered: its source may forget it then."""
        now = self._now()
        return await self._write(lambda log, rows: rows.keep(poison, log.ends().newest, now))

    async def list(self, wanted: Wanted, after: str, count: int) -> LetterPage:
        """One SELECT."""
        return await self._on_reader(lambda log: letter_page(log.connection, wanted, after, count))

    async def get(self, letter_id: str) -> Letter | None:
        """One letter, checked."""
        letter, damaged = await self._on_reader(lambda log: letter_of(log.connection, letter_id))
        if damaged:
            self._damage.met(f"dead letter {letter_id} is not what was written")
        return letter

    async def drop(self, ids: Sequence[str]) -> int:
        """Allowed on a full disk."""
        return await self._write(lambda _, rows: rows.drop(ids), frees=True)

    async def erase(self, target: Channel) -> int:
        """In steps, between the commits of others; overwritten, not only let go."""
        erased = 0
        while gone := await self._write(lambda _, rows: rows.erase(target), frees=True, overwrites=True):
            erased += gone
        await self._on_writer(Keeper.empty_wal)
        return erased

    async def _write(self, work: Callable[[SqliteLog, LetterRows], _T], **how: bool) -> _T:
        origin = self._origin()

        def step(keeper: Keeper) -> _T:
            with keeper.transaction(**how) as log:
                rows = LetterRows(log.connection, origin, self._bounds, self._dropped)
                found = work(log, rows)
            self._dropped = rows.dropped
            return found

        return await self._on_writer(step)


def _turns(log: SqliteLog, rows: LetterRows) -> Turns:
    return Turns(rows, log.get, lambda: log.ends().newest)
