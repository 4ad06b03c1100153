"""Broken on purpose: a letter is in doubt only where a node did not look that far; that it is silent does not count."""

from __future__ import annotations

from tests.faults.letters.conducted import serve

from fast_sse.model.cursor import Position
from fast_sse.store.rows import turns


def behind(self: turns._Listed, position: Position) -> bool:
    """Whether it did not look that far."""
    return self.through < position


if __name__ == "__main__":
    turns._Listed.may_have = behind  # type: ignore[method-assign]
    serve()
