"""Broken on purpose: each node keeps dead letters of its own, so that each makes one of the same message."""

from __future__ import annotations

from typing import Any, cast

from tests.faults.letters.conducted import serve

from fast_sse.hub.dead_letter import DeadLetters
from fast_sse.model.cursor import Cursor, Position
from fast_sse.model.message import Record
from fast_sse.store.letters import LetterBounds
from fast_sse.store.memory.letters import MemoryLetters
from fast_sse.store.pace import Instant

begin = DeadLetters.__init__
ORIGIN = Cursor("k1", "0", 0)


class OwnLetters(MemoryLetters):
    """Of the log that this node follows."""

    shared = True

    def __init__(self, store: Any, fanout: Any) -> None:
        self._fanout = fanout

        def record_of(place: Position) -> Record | None:
            entry = fanout.tail.find(place)
            return None if entry is None else entry.record

        def now() -> Instant:
            now_ms = store.now_ms()
            return Instant(now_ms, now_ms, now_ms)

        super().__init__(ORIGIN, LetterBounds(), record_of, lambda: 0, now)
        self.open()

    @property
    def _origin(self) -> Cursor:
        return ORIGIN if self._fanout.tail.floor is None else cast(Cursor, self._fanout.level)

    @_origin.setter
    def _origin(self, _origin: Cursor) -> None:
        """It is that of the log."""


def alone(self: DeadLetters, store: Any, fanout: Any, *given: Any) -> None:
    """A node whose letters lie in its own memory."""
    vars(store)["_letters"] = OwnLetters(store, fanout)
    begin(self, store, fanout, *given)


if __name__ == "__main__":
    DeadLetters.__init__ = alone  # type: ignore[method-assign,assignment]
    serve()
