"""A full pass over the dead letters of SQLite, page by page and in both orders, and what a turn costs meanwhile.

    .venv/bin/python benchmarks/letters.py [--letters 100000] [--page 1000]

One process, a directory of its own that is removed afterwards. What it prints is one run's: nothing is written down.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]  # started as a file, found as a package

from fast_sse.model.channel import Channel  # noqa: E402
from fast_sse.model.message import Draft  # noqa: E402
from fast_sse.store.base import Appended, Retention  # noqa: E402
from fast_sse.store.letters import DUE_MAX, Due, Handed, LetterBounds, Letters, Turn, Wanted  # noqa: E402
from fast_sse.store.sqlite.store import SqliteStore  # noqa: E402

_DATA = b'{"id":1,"text":"' + b"x" * 184 + b'"}'
_HEADERS = b'{"send_time":"2026-01-01 00:00:00.000"}'
_FOREVER = Retention(max_age_s=None, max_bytes=None)


def turn(number: int, through: int, **said: object) -> Turn:
    usual = {"every_ms": 1000, "grace_s": 30.0, "decided": through, "seen": ""}
    return Turn(node="a", start="1", number=number, through=through, **{**usual, **said})  # type: ignore[arg-type]


async def fill(store: SqliteStore, letters: int) -> float:
    """Make so many letters, 500 a turn; seconds that a turn took."""
    await store.letters.begin("a", "1")
    took_s = 0.0
    for number, _ in enumerate(range(0, letters, DUE_MAX), 1):
        drafts = [
            Draft(channel=Channel(f"user-{number % 1000}", f"t{one % 7}"), data=_DATA, headers=_HEADERS)
            for one in range(DUE_MAX)
        ]
        positions = [one.cursor.position for one in await store.append(drafts) if isinstance(one, Appended)]
        began_s = time.perf_counter()
        await store.letters.settle(turn(number, positions[-1], due=[Due(one) for one in positions]))
        took_s += time.perf_counter() - began_s
    return took_s / number


async def full_pass(letters: Letters, wanted: Wanted, page: int) -> tuple[float, int, float]:
    """Seconds, letters, and seconds of the longest page."""
    began_s, found, longest_s, after = time.perf_counter(), 0, 0.0, ""
    while True:
        page_s = time.perf_counter()
        one = await letters.list(wanted, after, page)
        longest_s = max(longest_s, time.perf_counter() - page_s)
        found += len(one.items)
        if one.next is None:
            return time.perf_counter() - began_s, found, longest_s
        after = one.next


async def run(directory: Path, letters: int, page: int) -> None:
    bounds = LetterBounds(max_count=letters, max_bytes=1 << 40)
    store = SqliteStore(directory, _FOREVER, letters=bounds)
    await store.open()
    turn_s = await fill(store, letters)
    print(f"a turn that makes {DUE_MAX} letters: {turn_s * 1000:.1f} ms")
    for name, wanted in (
        ("newest first", Wanted()),
        ("oldest first", Wanted(newest_first=False)),
        ("one channel", Wanted(event_id="user-7", event_type="t3")),
        ("one event id", Wanted(event_id="user-7")),
        ("no match", Wanted(event_type="none")),
    ):
        took_s, found, longest_s = await full_pass(store.letters, wanted, page)
        print(f"{name}: {found} letters in {took_s:.2f} s, the longest page {longest_s * 1000:.1f} ms")
    newest = (await store.bounds()).newest.position
    many = [Handed(position, 1) for position in range(newest + 1, newest + 20_001)]
    for name, said in (
        ("a turn that says nothing", {}),
        ("a turn that hands over 20,000", {"handed": many, "decided": None}),
        ("a turn at the bound, 500 letters in and out", {}),
    ):
        if "bound" in name:
            outcomes = await store.append(
                [Draft(channel=Channel("b", "t"), data=_DATA, headers=_HEADERS)] * DUE_MAX
            )
            said = {
                "due": [Due(one.cursor.position) for one in outcomes if isinstance(one, Appended)],
                "decided": None,
            }
        began_s = time.perf_counter()
        await store.letters.settle(turn(10_000_000 + len(name), newest, **said))
        print(f"{name}: {(time.perf_counter() - began_s) * 1000:.1f} ms")
    began_s = time.perf_counter()
    begun = await store.letters.begin("a", "2")
    print(f"begin: {(time.perf_counter() - began_s) * 1000:.1f} ms, {len(begun.letters)} positions")
    await store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--letters", type=int, default=100_000)
    parser.add_argument("--page", type=int, default=1000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fast-sse-letters-") as directory:
        asyncio.run(run(Path(directory) / "log", asked.letters, asked.page))


if __name__ == "__main__":
    main()
