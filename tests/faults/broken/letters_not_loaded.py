"""Broken on purpose: what waited when a process ended is not loaded by the next one."""

from __future__ import annotations

from tests.faults.letters.conducted import serve

from fast_sse.hub.dead_letter import DeadLetters
from fast_sse.hub.handover import Handover
from fast_sse.model.cursor import Cursor, Position


async def nothing(self: DeadLetters, decided: Position, through: Cursor) -> None:
    """It is as if all of it was settled."""
    Handover.loaded(self._handover)


if __name__ == "__main__":
    DeadLetters._load = nothing  # type: ignore[method-assign]
    serve()
