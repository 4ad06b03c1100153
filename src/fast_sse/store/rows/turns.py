"""Turns, applied: the rules in the head of `store.letters`, in their order, within one transaction of the caller.

Plain synchronous code over one connection. What is not here: how the log is read (`record_of`, `newest`), and what time it is.
Store time is the paced one (`pace`), which no step of the wall clock moves, but where a letter shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from fast_sse.model.cursor import Position
from fast_sse.model.letter import Reason
from fast_sse.model.message import Record
from fast_sse.store import letters as contract
from fast_sse.store.letters import (
    CURRENT_TURNS,
    SILENCE_S,
    Ack,
    Begun,
    Handed,
    Receipt,
    Settled,
    Turn,
    Turner,
)
from fast_sse.store.pace import Instant
from fast_sse.store.rows.letters import LetterRows

#: What letters of one turn may weigh until the bounds are applied once more, so that none of it grows without end.
_UNBOUND_BYTES = 8 << 20

Dead = tuple[Position, Reason, bool]


class _Told(msgspec.Struct, array_like=True, gc=False):
    """The body of a receipt."""

    handed: Sequence[Handed] = ()
    decided: Sequence[Position] = ()
    acks: Sequence[Ack] = ()

    def top(self) -> Position:
        """The last position in it, -1 when it has none."""
        handed = max((one.position for one in self.handed), default=-1)
        acked = max((one.position for one in self.acks), default=-1)
        return max(handed, acked, max(self.decided, default=-1))


class Applied(NamedTuple):
    """What a turn did, and the place below which nothing waits now."""

    dead: list[Dead]
    late: int
    decided: Position


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Told).decode


class _Listed(NamedTuple):
    """A turner on the list."""

    node: str
    start: str
    through: Position
    upto: Position | None
    decides: bool
    current: bool

    def may_have(self, position: Position) -> bool:
        """Whether it may have handed over what is there, and not told."""
        told = self.current and self.through >= position
        return not told and (self.upto is None or position <= self.upto)


class Turns:
    """What nodes tell, over the connection of the letters."""

    def __init__(
        self,
        letters: LetterRows,
        record_of: Callable[[Position], Record | None],
        newest: Callable[[], Position],
        last: Callable[[], Position] | None = None,
    ) -> None:
        """`record_of`: what the log has at a position. `newest`: its newest place. `last`: of its last record, where that may
        be another one; 0 for none.
        """
        self._letters = letters
        self._record_of = record_of
        self._newest = newest
        self._last = last or newest
        self._execute = letters.connection.execute

    def begin(self, node: str, start: str, at: Instant) -> Begun:
        """See `Letters.begin`."""
        decided, newest = self._decided(), self._newest()
        sql = "UPDATE turner SET upto = ? WHERE node = ? AND start <> ? AND upto IS NULL"
        self._execute(sql, (newest, node, start))
        sql = "INSERT OR IGNORE INTO turner VALUES (?, ?, -1, 0, NULL, 0, 1, ?, NULL)"
        self._execute(sql, (node, start, at.paced_ms))
        self._others_went_on(node, start, newest, at)
        seen = self._execute("SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'receipt'")
        return Begun(
            decided=decided,
            newest=newest,
            receipts=[one for *_, one in self._receipts("top > ?", decided)],
            seen=str(seen.fetchone()[0]),
            letters=self._letters.positions(),
            tally=self._letters.tally(),
        )

    def settle(self, turn: Turn, at: Instant) -> Settled:
        """See `Letters.settle`."""
        return self.answer(turn, at, self.apply(turn, at))

    def apply(self, turn: Turn, at: Instant, number: int | None = None) -> Applied:
        """Do what a turn says. `number`: of its receipt, above those before it; None for the next one."""
        decided, late = self._decided(), 0
        if self._is_known(turn):
            return Applied(self._dead_before(turn), late, decided)
        self._note(turn, at)
        listed = self._listed(turn, decided, at)
        late += self._letters.drop_at([one.position for one in turn.handed])
        dead = self._decide(turn, decided, listed, at)
        told = _Told(turn.handed, [position for position, *_ in dead], turn.acks)
        self._keep(turn, told, at, number)
        late += self._letters.drop(turn.late)
        decided = self._move(turn, decided, listed, at)
        self._letters.bound(at.paced_ms, len(dead))
        return Applied(dead, late, decided)

    def answer(self, turn: Turn, at: Instant, applied: Applied) -> Settled:
        """What its node is told of a turn that was just applied."""
        receipts, seen, more = self._heard(turn)
        turners = self._listed(turn, applied.decided, at)
        return Settled(
            dead=applied.dead,
            late=applied.late,
            receipts=receipts,
            seen=seen,
            more=more,
            turners=[
                Turner(node=t.node, start=t.start, through=t.through, current=t.current) for t in turners
            ],
            tally=self._letters.tally(),
        )

    # -- the place below which nothing waits --------------------------------------------------------

    def _decided(self) -> Position:
        """That place; on a log that is new to dead letters, and of a new epoch, the newest one, and what was told is gone."""
        epoch = self._letters.origin.epoch
        sql = "SELECT decided FROM post WHERE epoch = ? AND said IS json_array(epoch, decided)"
        found = self._execute(sql, (epoch,)).fetchone()
        if found is not None:
            return int(found[0])
        self._execute("DELETE FROM receipt")
        self._execute("DELETE FROM turner")
        self._execute("INSERT OR REPLACE INTO post VALUES (1, ?, ?, '')", (epoch, newest := self._newest()))
        return newest

    def _move(self, turn: Turn, decided: Position, listed: Sequence[_Listed], at: Instant) -> Position:
        """Move it up as far as the turn says and may; what nobody has to hear of any more goes."""
        may = turn.decides or not any(one.decides for one in listed)
        if may and turn.decided is not None and turn.decided > decided:
            decided = turn.decided
            self._execute("UPDATE post SET decided = ?", (decided,))
        alone = not self._others(turn, self._listed(turn, decided, at))
        sql = "DELETE FROM receipt WHERE top <= ? AND (until_ms < ? OR (? AND (n <= ? OR (node, start) = (?, ?))))"
        values = (decided, at.paced_ms, alone, _number(turn.seen), turn.node, turn.start)
        self._execute(sql, values)
        silent_ms = at.paced_ms - _silence_ms(turn)
        sql = "DELETE FROM turner WHERE time_ms <= ?1 AND (upto <= ?2 OR behind_ms <= ?1)"
        self._execute(sql, (silent_ms, decided))
        return decided

    # -- turners ------------------------------------------------------------------------------------

    def _is_known(self, turn: Turn) -> bool:
        sql = "SELECT 1 FROM turner WHERE node = ? AND start = ? AND number >= ?"
        return self._execute(sql, (turn.node, turn.start, turn.number)).fetchone() is not None

    def _note(self, turn: Turn, at: Instant) -> None:
        """Its times are those of now, and no other one's are later, as they would be once the clock is set back."""
        earlier = "UPDATE turner SET time_ms = min(time_ms, ?1), behind_ms = min(behind_ms, ?1)"
        self._execute(f"{earlier} WHERE time_ms > ?1 OR behind_ms > ?1", (at.paced_ms,))
        self._execute(
            """
            INSERT INTO turner VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, NULL) ON CONFLICT DO UPDATE SET
                number = ?3, through = ?4, upto = ifnull(?5, upto), every_ms = ?6, decides = ?7, time_ms = ?8, behind_ms = NULL
            """,
            (
                *(turn.node, turn.start, turn.number, turn.through, 0 if turn.goodbye else None),
                *(turn.every_ms, turn.decides, at.paced_ms),
            ),
        )
        self._others_went_on(turn.node, turn.start, turn.through, at)

    def _others_went_on(self, node: str, start: str, through: Position, at: Instant) -> None:
        """Who is not as far begins to be silent, if it has not yet. Of places without a record there is nothing to tell."""
        through = min(through, self._last())
        sql = "UPDATE turner SET behind_ms = ? WHERE behind_ms IS NULL AND through < ? AND (node, start) <> (?, ?)"
        self._execute(sql, (at.paced_ms, through, node, start))

    def _listed(self, turn: Turn, decided: Position, at: Instant) -> list[_Listed]:
        """The list."""
        sql = """
            SELECT node, start, through, upto, decides, number >= 0 AND time_ms >= ?1 - ?2 * every_ms FROM turner
            WHERE (upto IS NULL OR upto > ?3) AND (behind_ms IS NULL OR behind_ms > ?1 - ?4) ORDER BY node, start
        """
        values = (at.paced_ms, CURRENT_TURNS, decided, _silence_ms(turn))
        return [
            _Listed(node, start, through, upto, bool(decides), bool(current))
            for node, start, through, upto, decides, current in self._execute(sql, values)
        ]

    def _others(self, turn: Turn, listed: Sequence[_Listed]) -> bool:
        return any((one.node, one.start) != (turn.node, turn.start) for one in listed)

    # -- decisions ----------------------------------------------------------------------------------

    def _decide(self, turn: Turn, decided: Position, listed: Sequence[_Listed], at: Instant) -> list[Dead]:
        """Make letters of what is due, unless it is void."""
        if not turn.due:
            return []
        void = {one.position for one in turn.handed}
        for *_, receipt in self._receipts("n > ?", _number(turn.seen)):
            void.update(one.position for one in receipt.handed)
            void.update(receipt.decided)
        dead: list[Dead] = []
        unbound = 0
        for due in turn.due:
            position = due.position
            record = None if position <= decided or position in void else self._record_of(position)
            if record is None or record.fingerprint != due.fingerprint:
                continue
            maybe = any(one.may_have(position) for one in listed)
            reason = self._letters.add(record, at, maybe=maybe, node=turn.node, grace_s=turn.grace_s)
            if reason is None:
                continue
            dead.append((position, reason, maybe))
            unbound += len(record.data)
            if unbound > _UNBOUND_BYTES:
                unbound = 0
                self._letters.bound(at.paced_ms, len(dead))
        return dead

    def _dead_before(self, turn: Turn) -> list[Dead]:
        """What a turn that is known made letters of, as far as they are still there."""
        ids = [self._letters.origin.at(due.position, due.fingerprint).text for due in turn.due]
        sql = "SELECT seq, reason, maybe FROM letter WHERE id = ? AND node = ?"
        found = [self._execute(sql, (one, turn.node)).fetchone() for one in ids]
        return [(seq, reason, bool(maybe)) for seq, reason, maybe in filter(None, found)]

    # -- receipts -----------------------------------------------------------------------------------

    def _keep(self, turn: Turn, told: _Told, at: Instant, number: int | None) -> None:
        """Keep what a turn told and decided; `_move` takes what no other one has to know."""
        if (top := told.top()) >= 0:
            until_ms = at.paced_ms + CURRENT_TURNS * turn.every_ms
            sql = "INSERT INTO receipt (n, node, start, top, until_ms, body) VALUES (?, ?, ?, ?, ?, ?)"
            self._execute(sql, (number, turn.node, turn.start, top, until_ms, _encode(told)))

    def _heard(self, turn: Turn) -> tuple[list[Receipt], str, bool]:
        """What others told since, what was seen then, and whether there is more."""
        receipts: list[Receipt] = []
        size, seen = 0, _number(turn.seen)
        for n, length, start, receipt in self._receipts("n > ?", seen):
            if (receipt.node, start) != (turn.node, turn.start):
                if receipts and size + length > contract.RECEIPT_BYTES_MAX:
                    return receipts, str(seen), True
                receipts.append(receipt)
                size += length
            seen = n
        return receipts, str(seen), False

    def _receipts(self, where: str, value: int) -> Iterator[tuple[int, int, str, Receipt]]:
        """Number, size, start of the process, and receipt of those that match, in order. A damaged one says nothing."""
        sql = f"SELECT n, node, start, body FROM receipt WHERE {where} ORDER BY n"  # noqa: S608
        for n, node, start, body in self._execute(sql, (value,)):
            try:
                told = _decode(body)
            except msgspec.MsgspecError:
                told = _Told()
            yield (
                n,
                len(body),
                start,
                Receipt(node=node, handed=told.handed, decided=told.decided, acks=told.acks),
            )


def _number(seen: str) -> int:
    return int(seen) if seen else 0


def _silence_ms(turn: Turn) -> int:
    return int((2 * turn.grace_s + SILENCE_S) * 1000)
