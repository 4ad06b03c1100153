"""The statements of a page: both ways say the same, and neither scans the log."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fast_sse.model.channel import Channel, Filter
from fast_sse.model.message import Record
from fast_sse.store.ranges import ALL, Range, ranges
from fast_sse.store.rows import pages
from fast_sse.store.rows.body import body_of
from fast_sse.store.rows.connect import connect, error_code
from fast_sse.store.rows.entries import add_entry
from fast_sse.store.rows.log import SqliteLog
from fast_sse.store.rows.pages import _CUT_PAGES, Pages
from fast_sse.store.rows.schema import prepare
from fast_sse.store.rows.statements import asked_of, whole_sql

NAMES = ("*", "a", "b")
PATTERNS = [Channel(*pattern) for pattern in itertools.product(NAMES, NAMES)]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    connection = connect(tmp_path / "log.db", writer=True)
    prepare(connection)
    values: list[Any] = []
    for place, (channel, size) in enumerate(itertools.product(PATTERNS, (1, 50, 700)), 3):
        one = Record(place, channel, b"x" * size, b"{}", "", b"", 1000 + place)
        add_entry(values, one, body_of(one))
    log = SqliteLog(connection)
    log.insert(values)
    yield log
    connection.close()


@pytest.mark.parametrize("bytes_max", [1, 4000])
def test_a_page_that_is_much_too_large_is_not_joined(
    log: SqliteLog, monkeypatch: pytest.MonkeyPatch, bytes_max: int
) -> None:
    """What SQLite may join is bounded; beyond it the page is cut row by row, and later statements have the usual bound."""
    monkeypatch.setattr("fast_sse.store.rows.pages._JOINED_BYTES_MIN", 1000)
    page = log.page((ALL,), 0, 100, bytes_max)
    assert Pages(log.connection)._whole_page(asked_of((ALL,)), 0, 100, 200) is None
    whole = log.page((ALL,), 0, 100, 1 << 20)
    assert page.records == whole.records[: len(page.records)]
    assert 0 < len(page.records) < len(whole.records) == 27
    assert (page.full, whole.full) == (True, False)


def test_after_a_heavy_page_some_are_cut_at_once(log: SqliteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large messages come in runs: joining is tried again after some pages, and all pages say the same."""
    monkeypatch.setattr("fast_sse.store.rows.pages._JOINED_BYTES_MIN", 1000)
    asked: list[str] = []
    log.connection.set_trace_callback(asked.append)
    first = log.page((ALL,), 0, 100, 200)
    for _ in range(_CUT_PAGES):
        assert log.page((ALL,), 0, 100, 200) == first
    assert sum("sized" not in sql for sql in asked) == 1
    assert log.page((ALL,), 0, 100, 200) == first
    assert sum("sized" not in sql for sql in asked) == 2


def replayed(log: SqliteLog, wanted: tuple[Range, ...], records_max: int) -> list[int]:
    """Places of all that matches, page after page."""
    found: list[int] = []
    while (page := log.page(wanted, found[-1] if found else 0, records_max, 1 << 20)).records:
        found += [one.position for one in page.records]
        assert page.full or page.records[-1].position <= page.ends.newest
    return found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    patterns=st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3),
    records_max=st.integers(1, 12),
    many=st.sampled_from([0, 1 << 40]),
    places=st.integers(1, 40),
    looks=st.sampled_from([0, 3, 1 << 40]),
)
def test_each_way_finds_what_matches(
    log: SqliteLog, patterns: list[Channel], records_max: int, many: int, places: int, looks: int
) -> None:
    """Walked or merged, or walked as far as it finds enough: the same records in log order, none twice, and the same last ones."""
    wanted = Filter.of(*patterns)
    expected = [
        place
        for place, (channel, _) in enumerate(itertools.product(PATTERNS, (1, 50, 700)), 3)
        if any(
            (id_ in ("*", channel.event_id) or channel.event_id == "*")
            and (type_ in ("*", channel.event_type) or channel.event_type == "*")
            for id_, type_ in patterns
        )
    ]
    with (
        patch.object(pages, "MANY_CHANNELS", many),
        patch.object(pages, "_WALK_PLACES", places),
        patch.object(pages, "_WALK_LOOKS", looks),
    ):
        assert replayed(log, ranges(wanted), records_max) == expected
        assert log.nth_from_end(ranges(wanted), records_max) == (expected[-records_max:][0], 29)


def test_many_channels_are_counted_up_to_a_bound(log: SqliteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter that a million channels match does not count them for every page."""
    asked = asked_of(ranges(Filter.of(Channel("*", "a"), Channel("b", "*"))))
    assert Pages(log.connection)._count(asked) == 12
    monkeypatch.setattr(pages, "_COUNT_MAX", 2)
    assert Pages(log.connection)._count(asked) == 4


def test_a_row_out_of_order_is_damage(log: SqliteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite goes by the order of its rows: one that comes before the place that was asked for would make a stream go in circles."""
    monkeypatch.setattr(pages, "whole_sql", lambda way: whole_sql(way).replace("seq >= ?1", "seq >= ?1 - 5"))
    with pytest.raises(sqlite3.DatabaseError, match="out of order") as caught:
        log.page((ALL,), 20, 100, 1 << 20)
    assert error_code(caught.value) == sqlite3.SQLITE_CORRUPT
