"""Broken on purpose: trimming takes what still waits for a hand-over or a decision."""

from __future__ import annotations

import pytest
from tests.faults.letters.conducted import serve

from fast_sse.hub.dead_letter import DeadLetters


def spoil(patch: pytest.MonkeyPatch) -> None:
    """From now on."""
    patch.setattr(DeadLetters, "keep_after", None)


if __name__ == "__main__":
    spoil(pytest.MonkeyPatch())
    serve()
