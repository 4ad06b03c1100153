"""How far retention goes in one step: small, so that publishes wait for it no longer than for one another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from fast_sse.model.cursor import Position
from fast_sse.store.base import Retention
from fast_sse.store.rows.log import Totals

#: Records, and keys of each kind, of one step.
STEP = 500


class Trimmed(NamedTuple):
    """What one step removed, and the trim mark after it (0: not moved)."""

    gone: int
    trimmed: Position


class Plan(NamedTuple):
    """Up to where the oldest records go, how many they are, and the totals of what stays."""

    position: Position
    gone: int
    totals: Totals


def plan(oldest: Iterable[tuple[Position, int, int]], totals: Totals, kept: Retention, paced_ms: int) -> Plan:
    """What goes of the `oldest`: position, the time that its age counts from, and weight of each, ascending."""
    messages, size = totals
    position, gone = 0, 0
    for seq, from_ms, weight in oldest:
        too_old = kept.max_age_s is not None and from_ms < paced_ms - kept.max_age_s * 1000
        too_big = kept.max_bytes is not None and size > kept.max_bytes
        too_many = kept.max_messages is not None and messages > kept.max_messages
        if not (too_old or too_big or too_many):
            break
        position, gone = seq, gone + 1
        messages -= 1
        size -= weight
    return Plan(position, gone, Totals(messages, size))
