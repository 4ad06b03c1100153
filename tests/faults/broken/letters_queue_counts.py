"""Broken on purpose: a message counts as handed over when it is queued for a live set, whoever takes it then."""

from __future__ import annotations

from typing import Any

import pytest
from tests.faults.letters.conducted import serve

from fast_sse.hub.live_set import LiveSet
from fast_sse.hub.tail import Entry

queue, flush = LiveSet.queue, LiveSet.flush


def counted(self: LiveSet, entry: Entry) -> int:
    """Members of this moment are those who are handed it."""
    entry.written += len(self.members)
    return queue(self, entry)


def uncounted(self: LiveSet, *given: Any) -> Any:
    """It writes, and counts nothing."""
    before = [(entry, entry.written) for entry in self.pending]
    done = flush(self, *given)
    for entry, written in before:
        entry.written = written
    return done


def spoil(patch: pytest.MonkeyPatch) -> None:
    """From now on."""
    patch.setattr(LiveSet, "queue", counted)
    patch.setattr(LiveSet, "flush", uncounted)


if __name__ == "__main__":
    spoil(pytest.MonkeyPatch())
    serve()
