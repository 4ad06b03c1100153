"""One timer for all connections: a deadline is an attribute, and a coarse sweep finds the connections that are late.

A timer for each connection or request would cost more than the request. The sweep runs a few times within the shortest
deadline, and at least once a second. So a connection is cut up to one interval late, and never early. Without
connections there is no timer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from fast_sse.model.limits import Limits

NEVER = float("inf")

#: Seconds that a peer has to read our last answer and close, before we close (RFC 9112 §9.6).
LINGER_S = 2.0


class Timed(Protocol):
    """An open connection, in what concerns its end."""

    deadline: float

    def expired(self) -> None:
        """Called by a sweep at or after `deadline`; must move or end it."""

    def drain(self) -> None:
        """Close after what is pending."""

    def abort(self) -> None:
        """Close now."""


class Deadlines:
    """The open connections, and the moments at which deadlines that are set now will end.

    `head`, `body`, `idle` and `linger` are moments of `clock`, renewed by each sweep. Setting a deadline means copying one
    of them. `on_renew` is called at each renewal: at most a second apart while there are members.
    """

    __slots__ = (
        "_clock",
        "_limits",
        "_on_renew",
        "_timer",
        "body",
        "head",
        "idle",
        "interval_s",
        "linger",
        "members",
    )

    def __init__(
        self, limits: Limits, clock: Callable[[], float], on_renew: Callable[[], None] | None = None
    ) -> None:
        self._limits = limits
        self._on_renew = on_renew
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        shortest = min(limits.header_s, limits.body_s, limits.keep_alive_s)
        self.interval_s = min(1.0, shortest / 4)
        self.members: set[Timed] = set()
        self._renew(clock())

    def _renew(self, now: float) -> None:
        """Count from the next sweep on, so that no deadline that is set before it ends early."""
        base = now + self.interval_s
        self.head = base + self._limits.header_s
        self.body = base + self._limits.body_s
        self.idle = base + self._limits.keep_alive_s
        self.linger = base + LINGER_S
        if self._on_renew is not None:
            self._on_renew()

    def add(self, member: Timed) -> None:
        """Watch `member`; the first one starts the timer."""
        self.members.add(member)
        if self._timer is None:
            self._renew(self._clock())
            self._timer = asyncio.get_running_loop().call_later(self.interval_s, self._tick)

    def discard(self, member: Timed) -> None:
        """Watch `member` no longer; without members the next tick is the last."""
        self.members.discard(member)

    def sweep(self) -> None:
        """Expire the connections that are late."""
        now = self._clock()
        self._renew(now)
        for late in [member for member in self.members if member.deadline <= now]:
            late.expired()

    def _tick(self) -> None:
        self._timer = None
        if self.members:
            self._timer = asyncio.get_running_loop().call_later(self.interval_s, self._tick)
            self.sweep()

    def stop(self) -> None:
        """Cancel the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
