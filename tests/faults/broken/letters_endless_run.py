"""Broken on purpose: a run over many letters has no end, so it replays what died of its own replays."""

from __future__ import annotations

import sys

import pytest
from tests.faults.letters.conducted import serve

from fast_sse.hub.letter_run import BEGINNING, Run, run_of
from fast_sse.hub.letters import LetterDesk


async def endless(_self: LetterDesk, cursor: str) -> Run:
    """The run of a cursor; without one, a new run."""
    return run_of(cursor) if cursor else Run((sys.maxsize, ""), "", BEGINNING)


def spoil(patch: pytest.MonkeyPatch) -> None:
    """From now on."""
    patch.setattr(LetterDesk, "_run", endless)


if __name__ == "__main__":
    spoil(pytest.MonkeyPatch())
    serve()
