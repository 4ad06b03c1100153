"""Rows of `entry` as values to bind, and the statements that insert them: a group is one INSERT of many rows.

A row is a record, a key, or both. Rows are made where each is cheap, on the loop's thread, and joined by the writer.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from fast_sse.model.message import Record
from fast_sse.store.dedup import Known
from fast_sse.store.rows.channels import CONTROL, name_of
from fast_sse.store.rows.checksums import checked_paced, key_checksum

#: Values of one row of `entry`: five of a record, four of a key.
ENTRY_VALUES = 9
KEY_VALUES = 4
_CHANNEL = 1  # where the channel stands in a row
_NO_RECORD = (None, None, None, None)
_NO_KEY = (None, None, None, None)
#: The time that a record's age counts from is told apart from its own only when they differ by more.
_SAME_MS = 1_000
#: Rows of one INSERT: every size up to the first is a cached statement of its own, then these, filled up with rows of nothing.
_ROWS_DIRECT = 64
_ROWS_LARGE = (96, 128, 192, 256, 384, 512, 768, 1024)
#: Rows that one statement, and so one transaction without BEGIN, takes at most.
ENTRIES_MAX = _ROWS_LARGE[-1]


def add_entry(
    values: list[Any],
    record: Record,
    body: bytes,
    keys: Sequence[tuple[bytes, Known]] = (),
    paced_ms: int | None = None,
    number: int | None = None,
) -> None:
    """Append a record and its keys to the values of an INSERT.

    `paced_ms`: what its age counts from, if not from its time. `number`: its channel's, None when that is not known.
    """
    position, time_ms = record.position, record.time_ms
    if paced_ms is not None:
        paced_ms = None if -_SAME_MS <= paced_ms - time_ms <= _SAME_MS else checked_paced(position, paced_ms)
    # A control record is found by its place in the log and by no filter.
    channel = CONTROL if record.is_control else number or name_of(record.channel)
    values += (position, channel, time_ms, body, paced_ms)
    if not keys:
        values += _NO_KEY
        return
    digest, (key_position, sha, expires_ms) = keys[0]
    values += (digest, sha, expires_ms, key_checksum(digest, key_position, sha, expires_ms))
    if len(keys) > 1:
        add_keys(values, keys[1:])


def add_keys(values: list[Any], keys: Sequence[tuple[bytes, Known]]) -> None:
    """Append keys alone to the values of an INSERT."""
    for digest, (position, sha, expires_ms) in keys:
        checksum = key_checksum(digest, position, sha, expires_ms)
        values += (position, *_NO_RECORD, digest, sha, expires_ms, checksum)


def named(values: list[Any], records: Sequence[Record]) -> list[Any]:
    """These values with the channels' names in place of numbers, which may not be theirs any more."""
    found = values.copy()
    left = iter(records)
    for at in range(_CHANNEL, len(found), ENTRY_VALUES):
        if found[at] is not None:
            record = next(left)
            found[at] = CONTROL if record.is_control else name_of(record.channel)
    return found


@lru_cache(maxsize=256)
def _insert_sql(rows: int) -> str:
    one = "(" + ",".join("?" * ENTRY_VALUES) + ")"
    return "INSERT INTO entry VALUES " + ",".join([one] * rows)  # noqa: S608


def inserts(values: list[Any]) -> Sequence[tuple[str, list[Any]]]:
    """Statements and their values that insert entries given end to end: one for up to `ENTRIES_MAX` of them."""
    found: list[tuple[str, list[Any]]] = []
    for start in range(0, len(values), ENTRIES_MAX * ENTRY_VALUES):
        part = values[start : start + ENTRIES_MAX * ENTRY_VALUES]
        rows = len(part) // ENTRY_VALUES
        if rows > _ROWS_DIRECT:
            size = next(size for size in _ROWS_LARGE if size >= rows)
            part += [None] * ((size - rows) * ENTRY_VALUES)
            rows = size
        found.append((_insert_sql(rows), part))
    return found
