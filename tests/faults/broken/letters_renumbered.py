"""Broken on purpose: a turn that is sent again has another number, so that the store applies it again."""

from __future__ import annotations

import msgspec
from tests.faults.letters.conducted import serve

from fast_sse.hub.telling import Telling
from fast_sse.store.letters import Turn

next_turn = Telling.next_turn


def another(self: Telling, *, goodbye: bool = False) -> Turn | None:
    """The next turn, or the last one once more."""
    again = self.under_way is not None
    turn = next_turn(self, goodbye=goodbye)
    if turn is not None and again:
        self._number += 1
        self.under_way = turn = msgspec.structs.replace(turn, number=self._number)
    return turn


if __name__ == "__main__":
    Telling.next_turn = another  # type: ignore[method-assign]
    serve()
