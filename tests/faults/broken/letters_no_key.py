"""Broken on purpose: nothing says of a replay that it is the same message as another replay of its letter."""

from __future__ import annotations

import msgspec
import pytest
from tests.faults.letters.conducted import serve

from fast_sse.hub.replays import ReplayDrafts
from fast_sse.model.channel import Channel
from fast_sse.model.letter import Letter
from fast_sse.model.message import Draft

draft = ReplayDrafts.draft


def keyless(self: ReplayDrafts, letter: Letter, to: Channel | None = None) -> Draft:
    """Without its key."""
    return msgspec.structs.replace(draft(self, letter, to), keys=())


def spoil(patch: pytest.MonkeyPatch) -> None:
    """From now on."""
    patch.setattr(ReplayDrafts, "draft", keyless)


if __name__ == "__main__":
    spoil(pytest.MonkeyPatch())
    serve()
