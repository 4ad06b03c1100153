"""kill -9 while a publish is in flight, by construction: the publisher that just sent a request gives the order.

Half of the kills strike at once, so that the request is on the wire or being read; the other half a moment later
(up to two milliseconds), so that some land between the commit and the answer. Each strike notes how many publishes
were sent and not answered at that instant.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from tests.faults.crowd import Crowd
from tests.support.server import Hub

#: The longest wait between a request and the kill that it triggers.
AIM_S = 0.002


@dataclass
class Killer:
    """Kills and restarts a hub `kills` times, evenly over `messages` acknowledged messages."""

    hub: Hub
    crowd: Crowd
    kills: int
    messages: int
    in_flight: list[int] = field(default_factory=list)
    killed_ns: list[int] = field(default_factory=list)

    async def run(self) -> None:
        """Strike, wait for the end, start again on the same port and data; until all kills are done."""
        for publisher in self.crowd.publishers:
            publisher.on_sent = self._sent
        for _ in range(self.kills):
            self._struck = asyncio.Event()
            self._armed = True
            await self._struck.wait()
            await self.hub.await_exit()
            await self.hub.astart()

    _armed: bool = False
    _struck: asyncio.Event = field(default_factory=asyncio.Event)

    def _sent(self) -> None:
        due = (len(self.killed_ns) + 1) * self.messages // (self.kills + 1)
        if not self._armed or self.crowd.acknowledged < due:
            return
        self._armed = False
        if len(self.killed_ns) % 2 == 0:
            self._strike()
        else:
            asyncio.get_running_loop().call_later(self.crowd.random.random() * AIM_S, self._strike)

    def _strike(self) -> None:
        self.hub.kill_now()
        self.in_flight.append(sum(publisher.in_flight for publisher in self.crowd.publishers))
        self.killed_ns.append(time.monotonic_ns())
        self._struck.set()

    @property
    def bit(self) -> int:
        """Kills that landed with at least one publish in flight."""
        return sum(count > 0 for count in self.in_flight)

    def back_ms(self) -> list[float]:
        """For each kill, milliseconds until the answer to a request that was made after it, start of the process included."""
        answered = sorted(
            (attempt.invoked_ns, attempt.done_ns)
            for message in self.crowd.messages
            for attempt in message.attempts
            if attempt.status == 200
        )
        return [
            next((done - kill) / 1e6 for invoked, done in answered if invoked > kill)
            for kill in self.killed_ns
        ]
