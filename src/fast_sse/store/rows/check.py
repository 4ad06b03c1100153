"""Whether rows are what was written: every record, its columns and its place in the index, every key, the tables themselves.

SQLite notices damage of its own structure and of nothing else. So what a row says is compared with what a checksum covers:
a record's position, channel and time lie in its body, `paced` and keys have checksums of their own, and the few other rows
say everything twice (`SqliteLog.unsound`). Piece by piece, each one SELECT of one row: nobody waits for it, and it
holds no snapshot for long.
"""

from __future__ import annotations

import sqlite3
from functools import cache
from typing import NamedTuple

import msgspec

from fast_sse.model.cursor import Position
from fast_sse.model.message import Record
from fast_sse.store.rows.body import records_of
from fast_sse.store.rows.channels import CONTROL, name_of
from fast_sse.store.rows.checksums import is_sound_paced, key_checksum
from fast_sse.store.rows.connect import misplaced
from fast_sse.store.rows.schema import prepare

#: Rows of a piece, and bytes of its bodies.
PIECE_ROWS = 256
_PIECE_BYTES = 1 << 20

#: Position, time, `paced`, number and name of the channel, how often the index has it, size of the body.
_Row = tuple[int, int | None, int | str | None, int | None, str, int, int]
_decode_rows = msgspec.json.Decoder(list[_Row]).decode
_decode_keys = msgspec.json.Decoder(list[tuple[str, int, str, int, int]]).decode

# Each row is looked up by its position, as a reader would: one that cannot be found where the walk met it is damaged.
_RECORDS_SQL = """
    WITH part(seq, total) AS MATERIALIZED (
        SELECT seq, sum(ifnull(size, 0)) OVER (ORDER BY seq)
        FROM (SELECT seq, length(CAST(body AS BLOB)) AS size FROM log WHERE seq >= ?1 + 1 ORDER BY seq LIMIT ?2))
    SELECT
        json_group_array(json_array(
            part.seq, CAST(time_ms AS INTEGER),
            CASE typeof(paced) WHEN 'null' THEN NULL WHEN 'integer' THEN paced ELSE 'damaged' END,
            CAST(channel AS INTEGER), hex(id) || '2F' || hex(type),
            CASE ?4 WHEN 1 THEN (SELECT count(*) FROM log AS named INDEXED BY log_channel
                WHERE named.channel = log.channel AND named.seq = part.seq) ELSE 1 END,
            ifnull(length(CAST(body AS BLOB)), 0))),
        CAST(group_concat(CAST(body AS BLOB), '') AS BLOB)
    FROM part LEFT JOIN log ON log.seq = part.seq LEFT JOIN channel ON number = log.channel
    WHERE total <= ?3 OR part.seq = (SELECT min(seq) FROM part)
"""
_KEYS_SQL = """
    SELECT json_group_array(json_array(
        hex(digest), CAST(seq AS INTEGER), hex(sha), CAST(expires_ms AS INTEGER), CAST(checksum AS INTEGER)))
    FROM (SELECT * FROM key WHERE digest > ? ORDER BY digest LIMIT ?)
"""


class Records(NamedTuple):
    """A piece of the log.

    Attributes:
        through: the last position of it, None when there was no record any more.
        unreadable: records whose bodies are not what was written.
        strays: whole records whose channel, name or place in the index is another one's: whoever asks for their channel
            may not be given them.
        others: whole records beside which a time is not what was written.
    """

    through: Position | None
    unreadable: list[Position]
    strays: list[Position]
    others: list[Position]


class Keys(NamedTuple):
    """A piece of the keys: the last digest, None at the end, and how many are damaged."""

    through: bytes | None
    damaged: int


def check_records(
    connection: sqlite3.Connection, after: Position, count: int = PIECE_ROWS, *, indexed: bool = True
) -> Records:
    """The next piece of the log; `indexed`: and whether the index has it.

    Raises:
        sqlite3.Error, msgspec.MsgspecError: it cannot be read at all.
    """
    text, bodies = connection.execute(_RECORDS_SQL, (after, count, _PIECE_BYTES, indexed)).fetchone()
    rows = _decode_rows(text)
    first = min((row[0] for row in rows), default=None)
    if first is not None and first <= after:
        raise misplaced(first)
    unreadable: list[Position] = []
    strays: list[Position] = []
    others: list[Position] = []
    end = 0
    for row in rows:
        start, end = end, end + row[-1]
        records, _ = records_of([(row[0], row[-1])], (bodies or b"")[start:end], row[0])
        if not records:
            unreadable.append(row[0])
        elif not _is_in_its_place(row, records[0]):
            strays.append(row[0])
        elif not _has_its_times(row, records[0]):
            others.append(row[0])
    return Records(max((row[0] for row in rows), default=None), sorted(unreadable), sorted(strays), others)


def _is_in_its_place(row: _Row, record: Record) -> bool:
    _, _, _, number, name, named, _ = row
    if record.is_control:
        return (number, named) == (CONTROL, 1)
    return (name, named) == (name_of(record.channel).encode().hex().upper(), 1)


def _has_its_times(row: _Row, record: Record) -> bool:
    _, time_ms, paced, *_ = row
    if time_ms != record.time_ms or isinstance(paced, str):
        return False
    return paced is None or is_sound_paced(record.position, paced)


def check_keys(connection: sqlite3.Connection, after: bytes, count: int = PIECE_ROWS) -> Keys:
    """The next piece of the idempotency keys.

    Raises:
        sqlite3.Error, msgspec.MsgspecError: they cannot be read at all.
    """
    (text,) = connection.execute(_KEYS_SQL, (after, count)).fetchone()
    keys = _decode_keys(text)
    damaged = 0
    for digest, position, sha, expires_ms, checksum in keys:
        if key_checksum(bytes.fromhex(digest), position, bytes.fromhex(sha), expires_ms) != checksum:
            damaged += 1
    return Keys(bytes.fromhex(keys[-1][0]) if keys else None, damaged)


def has_our_tables(connection: sqlite3.Connection) -> bool:
    """Whether tables, indexes and triggers are those of this schema, to the letter."""
    return _tables(connection) == _our_tables()


def _tables(connection: sqlite3.Connection) -> list[tuple[str, ...]]:
    sql = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name <> 'upgrade' ORDER BY type, name"
    return connection.execute(sql).fetchall()


@cache
def _our_tables() -> list[tuple[str, ...]]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        prepare(connection)
        return _tables(connection)
    finally:
        connection.close()
