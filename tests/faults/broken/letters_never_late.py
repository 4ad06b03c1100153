"""Broken on purpose: a letter whose message is handed over after all stays."""

from __future__ import annotations

import msgspec
import pytest
from tests.faults.letters.conducted import serve

from fast_sse.hub.telling import Telling
from fast_sse.store.letters import Turn

next_turn = Telling.next_turn


def silent(self: Telling, *, goodbye: bool = False) -> Turn | None:
    """The next turn names no letter that came too early."""
    turn = next_turn(self, goodbye=goodbye)
    return None if turn is None else msgspec.structs.replace(turn, late=())


def spoil(patch: pytest.MonkeyPatch) -> None:
    """From now on."""
    patch.setattr(Telling, "next_turn", silent)


if __name__ == "__main__":
    spoil(pytest.MonkeyPatch())
    serve()
