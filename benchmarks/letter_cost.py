"""What dead letters cost who publishes and who listens: CPU per publish, per flush and per delivery, with them on and off.

    .venv/bin/python benchmarks/letter_cost.py [--blocks 40]

Hubs in this process over memory stores, without sockets: streams whose `write` takes the bytes and does nothing, so that what is
left is the hub's own. A publish is one message to nobody, until the hub has taken it from its log; a flush is what one subscriber adds
to it; a delivery what one of 999 more adds. Messages are not joined, so each is a flush. Two hubs take turns, block by block; the figures are
medians over the blocks, in microseconds of CPU, turns included. It prints, and writes nothing down.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvloop

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src")]  # started as a file

from fast_sse.hub.form import Form  # noqa: E402
from fast_sse.hub.hub import Hub  # noqa: E402
from fast_sse.hub.subscription import Subscription  # noqa: E402
from fast_sse.hub.telling import LetterRules  # noqa: E402
from fast_sse.model.channel import Channel, Filter  # noqa: E402
from fast_sse.model.limits import Limits  # noqa: E402
from fast_sse.model.message import Draft  # noqa: E402
from fast_sse.store.base import Appended  # noqa: E402
from fast_sse.store.clock import wall_ms  # noqa: E402
from fast_sse.store.memory.store import MemoryStore  # noqa: E402

CHANNEL = Channel("carid000001", "cart_changed")
DRAFT = Draft(
    channel=CHANNEL, data=b'"' + b"x" * 200 + b'"', headers=b'{"send_time":"2026-01-01 00:00:00.000"}'
)
#: Subscribers, and the messages of a block that is measured with so many.
CROWDS = {0: 1_000, 1: 1_000, 1_000: 500}


class Sink:
    """A transport that takes everything at once; `write` is written in C, as that of a socket is."""

    def __init__(self) -> None:
        self.write = deque[bytes](maxlen=1).append
        self.lost: Callable[[None], object] = lambda _: None
        self._loop = asyncio.get_running_loop()

    def set_write_buffer_limits(self, high: int) -> None:
        """Nothing is ever queued."""

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, _name: str) -> Any:
        return None

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        self._loop.call_soon(self.lost, None)

    abort = close


class Deaf:
    """An observer that does nothing."""

    def notify(self, _fact: object) -> None:
        """Nobody asks."""


class Way:
    """One hub."""

    def __init__(self, rules: LetterRules) -> None:
        self.store = MemoryStore()
        self.hub = Hub(
            self.store,
            Limits(coalesce_ms_max=0.0),
            Deaf(),
            now_ms=wall_ms,
            rng=random.Random(1),
            acknowledged_bytes=lambda _transport: 0,
            rules=rules,
        )
        self.fanout = self.hub._ground.fanout  # noqa: SLF001
        self.crowd = 0
        #: Microseconds of CPU for one message, block by block, by the number of subscribers.
        self.costs: dict[int, list[float]] = {crowd: [] for crowd in CROWDS}

    async def grow(self, crowd: int) -> None:
        """From now on there are so many subscribers."""
        for _ in range(crowd - self.crowd):
            sink: Any = Sink()
            sink.lost = self.hub.subscribe(sink, Subscription(Filter.of(CHANNEL), Form())).connection_lost
        self.crowd = crowd
        await self.block()
        self.costs[crowd].clear()

    async def block(self) -> None:
        """Messages, one after the other."""
        began_s, count = time.process_time(), CROWDS[self.crowd]
        for _ in range(count):
            handed = self.fanout.deliveries + self.crowd
            (outcome,) = await self.hub.publish([DRAFT])
            assert isinstance(outcome, Appended)
            place = outcome.cursor.position
            while self.fanout.level.position < place or self.fanout.deliveries < handed:  # noqa: ASYNC110
                await asyncio.sleep(0)
        self.costs[self.crowd].append((time.process_time() - began_s) / count * 1e6)

    @property
    def figures(self) -> tuple[float, float, float]:
        """Of a publish, a flush and a delivery."""
        none, one, many = (statistics.median(blocks) for blocks in self.costs.values())
        return none, one - none, (many - one) / (max(CROWDS) - 1)


async def run(blocks: int) -> None:
    """Both, in turns; the table."""
    on, off = ways = Way(LetterRules()), Way(LetterRules(enabled=False))
    for way in ways:
        await way.store.open()
        await way.hub.start()
    for crowd in CROWDS:
        for way in ways:
            await way.grow(crowd)
        for number in range(blocks):
            for way in (on, off) if number % 2 else (off, on):
                await way.block()
    print(f"{'us of CPU':12} {'on':>8} {'off':>8} {'on / off':>10}")
    for name, one, other in zip(("a publish", "a flush", "a delivery"), on.figures, off.figures, strict=True):
        print(f"{name:12} {one:8.3f} {other:8.3f} {one / other:8.2f} x")
    for way in ways:
        await way.hub.close()
        await way.store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--blocks", type=int, default=40)
    uvloop.run(run(parser.parse_args().blocks))


if __name__ == "__main__":
    main()
