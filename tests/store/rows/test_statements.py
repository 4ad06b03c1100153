"""The statements of a page: all ways say the same, and none scans the log."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.store.rows.test_pages import PATTERNS, log

from fast_sse.model.channel import Channel, Filter
from fast_sse.store.ranges import ranges
from fast_sse.store.rows.body import records_of, records_of_page
from fast_sse.store.rows.log import SqliteLog
from fast_sse.store.rows.pages import _decode_pairs
from fast_sse.store.rows.statements import JOINT, Asked, Way, asked_of, cut_sql, whole_sql

__all__ = ["log"]


@pytest.mark.parametrize("pattern", PATTERNS, ids="-".join)
def test_every_filter_is_walked_on_an_index(log: SqliteLog, pattern: Channel) -> None:
    """No filter scans the log: each of its ranges is a search on an index or on the rowid."""
    wanted = ranges(Filter.of(pattern))
    asked = asked_of(wanted)
    walked = Asked(Way.WALK, (*asked.values, 100), open_ended=True)
    ways = (asked, walked) if asked.way is Way.MERGE else (asked,)
    for one, (sql, bound) in itertools.product(ways, ((whole_sql, JOINT), (cut_sql, 10))):
        plan = log.connection.execute("EXPLAIN QUERY PLAN " + sql(one.way), (0, 10, bound, *one.values))
        on_log = [text for *_, text in plan if "log" in text.split()]
        assert on_log
        assert not [text for text in on_log if text.startswith("SCAN")]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3),
    st.integers(0, 32),
    st.integers(1, 32),
    st.integers(1, 12_000),
)
def test_both_ways_say_the_same(
    log: SqliteLog, patterns: list[Channel], after: int, records_max: int, bytes_max: int
) -> None:
    """Of a page that was read whole as much is kept as one that is cut on the way holds."""
    wanted = ranges(Filter.of(*patterns))
    asked = asked_of(wanted)
    *ends, hits, text, bodies = log.connection.execute(
        cut_sql(asked.way), (after, records_max, bytes_max, *asked.values)
    ).fetchone()
    found, damaged = records_of(_decode_pairs(text), bodies)
    *whole_ends, whole_hits, sizes, joined, positions = log.connection.execute(
        whole_sql(asked.way), (after, records_max, JOINT, *asked.values)
    ).fetchone()
    assert (ends, hits, damaged) == (whole_ends, whole_hits, None)
    if not hits:
        assert (found, sizes, joined) == ([], None, None)
    else:
        assert records_of_page(sizes, joined, positions, bytes_max) == found


@pytest.mark.parametrize(
    ("patterns", "way", "open_ended"),
    [
        ([("a", "t")], Way.ONE, False),
        ([("a", "t"), ("b", "t")], Way.MERGE, False),
        ([("a", "*")], Way.MERGE, True),
        ([("*", "t"), ("a", "t")], Way.MERGE, True),
        ([("*", "*"), ("a", "t")], Way.ALL, False),
    ],
)
def test_a_filter_is_asked_for_by_its_shape(
    patterns: list[tuple[str, str]], way: Way, open_ended: bool
) -> None:
    """One channel has a statement of its own; whatever else a filter holds is handed over as values, so statements are few."""
    asked = asked_of(ranges(Filter.of(*(Channel(*one) for one in patterns))))
    assert (asked.way, asked.open_ended) == (way, open_ended)
