"""Broken on purpose: a receipt does not say what was decided, so that a node which waits for it decides again."""

from __future__ import annotations

import msgspec
from tests.faults.letters.conducted import serve

from fast_sse.hub.telling import Telling
from fast_sse.store.letters import Receipt

hear = Telling._hear

if __name__ == "__main__":

    def heard(self: Telling, receipt: Receipt) -> None:
        """Without what was decided."""
        hear(self, msgspec.structs.replace(receipt, decided=()))

    Telling._hear = heard  # type: ignore[method-assign]
    serve()
