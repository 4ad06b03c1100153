"""What a message takes of Redis's memory: its entry, its places in three indexes, its idempotency key.

A real redis-server of its own, the real store, and `used_memory` before and after: with few channels and with one
message a channel, since each channel and each id has an index of its own.

    python benchmarks/redis_memory.py [--messages 20000]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # started as a file, found as a package

from tests.support.redis_server import RedisServer

from fast_sse.model.channel import Channel, Filter, channel
from fast_sse.model.message import Draft, Key
from fast_sse.store.redis.store import RedisStore

HEADERS = b'{"send_time":"2026-11-23 12:00:00.000"}'
GROUP = 500
#: What retention counts of a message beside its bytes.
COUNTED_BYTES = 200


def draft(number: int, channels: int, size: int, *, keyed: bool) -> Draft:
    name = number % channels
    return Draft(
        channel=channel(f"user{name:08}", "inbox"),
        data=b'"' + b"x" * (size - 2) + b'"',
        headers=HEADERS,
        keys=(Key(os.urandom(32)),) if keyed else (),
        body_sha256=bytes(32),
    )


async def measured(server: RedisServer, messages: int, channels: int, size: int, *, keyed: bool) -> None:
    """Append, look at the memory, replay once from the beginning."""
    server.do("FLUSHALL")
    store = RedisStore(server.url)
    await store.open()
    before = server.info("memory")["used_memory"]
    began_s = time.perf_counter()
    for first in range(0, messages, GROUP):
        numbers = range(first, min(first + GROUP, messages))
        await store.append([draft(number, channels, size, keyed=keyed) for number in numbers])
    appended_s = time.perf_counter() - began_s
    each = (server.info("memory")["used_memory"] - before) / messages
    place, read, began_s = (await store.bounds()).trimmed, 0, time.perf_counter()
    while read < messages:
        page = await store.read(Filter.of(Channel("*", "*")), place, 512, 1 << 20)
        place, read = page.through, read + len(page.records)
    replayed_s = time.perf_counter() - began_s
    await store.close()
    counted = size + len(HEADERS) + COUNTED_BYTES
    print(
        f"{size:>6} B  {channels:>7}  {'yes' if keyed else 'no':>5}  {each:>8.0f}  {each / counted:>6.2f}"
        f"  {messages / appended_s:>8.0f}  {messages / replayed_s:>8.0f}",
        flush=True,
    )


async def main(messages: int) -> None:
    with tempfile.TemporaryDirectory() as directory, RedisServer(Path(directory)) as server:
        print(f"redis-server {server.info('server')['redis_version']}, {messages} messages a line")
        print("  data  channels  keyed  B each  of counted  appends/s  replays/s")
        for size in (200, 1000, 10_000):
            for channels in (10, messages // 10, messages):
                await measured(server, messages, channels, size, keyed=False)
        await measured(server, messages, 10, 200, keyed=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=20_000)
    asyncio.run(main(parser.parse_args().messages))
