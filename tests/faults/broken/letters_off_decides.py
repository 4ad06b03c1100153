"""Broken on purpose: a node that makes no letters moves the place below which nothing waits like one that does."""

from __future__ import annotations

from typing import Any

from tests.faults.letters.conducted import serve

from fast_sse.hub import telling
from fast_sse.store.letters import Turn


def deciding(**said: Any) -> Turn:
    """A turn of a node that says that it decides."""
    return Turn(**{**said, "decides": True})


if __name__ == "__main__":
    assert "Turn" in vars(telling)
    vars(telling)["Turn"] = deciding
    serve()
