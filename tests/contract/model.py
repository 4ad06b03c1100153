"""The log as a plain list: what every store is compared with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from fast_sse.model.channel import Filter
from fast_sse.model.cursor import Cursor
from fast_sse.model.message import Draft


@dataclass
class Model:
    """The log as a list. `losses` are open intervals; `anchors` is the fingerprint of every place that was given and
    not lost; `by_anchor` says which of the two a store tells a loss by (see `places`).
    """

    by_anchor: bool
    blank: str = ""
    records: list[tuple[int, Draft, int]] = field(default_factory=list)
    keys: dict[bytes, tuple[int, bytes, int]] = field(default_factory=dict)
    losses: list[tuple[int, int]] = field(default_factory=list)
    anchors: dict[int, str] = field(default_factory=dict)
    #: The newest place when a key was told of: with a log that tells keys by entries they go with its tail.
    told: dict[bytes, int] = field(default_factory=dict)
    told_by_entries: bool = False
    trimmed: int = 0
    trimmed_ms: int = 0

    def copy(self) -> Model:
        return replace(
            self,
            records=list(self.records),
            keys=dict(self.keys),
            losses=list(self.losses),
            anchors=dict(self.anchors),
            told=dict(self.told),
        )

    @property
    def newest(self) -> int:
        last = self.records[-1][0] if self.records else 0
        return max(last, self.trimmed, *(upper for _, upper in self.losses), 0)

    def above(self, place: int, wanted: Filter) -> list[int]:
        return [
            position for position, one, _ in self.records if position > place and wanted.matches(one.channel)
        ]

    def since(self, time_ms: int) -> list[int]:
        """The places of that time or later."""
        return [position for position, _, taken_ms in self.records if taken_ms >= time_ms]

    def forget_above(self, last: int) -> None:
        """Everything stored after `last` never was."""
        self.records = [record for record in self.records if record[0] <= last]
        when = {digest: known[0] for digest, known in self.keys.items()}
        if self.told_by_entries:
            when = self.told
        self.keys = {digest: known for digest, known in self.keys.items() if when[digest] <= last}
        self.anchors = {place: mark for place, mark in self.anchors.items() if place <= last}

    def cursor(self, log: Cursor, place: int) -> Cursor:
        """The cursor that the store should name for a place."""
        return log.at(place, self.anchors.get(place, self.blank))

    def expected_gap(self, cursor: Cursor, epoch: str) -> tuple[str, int] | None:
        place = cursor.position
        if cursor.epoch != epoch:
            return ("epoch", self.trimmed)
        if place < self.trimmed:
            return ("trimmed", self.trimmed)
        if place > self.newest:
            return ("ahead", self.newest)
        if self.by_anchor and self.anchors.get(place, self.blank) != cursor.fingerprint:
            return ("lost_tail", max([self.trimmed, *(p for p, _, _ in self.records if p < place)]))
        lost = [upper for lower, upper in self.losses if lower < place < upper]
        return ("lost_tail", lost[0]) if lost else None
