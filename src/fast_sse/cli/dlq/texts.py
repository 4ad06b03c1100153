"""A letter and a time for people. What a publisher wrote may not shape a terminal (CWE-150): it is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from fast_sse.cli.sizes import size
from fast_sse.observe.logging import visible


class Head(msgspec.Struct, frozen=True):
    """A dead letter in a list, as the hub gives it."""

    id: str
    reason: str
    published_ms: int
    dead_ms: int
    attempts: int
    size_bytes: int
    event_id: str | None = None
    event_type: str | None = None
    maybe_delivered: bool = False


_COLUMNS = ("id", "channel", "reason", "published", "dead", "tries", "size", "")


def table(heads: Sequence[Head]) -> list[str]:
    """Lines of a table, its column names first; `?` marks what may have been delivered."""
    rows = [_COLUMNS, *(_row(head) for head in heads)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _row(head: Head) -> tuple[str, ...]:
    return (
        visible(head.id),
        channel_text(head.event_id, head.event_type),
        visible(head.reason),
        moment(head.published_ms),
        moment(head.dead_ms),
        str(head.attempts),
        size(head.size_bytes),
        "?" if head.maybe_delivered else "",
    )


def channel_text(event_id: str | None, event_type: str | None) -> str:
    """`ID/TYPE`; a dash where poison names none."""
    return visible(f"{event_id}/{event_type}") if event_id is not None and event_type is not None else "-"


def moment(ms: int) -> str:
    """A time in UTC that --after takes."""
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return str(ms)


def letters(count: int) -> str:
    """`1 dead letter`, `1,204 dead letters`."""
    return f"{count:,} dead letter{'s' * (count != 1)}"
