"""Acks: the names of clients that said that they have a message. In memory, bounded, and gone with the process.

A name is the client's own word. An ack on one node travels in its next turn, and the others then hold it, too.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice

from fast_sse.model.cursor import Position
from fast_sse.model.errors import RateLimitedError
from fast_sse.model.limits import Limits
from fast_sse.store.letters import Ack


class Acks:
    """The acks of recent messages. Above `limits.acks_max` those of the message that was acked first go."""

    def __init__(self, limits: Limits) -> None:
        self._names_max = limits.ack_names_max
        self._acks_max = limits.acks_max
        self._names: dict[Position, dict[str, None]] = {}
        self._count = 0
        self._untold: dict[Ack, None] = {}
        #: Taken from clients of this node since the start.
        self.total = 0

    def of(self, position: Position) -> Collection[str]:
        """Who acked this message, in order."""
        return self._names.get(position, {}).keys()

    def take(self, position: Position, client: str) -> bool:
        """Take a client's word, to be told to other nodes; False: it was given before.

        Raises RateLimitedError: the message has as many names as it may have.
        """
        names = self.of(position)
        if client in names:
            return False
        if len(names) >= self._names_max:
            raise RateLimitedError(
                f"{self._names_max} clients acked this message, and the hub keeps no further names"
            )
        self._add(position, client)
        self._untold[Ack(position, client)] = None
        if len(self._untold) > self._acks_max:
            del self._untold[next(iter(self._untold))]
        self.total += 1
        return True

    def hear(self, ack: Ack) -> None:
        """Take what another node told."""
        names = self.of(ack.position)
        if ack.client not in names and len(names) < self._names_max:
            self._add(ack.position, ack.client)

    def take_untold(self, count: int) -> list[Ack]:
        """Remove what no turn told yet, at most so many."""
        some = list(islice(self._untold, count))
        for ack in some:
            del self._untold[ack]
        return some

    def clear(self) -> None:
        """Another log: no position means what it meant."""
        self._names.clear()
        self._untold.clear()
        self._count = 0

    def _add(self, position: Position, client: str) -> None:
        self._names.setdefault(position, {})[client] = None
        self._count += 1
        while self._count > self._acks_max and len(self._names) > 1:
            self._count -= len(self._names.pop(next(iter(self._names))))
