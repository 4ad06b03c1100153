"""Appends a second of the SQLite store, against a bare SQLite loop that writes the same rows.

Publishers append one draft each and wait for the answer, all in one event loop, as behind a server; the last
row runs beside a loop that is kept busy, as a fan-out keeps it. The bare loop inserts the same rows with the
same schema and indexes, in groups of the size that the store came to, one fsynced commit each: what SQLite
itself costs on this disk. Their ratio is what the store adds. The switch interval is what `serve` sets; CPython's
own is 5 ms, and `--switch-interval-ms 5` shows what a busy loop then does to the writer.

With `--statement` only the bare loop runs, with 1, 16 and 256 rows a commit, and says what the statement alone costs in the writer's thread,
and how large the file gets; `--directory /dev/shm` takes the disk out of it.

    python benchmarks/store_append.py [--seconds 3] [--publishers 32] [--directory DIR] [--statement]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))  # started as a file, found as a package

from benchmarks.peers.bare_sqlite import Log, inserts_per_s
from fast_sse.model.channel import channel
from fast_sse.model.message import Draft, Key
from fast_sse.store.sqlite.store import SqliteStore
from fast_sse.store.sqlite.writer import SWITCH_INTERVAL_S

CHANNELS = [channel(f"carid{number:06}", kind) for number in range(400) for kind in ("cart_changed", "price")]
DATA = b'{"item":"sku-000123","quantity":2,"price":"19.90","currency":"EUR"}'
HEADERS = b'{"X-Trace-ID":"trace-abc-def","send_time":"2026-11-23 12:00:00.000"}'


def draft(number: int, *, keyed: bool) -> Draft:
    keys = (Key(os.urandom(32)),) if keyed else ()
    return Draft(channel=CHANNELS[number % len(CHANNELS)], data=DATA, headers=HEADERS, keys=keys)


async def through_the_store(
    directory: Path, seconds: float, publishers: int, *, keyed: bool, busy: bool
) -> tuple[float, float]:
    """Appends a second, and records a group."""
    store = SqliteStore(directory)
    await store.open()
    groups = 0

    async def count() -> None:
        nonlocal groups
        async for _ in store.follow((await store.bounds()).newest):
            groups += 1

    follower = asyncio.ensure_future(count())
    appended = 0
    end = time.perf_counter() + seconds

    async def publish() -> None:
        nonlocal appended
        while time.perf_counter() < end:
            appended += 1
            await store.append([draft(appended, keyed=keyed)])

    async def burn() -> None:
        while time.perf_counter() < end:
            until = time.perf_counter() + 0.0005
            while time.perf_counter() < until:
                pass
            await asyncio.sleep(0)

    started = time.perf_counter()
    cpu = time.process_time()
    await asyncio.gather(*(publish() for _ in range(publishers)), *([burn()] if busy else []))
    elapsed = time.perf_counter() - started
    cpu = time.process_time() - cpu
    follower.cancel()
    await store.close()
    print(f"    {cpu / elapsed:.2f} cores, {cpu / appended * 1e6:.1f} us CPU an append")
    return appended / elapsed, appended / max(1, groups)


def statements(root: Path) -> None:
    """A line for each size of a group: CPU and time of a row, and bytes of the file for a record."""
    for keyed in (False, True):
        for rows in (1, 16, 256):
            log = Log(root / f"{rows}-{keyed}", {"channels": len(CHANNELS), "size": 200})
            while log.position < 20_000:
                log.insert(1000, keyed=keyed)
            groups = max(20, min(1500, 24_000 // rows))
            cpu_s = wall_s = 0.0
            for _ in range(groups):
                values = log.values(rows, keyed=keyed)
                began = (time.thread_time(), time.perf_counter())
                log.write(values)
                cpu_s += time.thread_time() - began[0]
                wall_s += time.perf_counter() - began[1]
            log.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            size = (root / f"{rows}-{keyed}" / "log.db").stat().st_size / log.position
            log.connection.close()
            cpu_us, wall_us = (1e6 * total / groups / rows for total in (cpu_s, wall_s))
            print(
                f"{rows} rows{', keys' * keyed}: {cpu_us:.1f} us CPU, {wall_us:.1f} us a row; {size:.0f} bytes a record"
            )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=3.0)
    options.add_argument("--publishers", type=int, default=32)
    options.add_argument("--directory", type=Path, default=None)
    options.add_argument("--statement", action="store_true")
    options.add_argument("--switch-interval-ms", type=float, default=SWITCH_INTERVAL_S * 1000)
    given = options.parse_args()
    sys.setswitchinterval(given.switch_interval_ms / 1000)
    root = Path(tempfile.mkdtemp(prefix="fast-sse-bench-", dir=given.directory))
    print(f"load average before: {os.getloadavg()[0]:.2f}")
    try:
        if given.statement:
            statements(root)
            return
        for number, (keyed, busy, many) in enumerate(
            [
                (False, False, 1),
                (True, False, 1),
                (False, True, 1),
                (False, False, 16),
                (False, True, 16),
                (True, True, 16),
            ]
        ):
            publishers = given.publishers * many
            rate, group = uvloop.run(
                through_the_store(root / f"s{number}", given.seconds, publishers, keyed=keyed, busy=busy)
            )
            options = {"channels": len(CHANNELS), "size": len(DATA)}
            rows = max(1, round(group))
            base = inserts_per_s(root / f"b{number}", options, rows, given.seconds, keyed=keyed)
            what = f"{publishers} publishers{', keys' * keyed}{', busy loop' * busy}"
            print(
                f"{what}: {rate:,.0f}/s in groups of {group:.1f}; bare {base:,.0f}/s; ratio {rate / base:.2f}"
            )
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
