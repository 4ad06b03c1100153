"""The judge of one cell: what a client was owed, what reached its user, and what the two say.

A message is known by its payload, which is unique in a cell. Events that the hub says itself (`fast-sse.…`) are no
messages and no phantoms: those who ignore names see them, and their recipe skips them. Lost is what was owed, came
neither early nor late, and that no gap event named.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.clients.driver import Told

GAP = "fast-sse.gap"


class Owed(NamedTuple):
    """One message that the hub took, in the order of its log."""

    payload: str
    id: str


@dataclass
class Observation:
    """What was seen of one client in one scenario.

    Attributes:
        owed: what its channel was given while it was subscribed, or while it was away.
        told: all that reached its user.
        came_back: whether it had a stream again after the last disturbance.
        must_tell: an event of the hub that the scenario owes its user; empty when none.
        streams: how many streams it had.
        gzip: how many of them were compressed.
    """

    owed: list[Owed] = field(default_factory=list)
    told: Sequence[Told] = ()
    came_back: bool = True
    must_tell: str = ""
    streams: int = 0
    gzip: int = 0


class Cell(NamedTuple):
    """One figure of the table."""

    of: int
    lost: int = 0
    doubled: int = 0
    phantom: int = 0
    came_back: bool = True
    untold: str = ""

    @property
    def clean(self) -> bool:
        """As it should be for every client."""
        return not (self.lost or self.doubled or self.phantom or self.untold) and self.came_back


def payload_of(event: Told) -> str | None:
    """What its publisher put into `data`; None for what is no message of ours."""
    try:
        data = json.loads(event.data)["data"]
    except (ValueError, TypeError, KeyError):
        return None
    return data if isinstance(data, str) else None


def _named_by_gaps(owed: Sequence[Owed], told: Sequence[Told]) -> set[str]:
    """Payloads that a gap event says are gone: those up to where it resumes."""
    gone: set[str] = set()
    for gap in (event for event in told if event.name == GAP):
        resumed_at = position(json.loads(gap.data)["resumed_at"])
        gone |= {message.payload for message in owed if position(message.id) <= resumed_at}
    return gone


def position(cursor: str) -> tuple[int, ...]:
    """The place in the log that an id names; ids of one log compare by it."""
    return tuple(int(part) for part in cursor.split(".")[2].split("-")[:2])


def judge(seen: Observation) -> Cell:
    """The cell of what was seen. What is owed to a client that never came back is not lost: the cell says so."""
    owed = {message.payload for message in seen.owed}
    messages = [payload_of(event) for event in seen.told if not event.is_ours]
    times = Counter(payload for payload in messages if payload in owed)
    missing = owed - set(times) - _named_by_gaps(seen.owed, seen.told)
    return Cell(
        of=len(owed),
        lost=len(missing) if seen.came_back else 0,
        doubled=sum(count - 1 for count in times.values()),
        phantom=sum(payload not in owed for payload in messages),
        came_back=seen.came_back,
        untold="" if any(event.name == seen.must_tell for event in seen.told) else seen.must_tell,
    )
