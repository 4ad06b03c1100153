"""From draft to record, and what a record weighs: the same in every store."""

from __future__ import annotations

from fast_sse.model.cursor import Position
from fast_sse.model.message import Draft, Record

#: What a record costs beside its bytes: its channel, its indexes, its row.
OVERHEAD_BYTES = 200


def record_of(
    draft: Draft, position: Position, now_ms: int, fingerprint: str = "", *, last_ms: int = 0
) -> Record:
    """The record of a draft stored at `now_ms`, store time, behind a record of `last_ms`: its own time is never below.

    Its life ends by the clock as it is, which is the clock that an expiry is compared with. Counted from a time that
    a step of the clock left in the future, a message of five seconds would live as long as the step.
    """
    return Record(
        position,
        draft.channel,
        draft.data,
        draft.headers,
        draft.event,
        draft.meta,
        max(last_ms, now_ms),
        now_ms + draft.ttl_ms if draft.ttl_ms else 0,
        fingerprint,
    )


def weight(record: Record) -> int:
    """What a record counts against `Retention.max_bytes` and against the bytes of a page."""
    return len(record.data) + len(record.headers) + len(record.meta) + OVERHEAD_BYTES
