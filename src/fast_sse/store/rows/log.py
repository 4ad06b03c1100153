"""The log in SQLite as plain synchronous code over one connection: rows, reads, keys, losses.

Whoever owns the connection owns the thread and the transaction. The SQLite store writes through one and reads
through others; Kafka's local view inserts records with positions and fingerprints given elsewhere.

Python's sqlite3 lets go of the GIL around every `sqlite3_step`, and beside a busy event loop each way back may
cost a switch interval (5 ms). So nothing here steps row by row: a group is one INSERT of many rows (`entries`), a page is
one SELECT whose single row holds every body, joined (`pages`). One SELECT is also one snapshot: the ends of the log that
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
from fast_sse.store.rows import channels
from fast_sse.store.rows.body import records_of
from fast_sse.store.rows.checksums import PACED_MS, key_checksum
from fast_sse.store.rows.entries import inserts
from fast_sse.store.rows.pages import INTEGER_MAX, Found, Pages
from fast_sse.store.rows.schema import SAID
from fast_sse.store.rows.statements import NEWEST

_LOOKUP_SIZES = (1, 4, 16, 64, 256)

_decode_pairs = msgspec.json.Decoder(list[tuple[int, int]]).decode
_decode_known = msgspec.json.Decoder(list[tuple[str, int, str, int, int]]).decode
_decode_oldest = msgspec.json.Decoder(list[tuple[int, int, int]]).decode


class Totals(NamedTuple):
    """What retention is measured by."""

    messages: int
    bytes: int


class SqliteLog:
    """The statements over one connection in autocommit mode; a transaction is opened by the caller."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute = connection.execute
        self.connection = connection
        self._pages = Pages(connection)
        #: Keys that were asked for and are not what was written.
        self.keys_damaged = 0

    # -- writing ------------------------------------------------------------------------------------

    def insert(self, values: list[Any]) -> None:
        """Insert entries given as their values, end to end. Up to `ENTRIES_MAX` of them are one statement.

        Raises:
            sqlite3.IntegrityError: a key is stored already, even one past its window.
        """
        for sql, part in inserts(values):
            self._execute(sql, part)

    def known(self, digests: Sequence[bytes]) -> dict[bytes, Known]:
        """Which of these keys are stored, those past their window included; a damaged one counts as past it."""
        found: dict[bytes, Known] = {}
        for start in range(0, len(digests), _LOOKUP_SIZES[-1]):
            part = list(digests[start : start + _LOOKUP_SIZES[-1]])
            size = next(size for size in _LOOKUP_SIZES if size >= len(part))
            part += part[-1:] * (size - len(part))
            (text,) = self._execute(_known_sql(size), part).fetchone()
            for digest_hex, seq, sha_hex, expires_ms, checksum in _decode_known(text):
                digest, sha = bytes.fromhex(digest_hex), bytes.fromhex(sha_hex)
                if key_checksum(digest, seq, sha, expires_ms) != checksum:
                    self.keys_damaged += 1
                    expires_ms = 0
                found[digest] = Known(seq, sha, expires_ms)
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
        self._execute("INSERT INTO loss (lower, upper) VALUES (?, ?)", (lower, upper))

    def mend_mark(self) -> bool:
        """Where the mark or a loss is not what was written, make a mark of the records that are there; whether it had to.

        What was trimmed or lost is not known then: a new epoch is due, which names a gap to everybody.
        """
        if not {"mark", "loss"} & set(self.unsound()):
            return False
        for sql in ("DELETE FROM loss", "DELETE FROM mark"):
            self._execute(sql)
        first = "(SELECT ifnull(min(seq) - 1, 0) FROM log)"
        sql = f"INSERT INTO mark (one, epoch, trimmed, counted, messages, bytes) VALUES (1, '', {first}, 0, 0, 0)"  # noqa: S608
        self._execute(sql)
        return True

    def trim_to(self, position: Position, totals: Totals) -> list[Channel]:
        """Remove everything up to `position`; what remains counts `totals`. Losses below count as trimmed.

        Which channels were forgotten with their last record.
        """
        self.set_trimmed(position)
        forgotten = self.forget_up_to(position)
        self._execute("DELETE FROM log WHERE seq <= ?", (position,))
        self._execute("DELETE FROM loss WHERE upper <= ?", (position,))
        self.save_totals(totals)
        return forgotten

    def set_trimmed(self, position: Position) -> None:
        """Move the trim mark over records that are still there, so that their time becomes its own."""
        latest = "(SELECT max(time_ms) FROM log WHERE seq <= ?1)"
        sql = f"UPDATE mark SET trimmed = ?1, trimmed_ms = max(ifnull(trimmed_ms, 0), {latest})"  # noqa: S608
        self._execute(sql, (position,))

    def erase(self, target: Channel, below: Position, count_max: int) -> Totals:
        """Overwrite up to `count_max` records of exactly this channel before a position; what went."""
        first = FIRST_OF_CHANNEL_SQL
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
        sound = _sound("probe")
        found = self._execute(f"SELECT boot, boot_ms, time_ms, paced_ms FROM probe WHERE {sound}").fetchone()  # noqa: S608
        return Times(*found) if found and found[3] else None

    def add_erasing(self, target: Channel, below: Position) -> None:
        """Note that a channel is being erased: what is before a position goes."""
        self._execute("INSERT INTO erasing (id, type, below) VALUES (?, ?, ?)", (*target, below))

    def end_erasing(self, target: Channel, below: Position) -> None:
        """Nothing of it is left."""
        self._execute("DELETE FROM erasing WHERE id = ? AND type = ? AND below <= ?", (*target, below))

    def erasing(self) -> list[tuple[Channel, Position]]:
        """What was being erased when the log was last written. A damaged row erases nothing."""
        sql = f"SELECT id, type, below FROM erasing WHERE {_sound('erasing')} ORDER BY below"  # noqa: S608
        return [(Channel(*row[:2]), row[2]) for row in self._execute(sql).fetchall()]

    def unsound(self) -> list[str]:
        """Tables of those that say everything twice in which both differ, or a row is missing."""
        one_row = " UNION ALL ".join(
            f"SELECT '{table}' WHERE (SELECT count(*) FROM {table}) <> 1"  # noqa: S608
            for table in ("mark", "probe", "post")
        )
        differ = " UNION ALL ".join(
            f"SELECT '{table}' FROM {table} WHERE NOT {_sound(table)}"  # noqa: S608
            for table in SAID
        )
        return sorted({table for (table,) in self._execute(f"{one_row} UNION ALL {differ}").fetchall()})

    # -- channels -----------------------------------------------------------------------------------

    def numbers(self, wanted: Sequence[Channel]) -> list[tuple[Channel, int]]:
        """The numbers of those channels that have one."""
        return channels.numbers_of(self.connection, wanted)

    def forget_up_to(self, position: Position) -> list[Channel]:
        """Forget the channels whose last record is one of those up to a position, which are still there; which they were."""
        return channels.forget_up_to(self.connection, position)

    def forget_empty(self, channel: Channel | None = None) -> list[Channel]:
        """Forget this channel if it has no records, or all that have none; which were forgotten."""
        return channels.forget_empty(self.connection, channel)

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
            f"SELECT trimmed, {NEWEST}, {losses} FROM mark"  # noqa: S608
        ).fetchone()
        return Ends(trimmed, newest, tuple(_decode_pairs(text)))

    def page(self, wanted: Sequence[Range], after: Position, records_max: int, bytes_max: int) -> Found:
        """Matching records above `after`, ascending; at least one when one matches. Only losses around `after` are told."""
        return self._pages.page(wanted, after, records_max, bytes_max)

    def nth_from_end(self, wanted: Sequence[Range], count: int) -> tuple[Position | None, Position]:
        """The position of the first of the last `count` matching records (None when none matches), and the newest."""
        return self._pages.nth_from_end(wanted, count)

    def get(self, position: Position) -> Record | None:
        """The record at a position, None when there is none that can be read."""
        if position > INTEGER_MAX:
            return None
        found = self._execute("SELECT body FROM log WHERE seq = ?", (position,)).fetchone()
        return next(iter(records_of([(position, len(found[0]))], found[0])[0]), None) if found else None

    def oldest(self, count: int, through: Position | None = None) -> list[tuple[Position, int, int]]:
        """Position, the time that its age counts from, and weight of the first rows, none of them after `through`."""
        first = f"SELECT seq, ifnull({PACED_MS}, time_ms) AS time_ms, length(body) AS size FROM log WHERE seq <= ? ORDER BY seq LIMIT ?"  # noqa: S608
        sql = f"SELECT json_group_array(json_array(seq, time_ms, size + {OVERHEAD_BYTES})) FROM ({first})"  # noqa: S608
        return sorted(
            _decode_oldest(
                self._execute(sql, (INTEGER_MAX if through is None else through, count)).fetchone()[0]
            )
        )

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


#: The places of the first records of a channel, by its name, before a place.
FIRST_OF_CHANNEL_SQL = (
    "SELECT seq FROM log INDEXED BY log_channel "
    "WHERE channel = (SELECT number FROM channel WHERE id = ? AND type = ?) AND seq < ? ORDER BY seq LIMIT ?"
)


def _sound(table: str) -> str:
    """Whether a row says the same thing twice."""
    return f"(said IS json_array({SAID[table]}))"


@lru_cache(maxsize=8)
def _known_sql(size: int) -> str:
    wanted = ",".join("?" * size)
    return (
        "SELECT json_group_array(json_array(hex(digest), seq, hex(sha), expires_ms, checksum)) "  # noqa: S608
        f"FROM key WHERE digest IN ({wanted})"
    )
