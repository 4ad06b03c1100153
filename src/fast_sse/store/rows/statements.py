"""The statements that read a page of the log: one row of one SELECT, which is also one snapshot. Nothing of its size
passes through a table of SQLite's own: the bodies are joined by the outermost query.

Which records match is found in one of four ways, each in log order and without sorting more than a page:

    ALL     the whole log, by its own order
    ONE     the four channels that a subscription to one channel hears: a range of the index each, and UNION merges them
    MERGE   any number of channels: a queue with the next record of each, from which the least is taken and followed by
            the next of its channel. It costs one look into the index for each channel and each record
    WALK    many channels: the log itself, record by record up to some place, and each record's channel is looked up

What comes of it is read in one of two ways:

    whole   sizes and bodies of all hits, unweighed; their places are in the bodies
    cut     the first hits that fit, weighed one after another, each with its place: four times as dear for small
            records, and needed only for large ones and to say which one is damaged

A hit without its row stays one (LEFT JOIN): an index that names what the table does not have is damage, not silence.

Whoever asks for a whole page bounds what SQLite may join (SQLITE_LIMIT_LENGTH), and asks for a cut one when that is
not enough: weighing all of them first would cost as much as reading them.
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from fast_sse.store.ranges import ALL, Range
from fast_sse.store.record import OVERHEAD_BYTES
from fast_sse.store.rows.body import JOINT

__all__ = ["COUNT_SQL", "JOINT", "NEWEST", "Asked", "Way", "asked_of", "cut_sql", "last_sql", "whole_sql"]

#: Ranges of a subscription to one channel.
ONE_RANGES = 4
#: A place behind every record's.
INTEGER_END = (1 << 63) - 1

_encode = msgspec.json.Encoder().encode


class Way(Enum):
    """How the matching records are found."""

    ALL = "all"
    ONE = "one"
    MERGE = "merge"
    WALK = "walk"


class Asked(NamedTuple):
    """A filter as statements ask for it.

    `values` follow those that every statement has. `open_ended`: any number of channels may match it.
    """

    way: Way
    values: tuple[Any, ...]
    open_ended: bool


@lru_cache(maxsize=4096)
def asked_of(wanted: tuple[Range, ...]) -> Asked:
    """How a filter's ranges are asked for."""
    if ALL in wanted:
        return Asked(Way.ALL, (), open_ended=False)
    exact = [one for one in wanted if one.event_id is not None and one.event_type is not None]
    if len(exact) == len(wanted) == ONE_RANGES:
        return Asked(Way.ONE, tuple(name for one in exact for name in one), open_ended=False)
    ids = [one.event_id for one in wanted if one.event_type is None]
    types = [one.event_type for one in wanted if one.event_id is None]
    names = tuple(_encode(one).decode() for one in (exact, ids, types))
    return Asked(Way.MERGE, names, open_ended=len(exact) < len(wanted))


NEWEST = "max((SELECT ifnull(max(seq), 0) FROM log), trimmed, (SELECT ifnull(max(upper), 0) FROM loss))"

# What every statement has: ?1 the place after which (WALK backwards: from which) it reads, ?2 records at most, ?3 the joint or
# bytes at most; ?4 and on `Asked.values`; ?7 where a walk ends.
_ENDS = f"""
    (SELECT trimmed FROM mark), (SELECT {NEWEST} FROM mark),
    (SELECT json_group_array(json_array(lower, upper)) FROM loss WHERE lower < ?1 AND ?1 < upper)
"""  # noqa: S608

_CHOSEN = """chosen(number) AS MATERIALIZED (
    SELECT number FROM json_each(?4) AS want CROSS JOIN channel
        ON channel.id = json_extract(want.value, '$[0]') AND channel.type = json_extract(want.value, '$[1]')
    UNION SELECT number FROM json_each(?5) AS want CROSS JOIN channel ON channel.id = want.value
    UNION SELECT number FROM json_each(?6) AS want CROSS JOIN channel ON channel.type = want.value)"""

_IS_CHOSEN = """EXISTS (SELECT 1 FROM channel WHERE number = log.channel AND (
    channel.id IN (SELECT value FROM json_each(?5)) OR channel.type IN (SELECT value FROM json_each(?6))
    OR (channel.id, channel.type) IN
        (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?4))))"""

#: Channels that match the open ends of a filter, each end counted up to a bound; some may be counted twice.
COUNT_SQL = """
    SELECT (SELECT count(*) FROM (SELECT 1 FROM json_each(?2) AS want CROSS JOIN channel ON channel.id = want.value LIMIT ?1))
         + (SELECT count(*) FROM (SELECT 1 FROM json_each(?3) AS want CROSS JOIN channel ON channel.type = want.value LIMIT ?1))
"""


def _of_channel(number: str, place: str) -> str:
    return f"SELECT seq FROM log INDEXED BY log_channel WHERE channel = {number} AND seq {place}"  # noqa: S608


def _hits(way: Way, *, backwards: bool = False) -> str:
    """The CTE `hit`, and what it needs: places that match, in log order or against it."""
    beyond, order, end = ("<", "DESC", 0) if backwards else (">", "", INTEGER_END)
    # Not "> ?1": that would be sought where ?1 itself lies, which may be in the damaged page that was just passed.
    first = "< ?1" if backwards else ">= ?1 + 1"
    if way is Way.ALL:
        found = f"SELECT seq FROM log WHERE seq {first} ORDER BY seq {order} LIMIT ?2"  # noqa: S608
    elif way is Way.ONE:
        number = "(SELECT number FROM channel WHERE id = ?{} AND type = ?{})"
        ranges = [
            _of_channel(number.format(at, at + 1), f"{first} ORDER BY seq {order} LIMIT ?2")
            for at in range(4, 4 + 2 * ONE_RANGES, 2)
        ]
        arms = " UNION ".join(f"SELECT seq FROM ({one})" for one in ranges)  # noqa: S608
        found = f"{arms} ORDER BY 1 {order} LIMIT ?2"
    elif way is Way.MERGE:

        def following(number: str, place: str) -> str:
            one = _of_channel(number, f"{beyond} {place} ORDER BY seq {order} LIMIT 1")
            return f"ifnull(({one}), {end}), {number}"

        return f"""{_CHOSEN},
            queue(seq, number) AS (
                SELECT {following("chosen.number", "?1")} FROM chosen
                UNION ALL SELECT {following("queue.number", "queue.seq")} FROM queue WHERE seq <> {end}
                ORDER BY 1 {order} LIMIT ?2),
            hit(seq) AS MATERIALIZED (SELECT seq FROM queue WHERE seq <> {end})"""  # noqa: S608
    else:
        within = "seq < ?1 AND seq >= ?7" if backwards else "seq > ?1 AND seq <= ?7"
        found = (
            f"SELECT seq FROM log NOT INDEXED WHERE {within} AND {_IS_CHOSEN} ORDER BY seq {order} LIMIT ?2"  # noqa: S608
        )
    return f"hit(seq) AS MATERIALIZED ({found})"


@lru_cache(maxsize=8)
def whole_sql(way: Way) -> str:
    """Ends, number of hits, their sizes and joined bodies (both NULL when there is none) and the sum of their places."""
    return f"""
        WITH RECURSIVE {_hits(way)}
        SELECT {_ENDS}, count(*),
            group_concat(length(log.body)), CAST(group_concat(log.body, ?3) AS BLOB), sum(hit.seq)
        FROM hit LEFT JOIN log ON log.seq = hit.seq
    """  # noqa: S608


@lru_cache(maxsize=8)
def cut_sql(way: Way) -> str:
    """Ends, number of hits, and place, size and joined bodies of those that fit, the first one however large."""
    # Weights are added up before any body is read, so a page of large records reads only what it returns.
    return f"""
        WITH RECURSIVE {_hits(way)},
        sized(seq, total) AS (
            SELECT hit.seq, sum(ifnull(length(log.body), 0) + {OVERHEAD_BYTES}) OVER (ORDER BY hit.seq)
            FROM hit LEFT JOIN log ON log.seq = hit.seq)
        SELECT {_ENDS}, (SELECT count(*) FROM hit),
            json_group_array(json_array(sized.seq, ifnull(length(log.body), 0))), CAST(group_concat(log.body, '') AS BLOB)
        FROM sized LEFT JOIN log ON log.seq = sized.seq
        WHERE sized.total <= ?3 OR sized.seq = (SELECT min(seq) FROM hit)
    """  # noqa: S608


@lru_cache(maxsize=8)
def last_sql(way: Way) -> str:
    """How many of the last records match, the place of the first of them, NULL when none does, and the newest place."""
    return f"""
        WITH RECURSIVE {_hits(way, backwards=True)}
        SELECT (SELECT count(*) FROM hit), (SELECT min(seq) FROM hit), {NEWEST} FROM mark WHERE ?3 IS NULL
    """  # noqa: S608
