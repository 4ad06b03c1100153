"""Pages of the view, with cursors that carry fingerprints.

A cursor above the trim mark is good only if the entry at its place carries its fingerprint. A place that the topic
lost in an unclean election and gave to another message is noticed by that, whatever the numbers say (KIP-320).
"""

from __future__ import annotations

from collections.abc import Sequence

from fast_sse.model.cursor import NO_FINGERPRINT, Cursor, Position
from fast_sse.store.base import Gap, Page
from fast_sse.store.judge import Ends, judge
from fast_sse.store.kafka.entry import KIND
from fast_sse.store.kafka.fold import POISON_BODY
from fast_sse.store.kafka.readers import DamagedError
from fast_sse.store.kafka.view import print_at
from fast_sse.store.ranges import Range
from fast_sse.store.rows.log import SqliteLog
from fast_sse.store.rows.pages import Found
from fast_sse.store.rows.since import seek


class AheadError(Exception):
    """The cursor is above what this node has read: only the broker knows whether there is such a place."""


def page(
    log: SqliteLog,
    arms: Sequence[Range],
    after: Cursor,
    records_max: int,
    bytes_max: int,
    *,
    end: Position | None = None,
) -> Page:
    """One page after a cursor, in the snapshot that the caller holds. See `Store.read`.

    `end`: the last place that the broker has, where the caller asked; a cursor up to there waits for the view.

    Raises:
        AheadError: `end` is needed.
        DamagedError: the view is broken.
    """
    origin = Cursor(KIND, log.epoch(), 0, NO_FINGERPRINT)
    place, gap = after, None
    while True:
        found = log.page(arms, place.position, records_max, bytes_max)
        again = judge(place, origin, found.ends) if gap else _judged(log, place, origin, found.ends, end)
        if again is None and place.position > found.ends.newest:
            return Page([], after, after)
        if again is None and found.damaged is not None:
            again = _poison(log, origin, found.damaged)
        if again is None:
            break
        gap = Gap(gap.reason if gap else again.reason, _exact(log, again.resumed_at))
        place = gap.resumed_at
    return Page(found.records, place, _through(log, origin, found), gap)


def last(log: SqliteLog, origin: Cursor, arms: Sequence[Range], count: int, bytes_max: int) -> Page:
    """The last matching records, found backwards on the indexes. See `Store.last`."""
    first, newest = log.nth_from_end(arms, count)
    if first is None:
        start = _exact(log, origin.at(newest))
        return Page([], start, start)
    return page(log, arms, _exact(log, origin.at(_before(log, first))), count, bytes_max)


def since(log: SqliteLog, time_ms: int) -> Page:
    """Where a time begins, in the snapshot that the caller holds. See `Store.since`."""
    found = seek(log, time_ms)
    origin = Cursor(KIND, log.epoch(), 0, NO_FINGERPRINT)
    if found.gone:
        mark = _exact(log, origin.at(found.trimmed))
        return Page([], mark, mark, Gap("trimmed", mark))
    start = _exact(log, origin.at(found.newest if found.first is None else _before(log, found.first)))
    return Page([], start, start)


def _judged(log: SqliteLog, after: Cursor, origin: Cursor, ends: Ends, end: Position | None) -> Gap | None:
    """Whether a client's cursor can be continued exactly; None also when the view has yet to come so far."""
    place = after.position
    if after.epoch != origin.epoch or after.kind != origin.kind or place < ends.trimmed:
        return judge(after, origin, ends)
    known = print_at(log, place) if place <= ends.newest else None
    if known == after.fingerprint or (known is None and place == ends.trimmed):
        return None
    if place > ends.newest:
        if end is None:
            raise AheadError
        return None if place <= end else Gap("ahead", origin.at(ends.newest))
    return Gap("lost_tail", origin.at(_before(log, place)))


def _poison(log: SqliteLog, origin: Cursor, position: Position) -> Gap:
    """The gap over an entry that cannot be read; any body but that of poison means a broken view."""
    (body,) = log.connection.execute("SELECT body FROM log WHERE seq = ?", (position,)).fetchone()
    if body != POISON_BODY:
        raise DamagedError("the view of the log is damaged")
    return Gap("unreadable", origin.at(position))


def _through(log: SqliteLog, origin: Cursor, found: Found) -> Cursor:
    """How far a page got."""
    newest = found.ends.newest
    if found.records and (found.full or found.records[-1].position == newest):
        record = found.records[-1]
        return origin.at(record.position, record.fingerprint)
    return _exact(log, origin.at(newest))


def _before(log: SqliteLog, position: Position) -> Position:
    """The place of the last record before a place, the trim mark when there is none."""
    sql = "SELECT ifnull((SELECT max(seq) FROM log WHERE seq < ?), trimmed) FROM mark"
    return int(log.connection.execute(sql, (position,)).fetchone()[0])


def _exact(log: SqliteLog, cursor: Cursor) -> Cursor:
    return cursor.at(cursor.position, print_at(log, cursor.position) or NO_FINGERPRINT)
