"""Broken on purpose: a node lets die what is due without a look at what other nodes told."""

from __future__ import annotations

from tests.faults.letters.conducted import serve

from fast_sse.hub.telling import Telling
from fast_sse.store.letters import Receipt


def deaf(self: Telling, receipt: Receipt) -> None:
    """What another node told is passed over."""


if __name__ == "__main__":
    Telling._hear = deaf  # type: ignore[method-assign]
    serve()
