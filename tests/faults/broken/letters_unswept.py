"""Broken on purpose: the tail drops entries that no sweep has looked at."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.faults.letters.conducted import serve

from fast_sse.hub.handover import Handover
from fast_sse.hub.tail import Tail

begin = Handover.__init__


def unasked(self: Handover, tail: Tail, clock: Callable[[], float]) -> None:
    """The tail tells nobody before it drops."""
    begin(self, tail, clock)
    tail.before_drop = lambda: None


def spoil(patch: pytest.MonkeyPatch) -> None:
    """From now on."""
    patch.setattr(Handover, "__init__", unasked)


if __name__ == "__main__":
    spoil(pytest.MonkeyPatch())
    serve()
