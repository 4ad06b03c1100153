"""What a message takes of Redis's memory: its entry, its places in three indexes, its idempotency key; and what becomes of
one that nobody took: its dead letter. Receipts likewise.

A real redis-server of its own, the real store, and `used_memory` before and after: with few channels and with one
message a channel, since each channel and each id has an index of its own.

    python benchmarks/redis_memory.py [--letters] [--messages 20000]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # started as a file, found as a package

from tests.support.redis_server import RedisServer

from fast_sse.model.channel import Channel, Filter, channel
from fast_sse.model.message import Draft, Key
from fast_sse.store.base import Appended
from fast_sse.store.letters import Due, Handed, LetterBounds, Turn, Wanted
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


async def letters_measured(server: RedisServer, messages: int, size: int) -> None:
    """Let messages die, forget the log, and look at what is left."""
    server.do("FLUSHALL")
    store = RedisStore(server.url, letters=LetterBounds(max_bytes=1 << 40))
    await store.open()
    seen = (await store.letters.begin("node", "1")).seen
    died_us = 0
    memory = server.info("memory")["used_memory"]
    for number, first in enumerate(range(0, messages, GROUP), start=1):
        drafts = [draft(one, 10, size, keyed=False) for one in range(first, min(first + GROUP, messages))]
        before = server.info("memory")["used_memory"]
        cursors = [one.cursor for one in await store.append(drafts) if isinstance(one, Appended)]
        memory += server.info("memory")["used_memory"] - before
        due = [Due(one.position, one.fingerprint) for one in cursors]
        server.do("CONFIG", "RESETSTAT")
        seen = (await store.letters.settle(turn(number, cursors[-1].position, seen, due=due))).seen
        died_us += in_scripts_us(server)
    each = (server.info("memory")["used_memory"] - memory) / messages
    server.do("CONFIG", "RESETSTAT")
    await store.letters.list(Wanted(), "", 1000)
    listed_us = in_scripts_us(server)
    await store.close()
    counted = size + len(HEADERS) + COUNTED_BYTES
    print(
        f"{size:>6} B  {each:>8.0f}  {each / counted:>6.2f}  {died_us / messages:>8.1f}  {listed_us / 1000:>8.1f}"
    )


async def receipts_measured(server: RedisServer, receipts: int, handed: int) -> None:
    """Turns of one node while another one waits for what is below all of them."""
    server.do("FLUSHALL")
    store = RedisStore(server.url)
    await store.open()
    seen = (await store.letters.begin("node", "1")).seen
    await store.letters.begin("other", "1")
    told_us = 0
    place = time.time_ns() // 1_000_000 << 64
    for number in range(1, receipts + 1):
        place += 1000 << 64
        told = [Handed(place + (one * 1000 // handed << 64), 1) for one in range(handed)]
        server.do("CONFIG", "RESETSTAT")
        seen = (await store.letters.settle(turn(number, place, seen, handed=told))).seen
        told_us += in_scripts_us(server)
    (key,) = server.do("KEYS", "*:turns")
    each = server.do("MEMORY", "USAGE", key, "SAMPLES", 0) / receipts
    await store.close()
    print(f"{handed:>7}  {each:>8.0f}  {each / handed:>8.1f}  {told_us / receipts / 1000:>7.2f}")


def in_scripts_us(server: RedisServer) -> int:
    """Microseconds that the server was in scripts since its counters were reset."""
    found = server.do("INFO", "commandstats").get("cmdstat_evalsha")
    return int(found["usec"]) if found else 0


def turn(number: int, through: int, seen: str, **said: Any) -> Turn:
    return Turn(
        node="node",
        start="1",
        number=number,
        every_ms=1000,
        grace_s=30.0,
        through=through,
        decided=None,
        seen=seen,
        **said,
    )


async def letters_main(messages: int) -> None:
    with tempfile.TemporaryDirectory() as directory, RedisServer(Path(directory)) as server:
        print(f"redis-server {server.info('server')['redis_version']}, {messages} letters a line")
        print("  data    B each  of counted  us each in the server  ms for a page of 1,000")
        for size in (200, 1000, 10_000):
            await letters_measured(server, messages, size)
        print(" handed  B a receipt  B each  ms a turn in the server")
        for handed in (1, 100, 20_000):
            await receipts_measured(server, 1000 if handed < 1000 else 20, handed)


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
    parser.add_argument("--letters", action="store_true", help="of dead letters and receipts instead")
    asked = parser.parse_args()
    asyncio.run((letters_main if asked.letters else main)(asked.messages))
