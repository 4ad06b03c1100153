"""The statements that read a page of the log: one row of one SELECT, which is also one snapshot. Nothing of its size
passes through a table of SQLite's own: the bodies are joined by the outermost query.

A range of the log is walked on its own index up to the page's size, and UNION merges the ranges, each record once.

    whole   sizes and bodies of all hits, unweighed; their places are in the bodies
    cut     the first hits that fit, weighed one after another, each with its place: four times as dear for small
            records, and needed only for large ones and to say which one is damaged

A hit without its row stays one (LEFT JOIN): an index that names what the table does not have is damage, not silence.

Whoever asks for a whole page bounds what SQLite may join (SQLITE_LIMIT_LENGTH), and asks for a cut one when that is
not enough: weighing all of them first would cost as much as reading them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from fast_sse.store.ranges import Range
from fast_sse.store.record import OVERHEAD_BYTES
from fast_sse.store.rows.body import JOINT

__all__ = ["JOINT", "NEWEST", "cut_sql", "last_sql", "shape_of", "whole_sql"]

#: Which segments each range of a filter names: all that the text of a statement depends on.
Shape = tuple[tuple[bool, bool], ...]

NEWEST = "max((SELECT ifnull(max(seq), 0) FROM log), trimmed, (SELECT ifnull(max(upper), 0) FROM loss))"
_ENDS = f"""
    (SELECT trimmed FROM mark), (SELECT {NEWEST} FROM mark),
    (SELECT json_group_array(json_array(lower, upper)) FROM loss WHERE lower < ? AND ? < upper)
"""  # noqa: S608

_SOURCES = {
    (True, True): "log INDEXED BY log_channel WHERE id = ? AND type = ?",
    (True, False): "log INDEXED BY log_id WHERE id = ?",
    (False, True): "log INDEXED BY log_type WHERE type = ?",
    (False, False): "log WHERE 1",
}


def shape_of(wanted: Sequence[Range]) -> Shape:
    """The shape of a filter's ranges."""
    return tuple((event_id is not None, event_type is not None) for event_id, event_type in wanted)


def _hits(shape: Shape) -> str:
    arms = " UNION ".join(
        f"SELECT seq FROM (SELECT seq FROM {_SOURCES[names]} AND seq > ? ORDER BY seq LIMIT ?)"  # noqa: S608
        for names in shape
    )
    return f"hit(seq) AS MATERIALIZED ({arms} ORDER BY 1 LIMIT ?)"


@lru_cache(maxsize=64)
def whole_sql(shape: Shape) -> str:
    """Ends, number of hits, their sizes and joined bodies (both NULL when there is none) and the sum of their places."""
    return f"""
        WITH {_hits(shape)}
        SELECT {_ENDS}, count(*),
            group_concat(length(log.body)), CAST(group_concat(log.body, ?) AS BLOB), sum(hit.seq)
        FROM hit LEFT JOIN log ON log.seq = hit.seq
    """  # noqa: S608


@lru_cache(maxsize=64)
def cut_sql(shape: Shape) -> str:
    """Ends, number of hits, and place, size and joined bodies of those that fit, the first one however large."""
    # Weights are added up before any body is read, so a page of large records reads only what it returns.
    return f"""
        WITH {_hits(shape)},
        sized(seq, total) AS (
            SELECT hit.seq, sum(ifnull(length(log.body), 0) + {OVERHEAD_BYTES}) OVER (ORDER BY hit.seq)
            FROM hit LEFT JOIN log ON log.seq = hit.seq)
        SELECT {_ENDS}, (SELECT count(*) FROM hit),
            json_group_array(json_array(sized.seq, ifnull(length(log.body), 0))), CAST(group_concat(log.body, '') AS BLOB)
        FROM sized LEFT JOIN log ON log.seq = sized.seq
        WHERE sized.total <= ? OR sized.seq = (SELECT min(seq) FROM hit)
    """  # noqa: S608


@lru_cache(maxsize=64)
def last_sql(shape: Shape) -> str:
    """The place of the first of the last records that match, NULL when none does, and the newest place."""
    arms = " UNION ".join(
        f"SELECT seq FROM (SELECT seq FROM {_SOURCES[names]} ORDER BY seq DESC LIMIT ?)"  # noqa: S608
        for names in shape
    )
    return f"""
        WITH hit(seq) AS ({arms} ORDER BY 1 DESC LIMIT ?)
        SELECT (SELECT min(seq) FROM hit), {NEWEST} FROM mark
    """  # noqa: S608
