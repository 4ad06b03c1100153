"""Bounds the memory of requests on their way whose signature is not verified yet, all together (CWE-770).

A v2 signature covers the body, so it cannot be verified before the last byte has come. Each body has a limit, but a
thousand bodies together have none, and a stranger who knows the form of a signature need never send the last byte. The
same holds for requests that were read from the socket and wait for a later turn.

Over the bound, the oldest body makes room: 503 `overloaded`, certainly not stored, retry. An honest body is on its way
only as long as its bytes take; one that stands still stays until its deadline. So those that stand still go first, and
to keep the room full costs a stranger as much bandwidth as the room is large, again and again. The alternatives are
worse: to refuse the newcomer would let a stranger hold the room for nothing, and to stop reading would let half bodies
wait for one another. A connection that is alone is never asked to make room: it is within its own limits.
"""

from __future__ import annotations

from typing import Protocol


class Holder(Protocol):
    """A connection that holds such requests."""

    def make_room(self) -> None:
        """Give them up, and answer the peer that they were."""


class Bodies:
    """The bytes of such requests, oldest first.

    Attributes:
        held_bytes: bytes of all of them now.
        given_up: how many connections had to make room since the start.
    """

    __slots__ = ("_bytes_max", "_held", "given_up", "held_bytes")

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._held: dict[Holder, int] = {}
        self.held_bytes = self.given_up = 0

    def hold(self, holder: Holder, size: int) -> None:
        """Note that `holder` now holds so many bytes."""
        self.held_bytes += size - self._held.get(holder, 0)
        self._held[holder] = size
        while self.held_bytes > self._bytes_max and len(self._held) > 1:
            oldest = next(iter(self._held))
            self.release(oldest)
            self.given_up += 1
            oldest.make_room()

    def release(self, holder: Holder) -> None:
        """Note that `holder` holds nothing more."""
        self.held_bytes -= self._held.pop(holder, 0)
