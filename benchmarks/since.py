"""What it costs to find a time in a long log, against `last=1`: `Store.since(time)` and `Store.last(filter, 1)` in turn.

    .venv/bin/python benchmarks/since.py [--stores memory,sqlite,redis,kafka] [--messages N] [--server-messages N]

One log a store, messages of 200 bytes in eight channels: as many as `--messages` in memory and SQLite, where the clock is
moved so that they are a day's; `--server-messages` on a redis-server and a Kafka broker of the run's own, by their clocks.
Times are drawn from all of the log, the same for every run. The figures are medians of `--calls` calls each, one at a
time; the goal is a ratio of ten at most. A run over a million messages writes results/since-*.json, every other one to scratch/.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]  # started as a file, found as a package

from tests.support.kafka_broker import shared_broker  # noqa: E402
from tests.support.redis_server import RedisServer  # noqa: E402

from benchmarks import results  # noqa: E402
from fast_sse.model.channel import Channel, Filter, channel  # noqa: E402
from fast_sse.model.message import Draft  # noqa: E402
from fast_sse.store.base import Retention, Store  # noqa: E402
from fast_sse.store.kafka.settings import KafkaSettings  # noqa: E402
from fast_sse.store.kafka.store import KafkaStore  # noqa: E402
from fast_sse.store.memory.store import MemoryStore  # noqa: E402
from fast_sse.store.redis.store import RedisStore  # noqa: E402
from fast_sse.store.sqlite.store import SqliteStore  # noqa: E402

FULL = 1_000_000
GOAL = 10.0
GROUP = 1000
DAY_MS = 86_400_000
CHANNELS = [channel(f"carid{number:06}", "cart_changed") for number in range(8)]
DATA = b'"' + b"x" * 198 + b'"'
HEADERS = b'{"send_time":"2026-11-23 12:00:00.000"}'
FOREVER = Retention(max_age_s=None, max_bytes=None, max_messages=None)


class Clock:
    """Store time of the stores that live in this process."""

    def __init__(self) -> None:
        self.now_ms = time.time_ns() // 1_000_000 - DAY_MS

    def __call__(self) -> int:
        return self.now_ms


class Figures(NamedTuple):
    """Medians in microseconds."""

    messages: int
    since_us: float
    last_us: float

    @property
    def ratio(self) -> float:
        """How many times `last=1` it is."""
        return self.since_us / self.last_us


@asynccontextmanager
async def opened(name: str, directory: Path, clock: Clock) -> AsyncIterator[Store]:
    """An empty log, and the server that it needs."""
    async with AsyncExitStack() as stack:
        store: Store
        if name == "memory":
            store = MemoryStore(FOREVER, now_ms=clock)
        elif name == "sqlite":
            store = SqliteStore(directory / "log", FOREVER, now_ms=clock)
        elif name == "redis":
            server = stack.enter_context(RedisServer(directory / "redis"))
            store = RedisStore(server.url, FOREVER)
        else:
            broker = await asyncio.to_thread(shared_broker)
            settings = KafkaSettings(bootstrap_servers=broker.bootstrap, topic="since", deadline_s=60.0)
            store = KafkaStore(settings, directory / "view", FOREVER)
        await store.open()
        stack.push_async_callback(store.close)
        yield store


async def fill(store: Store, messages: int, clock: Clock) -> None:
    """Append, in groups; a day passes on the clock meanwhile."""
    began_ms = clock.now_ms
    for first in range(0, messages, GROUP):
        clock.now_ms = began_ms + DAY_MS * first // messages
        numbers = range(first, min(first + GROUP, messages))
        drafts = [Draft(channel=CHANNELS[number % 8], data=DATA, headers=HEADERS) for number in numbers]
        await store.append(drafts)


async def measured(store: Store, messages: int, calls: int) -> Figures:
    """Both calls in turn, each alone."""
    everything = Filter.of(Channel("*", "*"))
    oldest = (await store.read(everything, (await store.bounds()).trimmed, 1, 1)).records[0].time_ms
    newest = (await store.last(everything, 1)).records[0].time_ms
    chance, wanted = random.Random(1), Filter.of(CHANNELS[0])
    took: dict[str, list[float]] = {"since": [], "last": []}
    for _ in range(calls):
        time_ms = chance.randint(oldest, newest)
        for name, call in (
            ("since", lambda at=time_ms: store.since(at)),
            ("last", lambda: store.last(wanted, 1)),
        ):
            began_ns = time.perf_counter_ns()
            await call()
            took[name].append((time.perf_counter_ns() - began_ns) / 1000)
    return Figures(messages, median(took["since"]), median(took["last"]))


async def run(names: list[str], count: Callable[[str], int], calls: int) -> dict[str, Figures]:
    """Every store in turn, a line for each."""
    found: dict[str, Figures] = {}
    print("store      messages   since (us)   last=1 (us)   ratio", flush=True)
    for name in names:
        clock = Clock()
        with tempfile.TemporaryDirectory(prefix="fast-sse-since-") as directory:
            async with opened(name, Path(directory), clock) as store:
                await fill(store, count(name), clock)
                one = found[name] = await measured(store, count(name), calls)
        print(
            f"{name:8s} {one.messages:>10,} {one.since_us:>12.1f} {one.last_us:>13.1f} {one.ratio:>7.2f}"
            f"{'' if one.ratio <= GOAL else '  more than ten times'}",
            flush=True,
        )
    return found


def main() -> int:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--stores", default="memory,sqlite")
    options.add_argument("--messages", type=int, default=FULL)
    options.add_argument("--server-messages", type=int, default=200_000)
    options.add_argument("--calls", type=int, default=2000)
    given = options.parse_args()
    facts = results.machine(ROOT) | {"command": " ".join(sys.argv)}

    def count(name: str) -> int:
        return int(given.messages if name in ("memory", "sqlite") else given.server_messages)

    found = asyncio.run(run(given.stores.split(","), count, given.calls))
    folder = ROOT / "benchmarks" / ("results" if given.messages >= FULL else "scratch")
    folder.mkdir(exist_ok=True)
    path = folder / f"since-{time.strftime('%Y-%m-%d')}.json"
    figures = {name: one._asdict() | {"ratio": one.ratio} for name, one in found.items()}
    path.write_text(json.dumps({"facts": facts, "figures": figures}, indent=1) + "\n")
    print(path.relative_to(ROOT))
    return int(any(one.ratio > GOAL for one in found.values()))


if __name__ == "__main__":
    sys.exit(main())
