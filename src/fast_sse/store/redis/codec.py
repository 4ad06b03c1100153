"""Entries of the stream as records, and positions as Redis writes them: `<ms>-<n>`."""

from __future__ import annotations

from typing import Any

from fast_sse.model.channel import Channel
from fast_sse.model.cursor import NO_FINGERPRINT, Cursor, Position
from fast_sse.model.message import Record

#: The fields of an entry, in the order of `lua/prelude.lua`.
FIELDS = [b"fp", b"prev", b"time", b"expires", b"id", b"type", b"event", b"headers", b"meta", b"data"]
_N_MASK = (1 << 64) - 1
POSITION_MAX = (1 << 128) - 1


def place_text(position: Position) -> str:
    """A position as Redis writes it."""
    return f"{position >> 64}-{position & _N_MASK}"


def position_of(place: bytes | str) -> Position:
    """The position of a place that Redis wrote."""
    ms, n = place.split(b"-") if isinstance(place, bytes) else place.split("-")
    return (int(ms) << 64) | int(n)


def cursor_of(log: Cursor, place: bytes, fingerprint: bytes) -> Cursor:
    """The cursor of a place in a script's answer. `log` is any cursor of the same log."""
    return log.at(position_of(place), fingerprint.decode())


def record_of(place: bytes, fields: list[Any] | None) -> Record | None:
    """The record of an entry. None when the entry was removed, or when another program wrote it."""
    if not fields or fields[::2] != FIELDS:
        return None
    if len(fields[1]) != len(NO_FINGERPRINT):
        return None
    fp, _, time_ms, expires_ms, event_id, event_type, event, headers, meta, data = fields[1::2]
    try:
        return Record(
            position_of(place),
            Channel(event_id.decode(), event_type.decode()),
            data,
            headers,
            event.decode(),
            meta,
            int(time_ms),
            int(expires_ms),
            fp.decode("ascii"),
        )
    except ValueError:  # a number that is none, or text that is not UTF-8
        return None


def previous(fields: list[Any]) -> str:
    """The fingerprint of the entry before this one, which the entry carries."""
    fingerprint: bytes = fields[3]
    return fingerprint.decode("ascii", "replace")
