"""Waits between tries: each twice as long as the one before, up to a bound.

The waits double so that a service that is down is not asked ever more by ever more clients, and they have a bound so
that its return is noticed soon. Where many clients lose the same service at once, chance spreads their next tries over
the upper half of the wait.
"""

from __future__ import annotations


class Backoff:
    """The waits of one loop that tries again.

    Attributes:
        wait_s: the next wait, before chance shortens it. A server that asks for another wait may set it.
    """

    __slots__ = ("_first_s", "_longest_s", "wait_s")

    def __init__(self, first_s: float, longest_s: float) -> None:
        self.wait_s = self._first_s = first_s
        self._longest_s = longest_s

    def next_s(self, chance: float = 1.0) -> float:
        """The wait before the next try, in seconds; the one after it is twice as long.

        `chance` lies between 0 and 1: 0 gives half the wait, 1 the whole of it.
        """
        wait_s = self.wait_s
        self.wait_s = min(2 * wait_s, self._longest_s)
        return wait_s * (1 + chance) / 2

    def restart(self) -> None:
        """Begin with the first wait again, after a try that succeeded."""
        self.wait_s = self._first_s
