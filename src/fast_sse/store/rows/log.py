"""The log in SQLite as plain synchronous code over one connection: rows, reads, keys, losses.

Whoever owns the connection owns the thread and the transaction. The SQLite store writes through one and reads
through others; Kafka's local view inserts records with positions and fingerprints given elsewhere.

Python's sqlite3 lets go of the GIL around every `sqlite3_step`, and beside a busy event loop each way back may
cost a switch interval (5 ms). So nothing here steps row by row: a group is one INSERT of many rows, a page is
one SELECT whose single row holds every body, joined. One SELECT is also one snapshot: the ends of the log that
a cursor is judged by are those the records came from.

What a body is, `body` knows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from fast_sse.model.channel import Channel
from fast_sse.model.cursor import Position
from fast_sse.model.message import Record
from fast_sse.store.dedup import Known
from fast_sse.store.judge import Ends
from fast_sse.store.pace import Times
from fast_sse.store.ranges import Range
from fast_sse.store.record import OVERHEAD_BYTES
from fast_sse.store.rows import pages
from fast_sse.store.rows.body import records_of, records_of_page

#: The largest integer SQLite can hold.
INTEGER_MAX = (1 << 63) - 1
#: Values of one row of `entry`: six of a record, three of a key.
ENTRY_VALUES = 9
KEY_VALUES = 3
_NO_RECORD = (None, None, None, None, None)
#: The time that a record's age counts from is told apart from its own only when they differ by more.
_SAME_MS = 1_000
_NO_KEY = (None, None, None)
#: Rows of one INSERT: every size up to the first is a cached statement of its own, then these, filled up with rows of nothing.
_ROWS_DIRECT = 64
_ROWS_LARGE = (96, 128, 192, 256, 384, 512, 768, 1024)
#: Rows that one statement, and so one transaction without BEGIN, takes at most.
ENTRIES_MAX = _ROWS_LARGE[-1]
_LOOKUP_SIZES = (1, 4, 16, 64, 256)
#: What is joined for a page at most, as so many times the page's own bound, and at least.
_JOINED_PAGES_MAX = 2
_JOINED_BYTES_MIN = 64 << 10
#: Pages that are cut at once after one that was too heavy to be joined: large messages come in runs.
_CUT_PAGES = 8

_decode_pairs = msgspec.json.Decoder(list[tuple[int, int]]).decode
_decode_known = msgspec.json.Decoder(list[tuple[str, int, str, int]]).decode
_decode_oldest = msgspec.json.Decoder(list[tuple[int, int, int]]).decode


class Found(NamedTuple):
    """A page as the snapshot had it.

    `full`: more may match above the last record; else the scan reached the newest. `damaged`: the position of a
    record that cannot be read, when it would have been the first; a page ends before any other.
    """

    ends: Ends
    records: list[Record]
    full: bool
    damaged: Position | None = None


class Totals(NamedTuple):
    """What retention is measured by."""

    messages: int
    bytes: int


def add_entry(
    values: list[Any],
    record: Record,
    body: bytes,
    keys: Sequence[tuple[bytes, Known]] = (),
    paced_ms: int | None = None,
) -> None:
    """Append a record and its keys to the values of an INSERT. `paced_ms`: what its age counts from, if not from its time."""
    if paced_ms is not None and -_SAME_MS <= paced_ms - record.time_ms <= _SAME_MS:
        paced_ms = None
    # A control record is found by its place in the log and by no filter.
    event_id, event_type = ("", "") if record.is_control else record.channel
    values += (record.position, event_id, event_type, record.time_ms, body, paced_ms)
    if not keys:
        values += _NO_KEY
        return
    digest, known = keys[0]
    values += (digest, known.body_sha256, known.expires_ms)
    if len(keys) > 1:
        add_keys(values, keys[1:])


def add_keys(values: list[Any], keys: Sequence[tuple[bytes, Known]]) -> None:
    """Append keys alone to the values of an INSERT."""
    for digest, known in keys:
        values += (known.position, *_NO_RECORD, digest, known.body_sha256, known.expires_ms)


class SqliteLog:
    """The statements over one connection in autocommit mode; a transaction is opened by the caller."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute = connection.execute
        self.connection = connection
        self._cut_next = 0

    # -- writing ------------------------------------------------------------------------------------

    def insert(self, values: list[Any]) -> None:
        """Insert entries given as their values, end to end. Up to `ENTRIES_MAX` of them are one statement.

        Raises:
            sqlite3.IntegrityError: a key is stored already, even one past its window.
        """
        for start in range(0, len(values), ENTRIES_MAX * ENTRY_VALUES):
            part = values[start : start + ENTRIES_MAX * ENTRY_VALUES]
            rows = len(part) // ENTRY_VALUES
            if rows > _ROWS_DIRECT:
                size = next(size for size in _ROWS_LARGE if size >= rows)
                part += [None] * ((size - rows) * ENTRY_VALUES)
                rows = size
            self._execute(_insert_sql(rows), part)

    def known(self, digests: Sequence[bytes]) -> dict[bytes, Known]:
        """Which of these keys are stored, those past their window included."""
        found: dict[bytes, Known] = {}
        for start in range(0, len(digests), _LOOKUP_SIZES[-1]):
            part = list(digests[start : start + _LOOKUP_SIZES[-1]])
            size = next(size for size in _LOOKUP_SIZES if size >= len(part))
            part += part[-1:] * (size - len(part))
            (text,) = self._execute(_known_sql(size), part).fetchone()
            for digest, seq, sha, expires_ms in _decode_known(text):
                found[bytes.fromhex(digest)] = Known(seq, bytes.fromhex(sha), expires_ms)
        return found

    def forget_keys(self, digests: Sequence[bytes]) -> None:
        """Remove these keys, so that they can be given anew."""
        self.connection.executemany("DELETE FROM key WHERE digest = ?", [(digest,) for digest in digests])

    def set_epoch(self, epoch: str) -> None:
        """Begin a new epoch: nobody holds a cursor of it yet, so no loss concerns it."""
        self._execute("UPDATE mark SET epoch = ?", (epoch,))
        self._execute("DELETE FROM loss")

    def add_loss(self, lower: Position, upper: Position) -> None:
        """Record that what lies strictly between may have been given and is lost."""
        self._execute("INSERT INTO loss VALUES (?, ?)", (lower, upper))

    def trim_to(self, position: Position, totals: Totals) -> None:
        """Remove everything up to `position`; what remains counts `totals`. Losses below are told as trimmed."""
        self.set_trimmed(position)
        self._execute("DELETE FROM log WHERE seq <= ?", (position,))
        self._execute("DELETE FROM loss WHERE upper <= ?", (position,))
        self.save_totals(totals)

    def set_trimmed(self, position: Position) -> None:
        """Move the trim mark over records that are still there, so that their time becomes its own."""
        latest = "(SELECT max(time_ms) FROM log WHERE seq <= ?1)"
        sql = f"UPDATE mark SET trimmed = ?1, trimmed_ms = max(ifnull(trimmed_ms, 0), {latest})"  # noqa: S608
        self._execute(sql, (position,))

    def erase(self, target: Channel, below: Position, count_max: int) -> Totals:
        """Overwrite up to `count_max` records of exactly this channel before a position; what went."""
        first = "SELECT seq FROM log INDEXED BY log_channel WHERE id = ? AND type = ? AND seq < ? ORDER BY seq LIMIT ?"
        place = (*target, below, count_max)
        sum_sql = f"SELECT count(*), ifnull(sum(length(body) + {OVERHEAD_BYTES}), 0) FROM log WHERE seq IN ({first})"  # noqa: S608
        gone = Totals(*self._execute(sum_sql, place).fetchone())
        self._execute(f"DELETE FROM log WHERE seq IN ({first})", place)  # noqa: S608
        return gone

    def save_totals(self, totals: Totals) -> None:
        """Note what the log counts now, so that opening it need not read it all."""
        self._execute(
            "UPDATE mark SET counted = (SELECT ifnull(max(seq), trimmed) FROM log), messages = ?, bytes = ?",
            totals,
        )

    def distrust_totals(self) -> None:
        """Have all counted anew when some of what was counted went with a lost tail: what comes to stand above it hides that."""
        self._execute(
            "UPDATE mark SET counted = 0, messages = 0, bytes = 0 "
            "WHERE counted > (SELECT ifnull(max(seq), trimmed) FROM log)"
        )

    def forget_expired_keys(self, now_ms: int, count_max: int) -> int:
        """Remove up to `count_max` keys past their window; how many went."""
        return self._forget("WHERE expires_ms <= ?", now_ms, count_max)

    def forget_oldest_keys(self, count: int) -> int:
        """Remove the keys that would have ended first; how many went."""
        return self._forget("WHERE ? < expires_ms", -1, count)

    def _forget(self, where: str, limit: int, count: int) -> int:
        sql = f"DELETE FROM key WHERE digest IN (SELECT digest FROM key {where} ORDER BY expires_ms, digest LIMIT ?)"  # noqa: S608
        return self._execute(sql, (limit, count)).rowcount

    def keep(self, times: Times) -> None:
        """Keep what time it is: where nobody reads but the next process, so this proves a write, too."""
        self._execute("UPDATE probe SET boot = ?, boot_ms = ?, time_ms = ?, paced_ms = ?", times)

    def kept(self) -> Times | None:
        """What time it was when somebody last said; None in a log of which nobody did."""
        found = self._execute("SELECT boot, boot_ms, time_ms, paced_ms FROM probe").fetchone()
        return Times(*found) if found[3] else None

    def add_erasing(self, target: Channel, below: Position) -> None:
        """Note that a channel is being erased: what is before a position goes."""
        self._execute("INSERT INTO erasing VALUES (?, ?, ?)", (*target, below))

    def end_erasing(self, target: Channel, below: Position) -> None:
        """Nothing of it is left."""
        self._execute("DELETE FROM erasing WHERE id = ? AND type = ? AND below <= ?", (*target, below))

    def erasing(self) -> list[tuple[Channel, Position]]:
        """What was being erased when the log was last written."""
        return [
            (Channel(*row[:2]), row[2])
            for row in self._execute("SELECT id, type, below FROM erasing ORDER BY below").fetchall()
        ]

    # -- reading ------------------------------------------------------------------------------------

    def last_ms(self) -> int:
        """The time of the newest record, that of the trim mark when there is none: the next one's is not below."""
        newest = "(SELECT time_ms FROM log ORDER BY seq DESC LIMIT 1)"
        return int(self._execute(f"SELECT ifnull({newest}, ifnull(trimmed_ms, 0)) FROM mark").fetchone()[0])  # noqa: S608

    def epoch(self) -> str:
        """The epoch, empty in a file that was just made."""
        return str(self._execute("SELECT epoch FROM mark").fetchone()[0])

    def ends(self) -> Ends:
        """The ends of the log and every loss."""
        losses = "(SELECT json_group_array(json_array(lower, upper)) FROM loss)"
        trimmed, newest, text = self._execute(
            f"SELECT trimmed, {pages.NEWEST}, {losses} FROM mark"  # noqa: S608
        ).fetchone()
        return Ends(trimmed, newest, tuple(_decode_pairs(text)))

    def page(self, wanted: Sequence[Range], after: Position, records_max: int, bytes_max: int) -> Found:
        """Matching records above `after`, ascending; at least one when one matches. Only losses around `after` are told."""
        after = min(after, INTEGER_MAX)
        values: list[Any] = []
        for one in wanted:
            values += (*(part for part in one if part is not None), after, records_max)
        values += (records_max, after, after)
        shape = pages.shape_of(wanted)
        whole = self._whole_page(shape, values, bytes_max)
        if whole is not None:
            trimmed, newest, losses, hits, records = whole
            damaged = None
        else:  # much too heavy for one page, or damaged: a second look, a row at a time
            found = self._execute(pages.cut_sql(shape), (*values, bytes_max)).fetchone()
            trimmed, newest, losses, hits, text, bodies = found
            records, damaged = records_of(_decode_pairs(text), bodies)
        full = hits == records_max or len(records) < hits
        damaged = None if records else damaged
        return Found(Ends(trimmed, newest, tuple(_decode_pairs(losses))), records, full, damaged)

    def _whole_page(
        self, shape: pages.Shape, values: list[Any], bytes_max: int
    ) -> tuple[Position, Position, str, int, list[Record]] | None:
        """Ends, losses, number of hits, and the records; None when it is much more than a page, or one is damaged."""
        if self._cut_next:
            self._cut_next -= 1
            return None
        limit = self.connection.setlimit
        usual = limit(sqlite3.SQLITE_LIMIT_LENGTH, -1)  # asks only
        joined_max = max(_JOINED_BYTES_MIN, _JOINED_PAGES_MAX * bytes_max)
        limit(sqlite3.SQLITE_LIMIT_LENGTH, min(usual, joined_max))
        try:
            found = self._execute(pages.whole_sql(shape), (*values, pages.JOINT)).fetchone()
        except sqlite3.DataError:  # "string or blob too big"
            self._cut_next = _CUT_PAGES
            return None
        finally:
            limit(sqlite3.SQLITE_LIMIT_LENGTH, usual)
        trimmed, newest, losses, hits, sizes, joined, positions_sum = found
        records = records_of_page(sizes, joined, positions_sum, bytes_max) if hits else []
        return None if records is None else (trimmed, newest, losses, hits, records)

    def nth_from_end(self, wanted: Sequence[Range], count: int) -> tuple[Position | None, Position]:
        """The position of the first of the last `count` matching records (None when none matches), and the newest."""
        values: list[Any] = []
        for one in wanted:
            values += (*(part for part in one if part is not None), count)
        first, newest = self._execute(pages.last_sql(pages.shape_of(wanted)), (*values, count)).fetchone()
        return first, newest

    def get(self, position: Position) -> Record | None:
        """The record at a position, None when there is none that can be read."""
        if position > INTEGER_MAX:
            return None
        found = self._execute("SELECT body FROM log WHERE seq = ?", (position,)).fetchone()
        return next(iter(records_of([(position, len(found[0]))], found[0])[0]), None) if found else None

    def oldest(self, count: int) -> list[tuple[Position, int, int]]:
        """Position, the time that its age counts from, and weight of the first rows."""
        first = "SELECT seq, ifnull(paced_ms, time_ms) AS time_ms, length(body) AS size FROM log ORDER BY seq LIMIT ?"
        sql = f"SELECT json_group_array(json_array(seq, time_ms, size + {OVERHEAD_BYTES})) FROM ({first})"  # noqa: S608
        return sorted(_decode_oldest(self._execute(sql, (count,)).fetchone()[0]))

    def totals(self) -> Totals:
        """What the log holds: what was counted once (see `distrust_totals`) and what came since."""
        sum_sql = f"SELECT count(*), ifnull(sum(length(body) + {OVERHEAD_BYTES}), 0) FROM log WHERE seq > ?"  # noqa: S608
        counted, messages, size = self._execute("SELECT counted, messages, bytes FROM mark").fetchone()
        more_messages, more_size = self._execute(sum_sql, (counted,)).fetchone()
        return Totals(messages + more_messages, size + more_size)

    def oldest_keys(self, count: int) -> list[tuple[int, bytes]]:
        """When the keys end that end first, and their digests, ascending."""
        sql = "SELECT expires_ms, digest FROM key ORDER BY expires_ms, digest LIMIT ?"
        return self._execute(sql, (count,)).fetchall()

    def keys(self) -> int:
        """How many keys are stored."""
        return int(self._execute("SELECT count(*) FROM key").fetchone()[0])


@lru_cache(maxsize=256)
def _insert_sql(rows: int) -> str:
    one = "(" + ",".join("?" * ENTRY_VALUES) + ")"
    return "INSERT INTO entry VALUES " + ",".join([one] * rows)  # noqa: S608


@lru_cache(maxsize=8)
def _known_sql(size: int) -> str:
    wanted = ",".join("?" * size)
    return (
        "SELECT json_group_array(json_array(hex(digest), seq, hex(sha), expires_ms)) "  # noqa: S608
        f"FROM key WHERE digest IN ({wanted})"
    )
