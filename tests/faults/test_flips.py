"""One flipped bit anywhere in `log.db` is found by one pass, or changes nothing of what the log answers (G6, F16)."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
from tests.contract.asserting import put, trim_all
from tests.contract.backends import FOREVER, START_MS, Clock, draft
from tests.faults.counts import FLIPS, Record, each_scale

from fast_sse.model.channel import Channel, Filter
from fast_sse.model.errors import FastSseError
from fast_sse.store.base import Retention
from fast_sse.store.pace import Instant
from fast_sse.store.sqlite.store import SqliteStore

BAD = {"SILENT", "raises"}
IDS = [f"carid{number:04}" for number in range(40)]
CHANNELS = [Channel(event_id, kind) for event_id in IDS for kind in ("cart", "price")]
KEYS = [f"k{number}" for number in range(600)]
FILTERS = [
    *map(Filter.of, CHANNELS[::4]),
    Filter.of(Channel("*", "*")),
    Filter.of(Channel("*", "cart")),
    Filter.of(Channel(IDS[1], "*"), CHANNELS[7]),
]


def store_in(directory: Path, retention: Retention = FOREVER) -> SqliteStore:
    return SqliteStore(directory, retention, now_ms=Clock(), ballast_bytes=4096, reserve_block=64)


async def make_log(directory: Path) -> None:
    """Records of many channels and sizes, keys, a trim mark, a loss, an erased channel, and ages of their own."""
    store = store_in(directory, Retention(max_age_s=None, max_bytes=None, max_messages=1500))
    await store.open()
    await put(store, *(draft(*CHANNELS[n % 80], data=b"%d" % n, keys=(KEYS[n % 600],)) for n in range(600)))
    for start in range(0, 1400, 100):
        moved_ms = START_MS + start + (5000 if start > 900 else 0)
        store._pace.read = lambda at=moved_ms: Instant(at, START_MS + 10, START_MS + 10)  # type: ignore[method-assign, misc]
        sizes = (3, 40, 300, 9000 if start % 500 == 0 else 700)
        await put(store, *(draft(*CHANNELS[n * 7 % 80], data=b"7" * sizes[n % 4]) for n in range(100)))
    await trim_all(store)
    await store.erase(CHANNELS[5])
    shutil.copytree(directory, directory.with_suffix(".killed"), ignore=shutil.ignore_patterns("log.lock"))
    await store.close()
    shutil.rmtree(directory)
    directory.with_suffix(".killed").rename(directory)
    store = store_in(directory)
    await store.open()
    await put(store, draft("*", "cart"), draft(*CHANNELS[1]))
    await store.close()


async def answers(store: SqliteStore) -> tuple[list[Any], set[str]]:
    """What the log answers to everything that is asked here, and the gaps on the way."""
    gaps: set[str] = set()
    bounds = await store.bounds()
    found: list[Any] = [bounds]
    for wanted in FILTERS:
        after = bounds.trimmed
        while after.position < bounds.newest.position:
            page = await store.read(wanted, after, 300, 1 << 20)
            gaps |= {page.gap.reason} if page.gap else set()
            found.append(page.records)
            assert page.through.position > after.position, "a stream that stands still"
            after = page.through
        last = await store.last(wanted, 3)
        gaps |= {last.gap.reason} if last.gap else set()
        found.append(last)
    found += [await store.since(time_ms) for time_ms in range(START_MS - 1, START_MS + 7000, 250)]
    assert store._keeper is not None
    log = store._keeper._log
    found += [log.known([draft(keys=(key,)).keys[0].digest for key in KEYS]), log.ends(), log.oldest(5000)]
    return [*found, log.totals(), log.kept(), log.erasing()], gaps


def free_pages(content: bytes) -> set[int]:
    """Pages of the free list: what they hold is nothing."""
    size, found = int.from_bytes(content[16:18]), set()
    trunk = int.from_bytes(content[32:36])
    while trunk:
        at = (trunk - 1) * size
        count = int.from_bytes(content[at + 4 : at + 8])
        leaves = range(at + 8, at + 8 + 4 * count, 4)
        found |= {trunk, *(int.from_bytes(content[leaf : leaf + 4]) for leaf in leaves)}
        trunk = int.from_bytes(content[at : at + 4])
    return found


async def verdict(directory: Path, expected: list[Any]) -> str:
    """What becomes of a log with a flipped bit: how it was found, or that it was not."""
    store = store_in(directory)
    try:
        await store.open()
    except FastSseError:
        return "refused"
    try:
        assert store._audit is not None
        store._audit.one_pass(lambda _: True)
        found = store.damaged
        try:
            answered, gaps = await answers(store)
        except (FastSseError, sqlite3.Error, msgspec.MsgspecError):
            return "found" if found else "raises"
        if found:
            return "found, a gap" if gaps else "found"
        return "no damage" if answered == expected else "a gap" if gaps else "SILENT"
    finally:
        await store.close()


async def flip(directory: Path, count: int, seed: int) -> Counter[str]:
    """Flip that many bits, each in a fresh copy of one log."""
    original = directory / "original"
    await make_log(original)
    store = store_in(original)
    await store.open()
    assert store._audit is not None
    store._audit.one_pass(lambda _: True)
    assert not store.damaged
    expected, gaps = await answers(store)
    assert gaps == set()
    await store.close()
    content = (original / "log.db").read_bytes()
    size, free = int.from_bytes(content[16:18]), free_pages(content)
    pages = [page for page in range(1, len(content) // size + 1) if page not in free]
    chance = random.Random(seed)
    found: Counter[str] = Counter()
    for _ in range(count):
        bit = (chance.choice(pages) - 1) * size * 8 + chance.randrange(size * 8)
        copy = directory / "copy"
        shutil.copytree(original, copy)
        with (copy / "log.db").open("r+b") as file:
            file.seek(bit // 8)
            file.write(bytes([content[bit // 8] ^ 1 << bit % 8]))
        said = await verdict(copy, expected)
        found[said] += 1
        if said in BAD:
            found[f"bit {bit % 8} of byte {bit // 8 % size} of page {bit // 8 // size + 1}"] += 1
        shutil.rmtree(copy)
    return found


@each_scale
async def test_no_flipped_bit_is_silent(tmp_path: Path, scale: str, record: Record) -> None:
    """Each is found by one pass, or refused at the start, or changes no answer; `FAST_SSE_SEED` repeats a full run."""
    seed = int(os.environ.get("FAST_SSE_SEED", random.randrange(1 << 32))) if scale == "chaos" else 1
    found = await flip(tmp_path, FLIPS[scale], seed)
    record(f"{FLIPS[scale]:,} bits of log.db, one at a time", f"{sum(found[bad] for bad in BAD)} silent")
    assert not BAD & found.keys(), f"{dict(found)} FAST_SSE_SEED={seed}"
    assert found["found"] + found["found, a gap"] >= FLIPS[scale] // 2, found
