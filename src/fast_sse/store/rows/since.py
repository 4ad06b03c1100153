"""Where a time begins in the log, found by halving positions: a log of a million records takes twenty looks.

Times grow with positions, so no index by time is needed, which every append would pay for. What is halved is the range of
positions, not a count of records: blocks that were reserved and not used, duplicates and erased records are holes in
it. Each look asks for the first record at or above the middle. All looks are one row of one SELECT, which is one
snapshot, and one way into SQLite and back (`log`).
"""

from __future__ import annotations

from typing import NamedTuple

from fast_sse.model.cursor import Cursor, Position
from fast_sse.store.base import Gap, Page
from fast_sse.store.rows.log import SqliteLog
from fast_sse.store.rows.pages import INTEGER_MAX
from fast_sse.store.rows.statements import NEWEST


class Sought(NamedTuple):
    """What one snapshot says of a time.

    Attributes:
        trimmed, newest: the ends of the log.
        gone: retention took a record of the time or later, as far as is known.
        first: the first record of the time or later, None when there is none.
    """

    trimmed: Position
    newest: Position
    gone: bool
    first: Position | None


# Below `low` all are earlier than the time, from `high` on none is.
_MIDDLE = "low + (high - low) / 2"
_SQL = f"""
    WITH RECURSIVE half(low, high) AS (
        SELECT trimmed, (SELECT ifnull(max(seq), trimmed) FROM log) + 1 FROM mark
        UNION ALL
        SELECT iif(log.time_ms < ?1, log.seq, low), iif(log.time_ms < ?1, high, {_MIDDLE})
        FROM half LEFT JOIN log
            ON log.seq = (SELECT seq FROM log WHERE seq >= {_MIDDLE} AND seq < high ORDER BY seq LIMIT 1)
        WHERE high - low > 1)
    SELECT trimmed, {NEWEST},
        trimmed > 0 AND ?1 <= coalesce(trimmed_ms, (SELECT time_ms FROM log ORDER BY seq LIMIT 1), {INTEGER_MAX}),
        (SELECT min(seq) FROM log WHERE seq >= (SELECT min(high) FROM half))
    FROM mark
"""  # noqa: S608


def seek(log: SqliteLog, time_ms: int) -> Sought:
    """Where the records of `time_ms` or later begin."""
    bounded = max(-INTEGER_MAX, min(time_ms, INTEGER_MAX))
    trimmed, newest, gone, first = log.connection.execute(_SQL, (bounded,)).fetchone()
    return Sought(trimmed, newest, bool(gone), first)


def since(log: SqliteLog, origin: Cursor, time_ms: int) -> Page:
    """See `Store.since`; `origin` is any cursor of the log, and its positions need no fingerprint."""
    found = seek(log, time_ms)
    if found.gone:
        mark = origin.at(found.trimmed)
        return Page([], mark, mark, Gap("trimmed", mark))
    start = origin.at(found.newest if found.first is None else found.first - 1)
    return Page([], start, start)
