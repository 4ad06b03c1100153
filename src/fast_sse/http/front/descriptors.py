"""File descriptors that clients cannot have: they are for the operators' listener, the store and its files.

A connection is a descriptor. If clients held all of them, no operator could ask the hub what is wrong, and the store
could not open a file. So connections are turned away while some descriptors are left (CWE-770). The kernel gives a new
socket the lowest free number (POSIX). So a number at the bound means that as many are in use, and nothing has to be
counted. Reading the number costs a system call, so not every number is read: a connection takes one descriptor, and the
next number is read when a quarter of what was left has been let in. The rest is room for what others open meanwhile.

A connection is turned away by a close without an answer. Every client retries after a broken connection, and an answer
to each would take time from the clients that are connected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

#: Descriptors kept back, or a quarter of them where there are few.
RESERVED = 256

#: Called with the number of connections turned away so far.
OnFull = Callable[[int], None]


def for_clients(limit: int) -> int:
    """How many of `limit` descriptors may be in use when a client is still let in; 0 for no bound."""
    return max(0, limit - min(RESERVED, limit // 4))


def for_operators(limit: int, most: int) -> int:
    """How many of the descriptors kept back operators may use: half of them, because the store has files, and at most `most`."""
    return min(most, (limit - for_clients(limit)) // 2) if limit else most


class Descriptors:
    """Lets connections in until `number_max` descriptors are in use; 0 lets all in.

    Attributes:
        turned_away: connections that were not let in, since the start.
    """

    __slots__ = ("_number_max", "_on_full", "_unseen", "turned_away")

    def __init__(self, number_max: int = 0, on_full: OnFull | None = None) -> None:
        self._number_max = number_max
        self._on_full = on_full
        self._unseen = 0  # connections to let in before the next look
        self.turned_away = 0

    def has_room(self, transport: asyncio.BaseTransport) -> bool:
        """Whether a connection that was just accepted may stay."""
        if self._unseen or not self._number_max:
            self._unseen = max(0, self._unseen - 1)
            return True
        sock = transport.get_extra_info("socket")
        if sock is None:
            return True
        left = self._number_max - sock.fileno()
        if left > 0:
            self._unseen = left // 4
            return True
        self.turned_away += 1
        if self._on_full is not None:
            self._on_full(self.turned_away)
        return False
