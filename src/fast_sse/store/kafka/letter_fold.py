"""Dead letters in the view: what control entries of the topic make of them, by the rules of `store.letters`.

Everything follows from the topic: the place of an entry says which receipts are before it, its LogAppendTime is the store
time, and `seen` of a turn names an entry as a cursor does. So every node comes to the same letters, as far as
their bounds are the same, and a view that is made again, too.

Where a view begins in the middle of a topic, nothing is missing that counts: a message precedes what is told of it, so
whose turns went with retention went before. Only a process that was idle for as long is not on the list of such a view.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from fast_sse.model.cursor import NO_FINGERPRINT, Cursor, Position, parse_cursor
from fast_sse.model.errors import FastSseError, UnavailableError
from fast_sse.model.letter import Poison, Source
from fast_sse.model.message import Draft, Record
from fast_sse.store.base import Appended
from fast_sse.store.kafka.controls import Begins, Dropped, ShortPoison, Told, said_by
from fast_sse.store.kafka.entry import TopicEntry, fingerprint_of
from fast_sse.store.kafka.fold import Answered, FoldedGroup, Raw
from fast_sse.store.letters import Begun, Drop, LetterBounds
from fast_sse.store.pace import Instant
from fast_sse.store.rows.connect import overwriting
from fast_sse.store.rows.letters import LetterRows
from fast_sse.store.rows.log import SqliteLog
from fast_sse.store.rows.turns import Turns


class LetterAnswer(Appended, frozen=True, gc=False):
    """A control entry that was read back, and what it came to."""

    answer: Any = None


class LetterFold:
    """Takes the control entries of one group, within its transaction and with its records in the log.

    `erased` afterwards: whether a channel's letters were overwritten.
    """

    def __init__(
        self,
        log: SqliteLog,
        origin: Cursor,
        bounds: LetterBounds,
        dropped: Mapping[Drop, int],
        *,
        queue: str,
        print_at: Callable[[Position], str | None],
    ) -> None:
        """`queue`: the topic's name. `print_at`: the fingerprint of a place of the topic."""
        self.rows = LetterRows(log.connection, origin, bounds, dropped)
        self.erased = False
        self._log = log
        self._execute = log.connection.execute
        self._origin = origin
        self._queue = queue
        self._print_at = print_at
        self._place: Position = 0
        self._turns = Turns(self.rows, self._record_of, self._newest, self._last)

    def take(self, raw: Raw, entry: TopicEntry | None, *, answered: bool) -> Answered | None:
        """Do what the next one says; its answer, if it is to be `answered`. Without an entry it cannot be read."""
        self._place = raw.offset + 1
        at = Instant(raw.time_ms, raw.time_ms, raw.time_ms)
        if entry is None:
            self._keep(self._unreadable(raw), at)
            return None
        told = self._told(entry.draft, at, answered=answered)
        if told is None or not answered:
            return None
        fingerprint = fingerprint_of(entry.token)
        if not isinstance(told, FastSseError):
            told = LetterAnswer(self._origin.at(self._place, fingerprint), answer=told)
        return Answered(entry.token, self._place, fingerprint, told=told)

    def _told(self, draft: Draft, at: Instant, *, answered: bool) -> Any:
        """What an entry comes to; None where it says nothing to us."""
        match said_by(draft):
            case (Begins() | Told()) as said if said.epoch != self._origin.epoch:
                return UnavailableError("the topic was deleted and made again")
            case Begins() as said:
                return self._begin(said, at)
            case Told() as said:
                return self._settle(said, at, answered=answered)
            case ShortPoison() as said:
                return self._keep(said, at)
            case Dropped(ids=None):
                return self._erase(draft)
            case Dropped(ids=ids):
                return self.rows.drop(ids or ())
        return None

    # -- turns --------------------------------------------------------------------------------------

    def _begin(self, said: Begins, at: Instant) -> Begun:
        self._know_place(first=said.first)
        begun = self._turns.begin(said.node, said.start, at)
        trimmed = self._log.ends().trimmed
        return replace(begun, decided=max(begun.decided, trimmed), seen=self._seen(self._place))

    def _settle(self, said: Told, at: Instant, *, answered: bool) -> Any:
        turn = said.turn()
        if turn is None:
            return None
        self._know_place(first=False)
        turn = replace(turn, seen=str(self._seen_place(turn.seen)))
        applied = self._turns.apply(turn, at, self._place)
        if not answered:
            return None
        settled = self._turns.answer(turn, at, applied)
        return replace(settled, seen=self._seen(int(settled.seen)))

    def _know_place(self, *, first: bool) -> None:
        """Have a place below which nothing waits: on a log that is new to dead letters the newest one, which `Turns` takes.

        A view that merely begins later than the first process did begins with none: turns move it.
        """
        sql = "SELECT epoch, said IS json_array(epoch, decided) FROM post"
        epoch, sound = self._execute(sql).fetchone() or ("", False)
        if epoch and not sound:
            raise sqlite3.DatabaseError("the row of `post` is damaged")
        if epoch != self._origin.epoch and not first:
            self._execute("UPDATE post SET epoch = ?, decided = 0", (self._origin.epoch,))

    def _seen(self, place: Position) -> str:
        """Named as a cursor, so that nobody takes it for one of another topic, or of an entry that was lost."""
        return self._origin.at(place, self._print_at(place) or NO_FINGERPRINT).text

    def _seen_place(self, seen: str) -> Position:
        """Up to where receipts were heard, 0 where the topic has no such place, or lost it and gave it again."""
        cursor = parse_cursor(seen)
        if cursor is None or cursor.epoch != self._origin.epoch:
            return 0
        gone = cursor.position <= self._log.ends().trimmed
        return cursor.position if gone or self._print_at(cursor.position) == cursor.fingerprint else 0

    def _record_of(self, position: Position) -> Record | None:
        """A record before the entry that is taken."""
        record = self._log.get(position) if position < self._place else None
        return None if record is None or record.is_control else record

    def _newest(self) -> Position:
        sql = "SELECT ifnull((SELECT max(seq) FROM log WHERE seq < ?), trimmed) FROM mark"
        return int(self._execute(sql, (self._place,)).fetchone()[0])

    def _last(self) -> Position:
        """Below the newest place where the topic let go of everything: a view that is new then begins where the topic does."""
        sql = "SELECT ifnull(max(seq), 0) FROM log WHERE seq < ?"
        return int(self._execute(sql, (self._place,)).fetchone()[0])

    # -- letters ------------------------------------------------------------------------------------

    def _keep(self, poison: Poison, at: Instant) -> bool:
        """Keep poison where it stands in the topic, the newest place there is.

        What is there already moves to this place: a view that begins between both entries has it there, too.
        """
        known = self.rows.drop([poison.id])
        return self.rows.keep(poison, self._place, at) and not known

    def _unreadable(self, raw: Raw) -> Poison:
        return Poison(
            source=Source("log", self._queue, str(raw.offset)),
            raw=raw.value or b"",
            description="an entry of the log that is not a message",
        )

    def _erase(self, draft: Draft) -> int:
        erased = 0
        with overwriting(self._execute):
            while gone := self.rows.erase(draft.channel):
                erased += gone
        self.erased = self.erased or bool(erased)
        return erased


def with_counts(group: FoldedGroup, origin: Cursor) -> list[Answered]:
    """The answers of a group, that of an erasure with the number of records that went."""
    return [
        one._replace(
            told=LetterAnswer(origin.at(one.position, one.fingerprint), answer=group.erased[one.position])
        )
        if one.position in group.erased
        else one
        for one in group.answers
    ]


def trim_letters(log: SqliteLog, low: Position, count_max: int) -> int:
    """One step of removing the letters and receipts whose entries the topic let go; how many letters went."""
    execute = log.connection.execute
    execute("DELETE FROM receipt WHERE n <= ?", (low,))
    sql = "DELETE FROM letter WHERE id IN (SELECT id FROM letter WHERE seq <= ? ORDER BY seq LIMIT ?)"
    return execute(sql, (low, count_max)).rowcount


def cut_letters(log: SqliteLog, position: Position) -> None:
    """The topic lost what lies above a place: so do letters and receipts, and whoever told of it has told nothing."""
    execute = log.connection.execute
    execute("DELETE FROM letter WHERE seq > ?", (position,))
    execute("DELETE FROM receipt WHERE n > ?", (position,))
    execute("UPDATE turner SET number = -1, through = ?1 WHERE through > ?1", (position,))
    execute("UPDATE turner SET upto = ?1 WHERE upto > ?1", (position,))
    execute("UPDATE post SET decided = ?1 WHERE decided > ?1", (position,))
