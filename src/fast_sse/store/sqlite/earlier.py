"""Logs of schema 1 to 3, read as what they hold: where each schema has it, and past what is damaged.

Schema 1 had no time of the trim mark, schemas 1 and 2 no times of other clocks and no list of erasures under way.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fast_sse.model.cursor import Position
from fast_sse.store.sqlite.damage import is_damage

#: Records, keys and bytes of one batch.
BATCH_ROWS = 10_000
_BATCH_BYTES = 8 << 20


class Row(NamedTuple):
    """A record as the log had it. A row that cannot be read has no body, and its position is the last of those that cannot."""

    position: Position
    event_id: str
    event_type: str
    time_ms: int
    body: bytes
    paced_ms: int | None


class KeyRow(NamedTuple):
    """An idempotency key."""

    digest: bytes
    position: Position
    sha: bytes
    expires_ms: int


class Earlier:
    """One log of an earlier schema, over a connection that nothing else uses."""

    def __init__(self, connection: sqlite3.Connection, version: int) -> None:
        self._execute = connection.execute
        paced = "paced_ms" if version > 2 else "NULL"
        # As bytes: text that a flipped bit has made of something is rarely UTF-8.
        columns = f"seq, CAST(id AS BLOB), CAST(type AS BLOB), time_ms, CAST(body AS BLOB), {paced}"
        self._rows_sql = f"SELECT {columns} FROM log WHERE seq >= ? + 1 ORDER BY seq LIMIT ?"  # noqa: S608
        trimmed_ms = "trimmed_ms" if version > 1 else "NULL"
        self._mark_sql = f"SELECT epoch, trimmed, {trimmed_ms} FROM mark"  # noqa: S608
        times = "time_ms, boot, boot_ms, paced_ms" if version > 2 else "time_ms, '', 0, 0"
        self._probe_sql = f"SELECT {times} FROM probe"  # noqa: S608
        self._has_erasing = version > 2
        #: The position of the last record. Raises sqlite3.Error when that cannot be found.
        self.newest: Position = self._execute("SELECT ifnull(max(seq), 0) FROM log").fetchone()[0]

    def identity(self, path: Path) -> str:
        """Another text as soon as anything wrote to the log since."""
        ends = self._execute("SELECT min(seq), max(seq) FROM log").fetchone()
        file = path.stat()
        rows = [self._execute(f"SELECT * FROM {table}").fetchall() for table in ("mark", "probe", "loss")]  # noqa: S608
        return json.dumps([file.st_size, file.st_mtime_ns, ends, rows])

    def count(self) -> int:
        """How many records there are, 0 when that cannot be counted."""
        try:
            return int(self._execute("SELECT count(*) FROM log").fetchone()[0])
        except sqlite3.Error as error:
            _raise_unless_damage(error)
            return 0

    def mark(self) -> tuple[str, Position, int | None]:
        """Epoch, trim mark and its time."""
        epoch, trimmed, trimmed_ms = self._execute(self._mark_sql).fetchone()
        return epoch, trimmed, trimmed_ms

    def probe(self) -> tuple[int, str, int, int]:
        """What time it was, as the columns of this schema have it."""
        time_ms, boot, boot_ms, paced_ms = self._execute(self._probe_sql).fetchone()
        return time_ms, boot, boot_ms, paced_ms

    def losses(self) -> list[tuple[Position, Position]]:
        """Intervals that were lost."""
        return self._execute("SELECT lower, upper FROM loss").fetchall()

    def erasing(self) -> list[tuple[str, str, Position]]:
        """Erasures under way."""
        if not self._has_erasing:
            return []
        return self._execute("SELECT id, type, below FROM erasing").fetchall()

    def batch(self, after: Position) -> list[Row]:
        """The next records; empty at the end."""
        found: list[Row] = []
        size = 0
        try:
            for row in self._execute(self._rows_sql, (after, BATCH_ROWS)):
                found.append(_sane(*row))
                size += len(found[-1].body)
                if size >= _BATCH_BYTES:
                    break
        except sqlite3.Error as error:
            _raise_unless_damage(error)
            if not found and after < self.newest:
                # Python's module looks one row ahead: the last one before the damage comes alone.
                return self._one(after) or [Row(self._readable_after(after), "*", "*", 0, b"", None)]
        return found

    def _readable_after(self, after: Position) -> Position:
        """The first place behind a damaged one from which reading goes on, the newest when there is none."""
        bad, step = after, 1
        while (good := min(after + step, self.newest)) < self.newest and not self._is_readable(good):
            bad, step = good, 2 * step
        while good - bad > 1:
            middle = (good + bad) // 2
            if self._is_readable(middle):
                good = middle
            else:
                bad = middle
        return good

    def _is_readable(self, after: Position) -> bool:
        return self._one(after) is not None

    def _one(self, after: Position) -> list[Row] | None:
        """The next record alone, None when it cannot be read."""
        try:
            return [_sane(*row) for row in self._execute(self._rows_sql, (after, 1)).fetchall()]
        except sqlite3.Error as error:
            _raise_unless_damage(error)
            return None

    def keys(self, after: bytes) -> Iterator[KeyRow]:
        """The next keys in the order of their digests. Raises sqlite3.Error where they are damaged."""
        sql = "SELECT digest, seq, sha, expires_ms FROM key WHERE digest > ? ORDER BY digest LIMIT ?"
        yield from map(KeyRow._make, self._execute(sql, (after, BATCH_ROWS)))


def _sane(
    position: Position, event_id: object, event_type: object, time_ms: object, body: object, paced_ms: object
) -> Row:
    """A row of which a damaged column has become something of another kind."""
    return Row(
        position,
        _text(event_id),
        _text(event_type),
        time_ms if isinstance(time_ms, int) else 0,
        body if isinstance(body, bytes) else b"",
        paced_ms if isinstance(paced_ms, int) else None,
    )


def _text(value: object) -> str:
    try:
        return value.decode() if isinstance(value, bytes) else ""
    except UnicodeDecodeError:
        return ""


def _raise_unless_damage(error: sqlite3.Error) -> None:
    if not is_damage(error):
        raise error
