"""A beat beside a fault: one publish every 20 ms, each heard on a stream, and how long that took.

What holds the loop of a hub shows here and nowhere else: no counter moves while nothing runs.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.publisher import Pair, Publisher, signed, subscribe_target
from tests.support.server import Hub
from tests.support.sse import Client

PERIOD_S = 0.02
#: What a quiet beat is taken for at least: a machine with other work must not decide. Attacks that hold a loop take seconds.
QUIET_S_MIN = 0.01
#: How many times slower a beat may be beside a fault.
TIMES = 10
#: What an allocator keeps for itself.
SLACK_BYTES = 24 << 20

#: Runs in a thread until its event is set, with sockets that block: it costs the beat's own loop nothing.
Attack = Callable[[threading.Event], None]


class Beat:
    """A publisher and a subscriber of one channel; `async with`.

    Attributes:
        noise_s: the slowest that `calm` was meanwhile, a beat of another hub that nothing befalls: what the machine
            did to both, with other work or with that of the attackers.
    """

    def __init__(self, hub: Hub, channel: Pair = ("beat", "beat"), *, calm: Beat | None = None) -> None:
        self.noise_s = 0.0
        self._calm = calm
        self._channel = channel
        self._publisher = Publisher("beat", hub.public, keyed=False)
        self._client = Client("beat", hub.public, subscribe_target(channel), signed(channel))

    async def __aenter__(self) -> Self:
        await self._client.start().ready()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._publisher.close()
        await self._client.stop()

    async def p99_s(self, beats: int) -> float:
        """The 99th percentile, over so many beats, of the seconds from a publish to its event."""
        if self._calm is None:
            return await self._p99_s(beats)
        mine_s, calm_s = await asyncio.gather(self._p99_s(beats), self._calm.p99_s(beats))
        self.noise_s = max(self.noise_s, calm_s)
        return mine_s

    async def _p99_s(self, beats: int) -> float:
        loop, took = asyncio.get_running_loop(), []
        due = loop.time()
        for _ in range(beats):
            await asyncio.sleep(max(0.0, due - loop.time()))
            due += PERIOD_S
            began, heard = loop.time(), len(self._client.events)
            message = await self._publisher.publish(self._channel)
            assert message.outcome == "ok", message
            await self._client.count(heard + 1)
            took.append(loop.time() - began)
        return sorted(took)[max(0, int(len(took) * 0.99) - 1)]


@asynccontextmanager
async def beside(*attacks: Attack) -> AsyncIterator[None]:
    """The attacks run meanwhile; one that fails fails the test."""
    stop = threading.Event()
    running = [asyncio.create_task(asyncio.to_thread(attack, stop)) for attack in attacks]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*running)


def judge(quiet_s: float, loud_s: float, noise_s: float = 0.0) -> None:
    """Raise AssertionError when others were held up, by more than a hub that nothing befell."""
    assert loud_s <= TIMES * max(quiet_s, noise_s, QUIET_S_MIN), (
        f"p99 of a beat: {quiet_s * 1e3:.1f} ms alone, {loud_s * 1e3:.1f} ms beside, {noise_s * 1e3:.1f} ms elsewhere"
    )


def open_files(hub: Hub) -> int:
    """Descriptors of the hub."""
    return sum(1 for _ in Path(f"/proc/{hub.pid}/fd").iterdir())
