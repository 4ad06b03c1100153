"""The log as a plain list: what every store is compared with."""

from __future__ import annotations

from dataclasses import dataclass, field

from fast_sse.model.channel import Filter
from fast_sse.model.cursor import Cursor
from fast_sse.model.message import Draft


@dataclass
class Model:
    """The log as a list. `losses` are open intervals; `floor` is where the last loss ended."""

    records: list[tuple[int, Draft, int]] = field(default_factory=list)
    keys: dict[bytes, tuple[int, bytes, int]] = field(default_factory=dict)
    losses: list[tuple[int, int]] = field(default_factory=list)
    trimmed: int = 0

    def copy(self) -> Model:
        return Model(list(self.records), dict(self.keys), list(self.losses), self.trimmed)

    @property
    def newest(self) -> int:
        last = self.records[-1][0] if self.records else 0
        return max(last, self.trimmed, *(upper for _, upper in self.losses), 0)

    def above(self, place: int, wanted: Filter) -> list[int]:
        return [
            position for position, one, _ in self.records if position > place and wanted.matches(one.channel)
        ]

    def expected_gap(self, cursor: Cursor, epoch: str) -> tuple[str, int] | None:
        if cursor.epoch != epoch:
            return ("epoch", self.trimmed)
        if cursor.position < self.trimmed:
            return ("trimmed", self.trimmed)
        if cursor.position > self.newest:
            return ("ahead", self.newest)
        lost = [upper for lower, upper in self.losses if lower < cursor.position < upper]
        return ("lost_tail", lost[0]) if lost else None
