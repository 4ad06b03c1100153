"""The rows of dead letters, written: made of records and of poison, removed, counted, bounded.

Plain synchronous code over one connection: the caller owns its thread and the transaction. So whatever one call does is one step,
and a caller that rolls back forgets the object, too: `dropped` then counts what is still there.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import merge
from typing import Any

import msgspec

from fast_sse.model.channel import Channel
from fast_sse.model.cursor import Cursor, Position
from fast_sse.model.letter import RAW_BYTES_MAX, Poison, Reason, describe, lineage_of
from fast_sse.model.message import Record
from fast_sse.store.letters import PAGE_MAX, Drop, LetterBounds, Tally
from fast_sse.store.pace import Instant
from fast_sse.store.record import OVERHEAD_BYTES, weight
from fast_sse.store.rows.body import body_of

#: Letters that one call removes for a bound beside as many as it brought in.
SPARE_MAX = 1_000

_MESSAGES: tuple[Reason, ...] = ("no_subscriber", "expired")
_POISON: tuple[Reason, ...] = ("poison",)
#: Of a store that was just opened.
NOTHING_DROPPED: Mapping[Drop, int] = {"count": 0, "bytes": 0, "age": 0}
_COLUMNS = (
    "seq, id, event_id, event_type, reason, description, published_ms, dead_ms, first_ms, attempts, original, maybe, node, "
    "size, source, sha, weight, from_ms, body"
)
_INSERT_SQL = f"INSERT OR IGNORE INTO letter ({_COLUMNS}) VALUES ({','.join('?' * 19)})"  # noqa: S608
_encode = msgspec.json.Encoder().encode


def head_of(origin: Cursor) -> str:
    """What the ids of all messages of a log begin with; those of other epochs and of poison do not."""
    return f"{origin.kind}.{origin.epoch}."


class LetterRows:
    """The letters over one connection, within a transaction of the caller."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        origin: Cursor,
        bounds: LetterBounds,
        dropped: Mapping[Drop, int] = NOTHING_DROPPED,
    ) -> None:
        """`origin`: any cursor of the log. `dropped`: what bounds took so far."""
        self.connection = connection
        self.origin = origin
        self.dropped = dict(dropped)
        self._execute = connection.execute
        self._bounds = bounds

    # -- made ---------------------------------------------------------------------------------------

    def add(self, record: Record, at: Instant, *, maybe: bool, node: str, grace_s: float) -> Reason | None:
        """Make a letter of a record that nobody was handed; its reason, None when it is one already."""
        letter_id = self.origin.at(record.position, record.fingerprint).text
        reason: Reason = "expired" if record.expired(at.time_ms) else "no_subscriber"
        lineage = lineage_of(record)
        values: tuple[Any, ...] = (
            *(record.position, letter_id, *record.channel, reason, describe(reason, grace_s)),
            *(record.time_ms, at.time_ms, lineage.first_ms or record.time_ms),
            *(lineage.attempts, lineage.original or letter_id, maybe, node),
            *(len(record.data) + len(record.headers), None, "", weight(record), at.paced_ms, body_of(record)),
        )
        return reason if self._execute(_INSERT_SQL, values).rowcount else None

    def keep(self, poison: Poison, newest: Position, at: Instant) -> bool:
        """Make a letter of poison, then apply the bounds. False: it is one already."""
        letter_id, raw, now_ms = poison.id, poison.raw[:RAW_BYTES_MAX], at.time_ms
        channel = poison.channel or (None, None)
        values: tuple[Any, ...] = (
            *(
                newest,
                letter_id,
                *channel,
                poison.reason,
                poison.description,
                now_ms,
                now_ms,
                now_ms,
                1,
                letter_id,
            ),
            *(False, poison.node, poison.size_bytes, _encode(poison.source).decode(), poison.sha256),
            *(len(raw) + OVERHEAD_BYTES, at.paced_ms, packed(raw)),
        )
        kept = bool(self._execute(_INSERT_SQL, values).rowcount)
        if kept:
            self.bound(at.paced_ms, 1)
        return kept

    # -- removed ------------------------------------------------------------------------------------

    def drop(self, ids: Sequence[str]) -> int:
        """Remove letters; how many were there."""
        if not ids:
            return 0
        sql = "DELETE FROM letter WHERE id IN (SELECT value FROM json_each(?))"
        return self._execute(sql, (_encode(ids).decode(),)).rowcount

    def drop_at(self, positions: Iterable[Position]) -> int:
        """Remove the letters of this epoch's messages at these positions; how many were there."""
        (top,) = self._execute("SELECT ifnull(max(seq), -1) FROM letter").fetchone()
        wanted = [position for position in positions if position <= top]
        if not wanted:
            return 0
        head = head_of(self.origin)
        sql = "DELETE FROM letter WHERE seq IN (SELECT value FROM json_each(?)) AND substr(id, 1, ?) = ?"
        return self._execute(sql, (_encode(wanted).decode(), len(head), head)).rowcount

    def erase(self, target: Channel) -> int:
        """Remove up to PAGE_MAX letters of exactly this channel; how many went."""
        sql = "SELECT id FROM letter WHERE event_id = ? AND event_type = ? LIMIT ?"
        return self.drop([one for (one,) in self._execute(sql, (*target, PAGE_MAX)).fetchall()])

    # -- counted and bounded ------------------------------------------------------------------------

    def tally(self) -> Tally:
        """The letters in numbers."""
        counted = self._execute("SELECT reason, letters, bytes FROM letter_count").fetchall()
        oldest = self._execute("SELECT dead_ms FROM letter ORDER BY from_ms, dead_ms LIMIT 1").fetchone()
        return Tally(
            by_reason={reason: letters for reason, letters, _ in counted},
            size_bytes=sum(size for *_, size in counted),
            oldest_ms=oldest[0] if oldest else 0,
            dropped=dict(self.dropped),
        )

    def positions(self) -> list[Position]:
        """Those of the letters of this epoch's messages."""
        head = head_of(self.origin)
        # Its index has the positions, too: no body is read.
        sql = "SELECT seq FROM letter INDEXED BY letter_id WHERE id >= ? AND id < ?"
        return [seq for (seq,) in self._execute(sql, (head, head[:-1] + "/"))]

    def bound(self, paced_ms: int, came: int) -> None:
        """Remove the oldest letters that are past a bound, at most SPARE_MAX for each beside those that came in."""
        bounds, gone_max = self._bounds, came + SPARE_MAX
        sql = "SELECT id FROM letter WHERE from_ms < ? ORDER BY from_ms LIMIT ?"
        aged = self._execute(sql, (paced_ms - int(bounds.max_age_s * 1000), gone_max)).fetchall()
        self.dropped["age"] += self.drop([one for (one,) in aged])
        self._shorten(_MESSAGES, bounds.max_count, bounds.max_bytes, gone_max)
        self._shorten(_POISON, bounds.poison_max, bounds.poison_bytes_max, gone_max)

    def _shorten(self, reasons: Sequence[Reason], count_max: int, bytes_max: int, gone_max: int) -> None:
        which = ",".join("?" * len(reasons))
        sql = f"SELECT sum(letters), sum(bytes) FROM letter_count WHERE reason IN ({which})"  # noqa: S608
        count, size = self._execute(sql, reasons).fetchone()
        gone: list[str] = []
        for _, letter_id, weighs in self._oldest(reasons) if count > count_max or size > bytes_max else ():
            if count > count_max:
                self.dropped["count"] += 1
            elif size > bytes_max:
                self.dropped["bytes"] += 1
            else:
                break
            gone.append(letter_id)
            if len(gone) == gone_max:
                break
            count, size = count - 1, size - weighs
        self.drop(gone)

    def _oldest(self, reasons: Sequence[Reason]) -> Iterator[tuple[Position, str, int]]:
        sql = "SELECT seq, id, weight FROM letter INDEXED BY letter_reason WHERE reason = ? ORDER BY seq, id"
        return merge(*(self._execute(sql, (reason,)) for reason in reasons))


def packed(raw: bytes) -> bytes:
    """Bytes of poison as a row keeps them: their CRC-32 first."""
    return zlib.crc32(raw).to_bytes(4, "big") + raw


def unpacked(body: bytes) -> bytes | None:
    """Bytes of poison, None when they are not what was written."""
    raw = body[4:]
    return raw if packed(raw) == body else None
