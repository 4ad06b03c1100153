"""Broken on purpose: a replay drops the letter, and publishes its message then."""

from __future__ import annotations

import pytest
from tests.faults.letters.conducted import serve

from fast_sse.hub.letters import LetterDesk, Replayed
from fast_sse.model.channel import Channel
from fast_sse.store.base import Appended


async def dropped_first(
    self: LetterDesk, letter_id: str, to: Channel | None = None, *, by: str = ""
) -> Replayed:
    """One letter."""
    letter = await self.show(letter_id)
    await self._drop([letter_id])
    (outcome,) = await self._put([self._drafts.draft(letter, to)])
    if not isinstance(outcome, Appended):
        raise outcome
    self._note_replays(by, f"id={letter_id}", to, replayed=1)
    return Replayed(letter_id, outcome.cursor.text, outcome.duplicate)


def spoil(patch: pytest.MonkeyPatch) -> None:
    """From now on."""
    patch.setattr(LetterDesk, "replay", dropped_first)


if __name__ == "__main__":
    spoil(pytest.MonkeyPatch())
    serve()
