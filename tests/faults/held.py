"""Acknowledgements that are held on their way from the hub to its queue: stored, and the queue does not know.

That is the moment at which a kill or a stop of the hub asks most of it: everything in hand is read again. It is made by
a proxy that knows an acknowledgement when it comes by, and not by a time that might be right.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tests.support.http1 import Address
from tests.support.kafka_proxy import OFFSET_COMMIT, Request, Rule
from tests.support.proxy import Proxy


class Held:
    """Which acknowledgements are held: one in `every`, `times` times. `strike` is called as each is."""

    def __init__(self, every: int, times: int) -> None:
        self.every = every
        self.times = times
        self.strike: Callable[[], None] = lambda: None
        self._passed = 0
        self._held = asyncio.Semaphore(0)

    def holds(self) -> bool:
        """Whether the one that is on its way now is held."""
        if not self.times:
            return False
        self._passed += 1
        if self._passed < self.every:
            return False
        self._passed = 0
        self.times -= 1
        self.strike()
        self._held.release()
        return True

    async def next(self, within_s: float) -> None:
        """Wait for the next to be held."""
        await asyncio.wait_for(self._held.acquire(), within_s)


class HeldAcks(Proxy):
    """Before a Redis: an XACK that is held never arrives, nor does anything that follows on its connection."""

    def __init__(self, target: Address, held: Held) -> None:
        super().__init__(target)
        self.held = held

    def keeps(self, data: bytes) -> bool:
        return b"XACK" in data and self.held.holds()


class HeldCommits(Rule):
    """Before a Kafka: an OffsetCommit that is held waits, with its connection, until all are let go.

    Args:
        held: which.
        client: whose; none is everybody's.
    """

    def __init__(self, held: Held, client: str = "") -> None:
        self.held = held
        self.client = client
        self._kept: list[Request] = []
        self._let_go = asyncio.Event()
        self._answered = asyncio.Event()

    async def asked(self, request: Request) -> None:
        if request.api != OFFSET_COMMIT or self.client not in ("", request.client):
            return
        if self.held.holds():
            self._kept.append(request)
            await self._let_go.wait()

    async def answered(self, request: Request) -> None:
        if request in self._kept:
            self._answered.set()

    async def let_go(self, within_s: float) -> None:
        """Let them go, and wait for the broker's answer to one."""
        self._let_go.set()
        await asyncio.wait_for(self._answered.wait(), within_s)
