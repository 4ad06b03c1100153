"""Rows as values to bind."""

from __future__ import annotations

from typing import Any

import pytest
from tests.store.rows.test_log import A_T, record

from fast_sse.model.message import erasure
from fast_sse.store.dedup import Known
from fast_sse.store.record import record_of
from fast_sse.store.rows.channels import CONTROL
from fast_sse.store.rows.checksums import checked_paced, key_checksum
from fast_sse.store.rows.entries import ENTRIES_MAX, ENTRY_VALUES, add_entry, inserts, named

KNOWN = Known(1, b"sha", 9)


def test_a_row_has_a_record_and_its_first_key() -> None:
    """The other keys have rows of their own, and each its checksum."""
    values: list[Any] = []
    add_entry(values, record(1), b"body", [(b"k", KNOWN), (b"l", KNOWN)], number=7)
    first, second = values[:ENTRY_VALUES], values[ENTRY_VALUES:]
    assert first == [1, 7, 1001, b"body", None, b"k", b"sha", 9, key_checksum(b"k", *KNOWN)]
    assert second == [1, None, None, None, None, b"l", b"sha", 9, key_checksum(b"l", *KNOWN)]


@pytest.mark.parametrize(
    ("paced_ms", "is_told"), [(None, False), (2001, False), (1, False), (2002, True), (0, True)]
)
def test_an_age_that_counts_from_the_records_own_time_is_not_written(
    paced_ms: int | None, is_told: bool
) -> None:
    """Within a second it is the same; else it is written, with its check."""
    values: list[Any] = []
    add_entry(values, record(1), b"body", paced_ms=paced_ms)
    assert values[4] == (checked_paced(1, paced_ms or 0) if is_told else None)


def test_numbers_are_taken_back_for_names() -> None:
    """Rows of keys have no channel, and a control record keeps none."""
    values: list[Any] = []
    control = record_of(erasure(A_T), 2, 5)
    add_entry(values, record(1), b"body", [(b"k", KNOWN), (b"l", KNOWN)], number=7)
    add_entry(values, control, b"body", number=7)
    add_entry(values, record(3), b"body", number=8)
    assert values[1::ENTRY_VALUES] == [7, None, CONTROL, 8]
    again = named(values, [record(1), control, record(3)])
    assert again[1::ENTRY_VALUES] == ["a/t", None, CONTROL, "a/t"]
    assert values[1::ENTRY_VALUES] == [7, None, CONTROL, 8]


@pytest.mark.parametrize(
    ("rows", "sizes"),
    [(1, [1]), (64, [64]), (65, [96]), (ENTRIES_MAX, [ENTRIES_MAX]), (1100, [ENTRIES_MAX, 96])],
)
def test_statements_are_few(rows: int, sizes: list[int]) -> None:
    """Beyond the small ones they are filled up with rows of nothing, so that each is prepared once."""
    found = inserts([0] * ENTRY_VALUES * rows)
    assert [sql.count("(") for sql, _ in found] == sizes
    assert [len(part) // ENTRY_VALUES for _, part in found] == sizes
    assert sum(part.count(0) for _, part in found) == ENTRY_VALUES * rows
