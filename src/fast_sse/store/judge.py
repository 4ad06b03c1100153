"""Whether a cursor can be continued exactly, and if not, why and from where (guarantee G6).

The rule is one for every store; only how a store learns its own ends differs.
"""

from __future__ import annotations

from typing import NamedTuple

from fast_sse.model.cursor import Cursor, Position
from fast_sse.store.base import Gap


class Ends(NamedTuple):
    """What a snapshot of the log says about itself.

    Attributes:
        trimmed: everything up to here is gone by retention.
        newest: the last readable place; never below `trimmed` nor below the end of a loss.
        losses: open intervals (lower, upper) of positions that may have been given and then lost.
    """

    trimmed: Position
    newest: Position
    losses: tuple[tuple[Position, Position], ...] = ()


def judge(cursor: Cursor, log: Cursor, ends: Ends) -> Gap | None:
    """None when `cursor` can be continued in `log` (any cursor of it), else the gap to name."""
    if cursor.kind != log.kind or cursor.epoch != log.epoch:
        return Gap("epoch", log.at(ends.trimmed))
    place = cursor.position
    if place < ends.trimmed:
        return Gap("trimmed", log.at(ends.trimmed))
    if place > ends.newest:
        return Gap("ahead", log.at(ends.newest))
    for lower, upper in ends.losses:
        if lower < place < upper:
            return Gap("lost_tail", log.at(upper))
    return None
