"""Numbers that stand for channels: given with the first record, forgotten with the last."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.store.rows.test_log import insert, record

from fast_sse.model.channel import Channel
from fast_sse.model.message import erasure
from fast_sse.store.record import record_of
from fast_sse.store.rows.channels import Numbers
from fast_sse.store.rows.connect import connect
from fast_sse.store.rows.log import SqliteLog, Totals
from fast_sse.store.rows.schema import prepare

A, B, ANY = Channel("a", "t"), Channel("b", "t"), Channel("*", "t")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    connection = connect(tmp_path / "log.db", writer=True)
    prepare(connection)
    yield SqliteLog(connection)
    connection.close()


def channels(log: SqliteLog) -> dict[int, str]:
    rows = log.connection.execute("SELECT number, id || '/' || type FROM channel").fetchall()
    return dict(rows)


def test_a_name_gets_a_number_with_its_first_record(log: SqliteLog) -> None:
    """In the statement that stores the record; the next one has the same."""
    insert(log, record(1, A), record(2, B), record(3, A), record(4, ANY))
    insert(log, record(5, B))
    assert channels(log) == {1: "a/t", 2: "b/t", 3: "*/t"}
    assert log.connection.execute("SELECT channel FROM log ORDER BY seq").fetchall() == [
        (number,) for number in (1, 2, 1, 3, 2)
    ]
    assert log.numbers([B, Channel("c", "t"), A]) == [(B, 2), (A, 1)]


def test_a_control_record_has_no_channel(log: SqliteLog) -> None:
    """It is found by its place, and gives its channel no number."""
    insert(log, record_of(erasure(A), 1, 5))
    assert channels(log) == {}


def test_a_channel_is_forgotten_with_its_last_record(log: SqliteLog) -> None:
    """By retention as well as by erasing; one that has records above keeps its number."""
    insert(log, record(1, A), record(2, B), record(3, A))
    assert log.trim_to(2, Totals(1, 1)) == [B]
    assert channels(log) == {1: "a/t"}
    log.erase(A, 10, 10)
    assert log.forget_empty(A) == [A]
    assert (log.forget_empty(A), channels(log)) == ([], {})


def test_names_of_one_record_each_do_not_stay(log: SqliteLog) -> None:
    """However many came and went: the table is as large as what is kept."""
    for first in range(1, 3001, 500):
        insert(log, *(record(place, Channel(f"once{place}", "t")) for place in range(first, first + 500)))
        forgotten = log.trim_to(first + 489, Totals(10, 10))
        assert len(forgotten) == (490 if first == 1 else 500)
        assert len(channels(log)) == 10


def test_all_that_are_empty_are_forgotten(log: SqliteLog) -> None:
    """After a tail was cut off, whatever was in it."""
    insert(log, record(1, A), record(2, B), record(3, ANY))
    log.connection.execute("DELETE FROM log WHERE seq > 1")
    assert sorted(log.forget_empty()) == [ANY, B]
    assert channels(log) == {1: "a/t"}


def test_the_cache_is_bounded_and_says_when_a_number_may_be_another_ones() -> None:
    """A number that is only not known any more is not wrong; one that was forgotten on the disk is."""
    numbers = Numbers(numbers_max=2)
    numbers.learn([(A, 1), (B, 2)])
    numbers.learn([(ANY, 3)])
    assert (numbers.known, numbers.version) == ({ANY: 3}, 0)
    numbers.forget([A])
    assert numbers.version == 0
    numbers.forget([ANY, A])
    assert (numbers.known, numbers.version) == ({}, 1)
    numbers.forget_all()
    assert numbers.version == 2


def test_names_are_handed_over_whole(log: SqliteLog) -> None:
    """Whatever a segment may hold, and nothing of it is taken for SQL or for JSON."""
    odd = [Channel("a'b", 't"u'), Channel("café", "*"), Channel("-", "7"), Channel("x" * 256, ":;?")]
    insert(log, *(record(place, one) for place, one in enumerate(odd, 1)))
    assert [name for name, _ in log.numbers(odd)] == odd
    assert list(channels(log).values()) == ["/".join(one) for one in odd]
