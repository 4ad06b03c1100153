"""Requests on their way that nobody vouches for yet: what they hold together is bounded (CWE-770).

A v2 signature covers the body, so it says nothing until the last byte is there. Each body has its limit, but the sum
of a thousand of them has none, and a stranger who knows how a signature looks need never send the last byte. The same
goes for requests that were read from the socket and wait for a later turn.

Over the bound the oldest body makes room: 503 `overloaded`, certainly not stored, come again. An honest body is on its
way for as long as its bytes take, and one that stands still for as long as it may; so those that stand still go first,
and keeping the room full costs a stranger as much bandwidth as the room is large, again and again. Refusing the
newcomer instead would let a stranger hold the room for nothing; to stop reading would let half bodies wait for one
another. One connection alone is never asked to go: it is within its own limits.
"""

from __future__ import annotations

from typing import Protocol


class Holder(Protocol):
    """A connection with such requests."""

    def make_room(self) -> None:
        """Give them up, and say so to the peer."""


class Bodies:
    """The bytes of such requests, oldest first.

    Attributes:
        held_bytes: of all of them now.
        given_up: how many had to make room since the start.
    """

    __slots__ = ("_bytes_max", "_held", "given_up", "held_bytes")

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._held: dict[Holder, int] = {}
        self.held_bytes = self.given_up = 0

    def hold(self, holder: Holder, size: int) -> None:
        """`holder` now holds so many bytes."""
        self.held_bytes += size - self._held.get(holder, 0)
        self._held[holder] = size
        while self.held_bytes > self._bytes_max and len(self._held) > 1:
            oldest = next(iter(self._held))
            self.release(oldest)
            self.given_up += 1
            oldest.make_room()

    def release(self, holder: Holder) -> None:
        """It holds nothing more."""
        self.held_bytes -= self._held.pop(holder, 0)
