"""A filter as ranges of an index, so that a read touches what matches and nothing else.

A record matches a pattern when each segment is equal or is `*` on either side. Turned around, what matches
(id, type) is exactly four channels: (id,type), (id,*), (*,type), (*,*). What matches (id,*) is everything
whose id is `id` or `*`. A store that keeps its log by channel, by id and by type therefore answers any
filter by merging a few ascending ranges; a list of channels is the distinct union of theirs.
"""

from __future__ import annotations

from typing import NamedTuple

from fast_sse.model.channel import WILDCARD, Filter


class Range(NamedTuple):
    """Records with exactly this id and type, as published; None stands for any."""

    event_id: str | None
    event_type: str | None


#: The whole log.
ALL = Range(None, None)


def ranges(wanted: Filter) -> tuple[Range, ...]:
    """The distinct ranges whose union is what the filter matches. They may overlap: merge by position, once each."""
    found: dict[Range, None] = {}
    for event_id, event_type in wanted.patterns:
        if event_id == WILDCARD and event_type == WILDCARD:
            return (ALL,)
        ids = (None,) if event_id == WILDCARD else (event_id, WILDCARD)
        types = (None,) if event_type == WILDCARD else (event_type, WILDCARD)
        for one_id in ids:
            for one_type in types:
                found[Range(one_id, one_type)] = None
    return tuple(found)
