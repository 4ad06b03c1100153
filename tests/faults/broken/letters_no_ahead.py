"""Broken on purpose: what other nodes told of messages that this one has yet to take is forgotten."""

from __future__ import annotations

import pytest
from tests.faults.letters.conducted import serve

from fast_sse.hub.handover import Handover

sweep = Handover.sweep


def forgetful(self: Handover) -> bool:
    """As if nobody had told anything of what comes now."""
    self.ahead.clear()
    return sweep(self)


def spoil(patch: pytest.MonkeyPatch) -> None:
    """From now on."""
    patch.setattr(Handover, "sweep", forgetful)


if __name__ == "__main__":
    spoil(pytest.MonkeyPatch())
    serve()
