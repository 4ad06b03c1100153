"""What one stream must say, judged against a plain list of everything that was ever published."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, NamedTuple

from tests.hub.support import Peer
from tests.support.events import Block, Parser

from fast_sse.model.channel import Channel, Filter
from fast_sse.model.payload import unpacked


class Published(NamedTuple):
    """One acknowledged message. `expires_ms` 0 means never."""

    position: int
    channel: Channel
    number: int
    expires_ms: int = 0


class Log:
    """Everything acknowledged, in order, trimmed or not."""

    def __init__(self) -> None:
        self.entries: list[Published] = []
        self.trimmed = 0

    def due(self, wanted: Filter, after: int, through: int | None, now_ms: int) -> list[Published]:
        """What a stream must say of (after, through]; what has expired by now it may say or not."""
        return [
            entry
            for entry in self.entries
            if entry.position > after
            and (through is None or entry.position <= through)
            and wanted.matches(entry.channel)
            and not (entry.expires_ms and now_ms >= entry.expires_ms)
        ]


class Stream:
    """One connection: where it began, and how far the wire brings it."""

    def __init__(self, peer: Peer, wanted: Filter, after: int | None) -> None:
        self.peer = peer
        self.wanted = wanted
        #: None: wherever its first id says (`earliest`, `last`).
        self.after = after

    @property
    def handed(self) -> Counter[int]:
        """The messages that its transport took, whether or not the peer read them."""
        transport: Any = self.peer.transport
        body = self.peer.unpacked(bytes(transport.took))
        blocks = [item for item in Parser().feed(body) if isinstance(item, Block)]
        return Counter(
            int(block.id.rpartition(".")[2])
            for block in blocks
            if block.id and block.data is not None and not block.event.startswith("fast-sse.")
        )

    def judge(self, log: Log, now_ms: int) -> int | None:
        """Check every block of the wire in order; the position it has reached."""
        at = self.after
        for item in self.peer.items:
            if isinstance(item, Block) and item.id:
                at = self._block(item, at, log, now_ms)
        return at

    def _block(self, block: Block, at: int | None, log: Log, now_ms: int) -> int:
        position = int(block.id.rpartition(".")[2])
        if block.event == "fast-sse.gap":
            gap = json.loads(block.data or "")
            assert gap["reason"] == "trimmed", gap
            assert gap["resumed_at"] == block.id
            assert at is None or at < position <= log.trimmed, f"false gap from {at} to {position}"
            return position
        if at is None:  # what is older than its first id is gone, or not among the last few
            at = position if block.is_position else position - 1
        assert position >= at, f"{position} after {at}: ids go back"
        missed = log.due(self.wanted, at, position if block.is_position else position - 1, now_ms)
        assert not missed, f"from {at} to {position} the stream misses {missed}"
        if block.data is not None and not block.is_position:
            assert position > at, f"{position} twice"
            (entry,) = [entry for entry in log.entries if entry.position == position]
            assert self.wanted.matches(entry.channel), f"{entry} leaks"
            assert json.loads(unpacked(block.data.encode()))["data"][0] == entry.number
        return position
