"""What a record costs in a replay from SQLite when many channels match: `*/sold` over 1 to 10,000 channels, in CPU.

    .venv/bin/python benchmarks/wildcards.py [--messages 200000]

One log for each number of channels, all of one type, messages of 200 bytes in turn. It is read from its beginning to its end in
pages as large as the hub's, by the whole of each page: statement, checksums, records. Beside what the log chooses
stand both ways that it has (`merge` takes the next record from a queue of all channels, `walk` reads the log and looks up each
record's channel), a filter that one record in a hundred matches (`rare`), the whole log, and one channel alone. Each
figure is the best of three. A run over 200,000 messages writes results/wildcards-*.json, every other one to scratch/.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]  # started as a file, found as a package

from benchmarks import results  # noqa: E402
from fast_sse.bench.target import payload  # noqa: E402
from fast_sse.model.channel import Channel, Filter  # noqa: E402
from fast_sse.model.limits import Limits  # noqa: E402
from fast_sse.model.message import Record  # noqa: E402
from fast_sse.store.ranges import Range, ranges  # noqa: E402
from fast_sse.store.rows import pages  # noqa: E402
from fast_sse.store.rows.body import body_of  # noqa: E402
from fast_sse.store.rows.connect import connect  # noqa: E402
from fast_sse.store.rows.entries import ENTRIES_MAX, add_entry  # noqa: E402
from fast_sse.store.rows.log import SqliteLog  # noqa: E402
from fast_sse.store.rows.schema import prepare  # noqa: E402

FULL = 200_000
CHANNELS = (1, 10, 100, 1_000, 10_000)
#: One record in so many is of another type; a prime, so that every channel has some of both.
RARE = 101
HEADERS = b'{"send_time":"2026-11-23 12:00:00.000"}'
LIMITS = Limits()
_ALWAYS, _NEVER = 0, 1 << 40


def filled(path: Path, channels: int, messages: int) -> SqliteLog:
    """A log of messages in so many channels, in turn; each has a twin of the rare type."""
    connection = connect(path, writer=True)
    prepare(connection)
    connection.execute("PRAGMA wal_autocheckpoint = 4000").fetchone()
    log, data = SqliteLog(connection), payload(0, 200)
    for first in range(1, messages + 1, ENTRIES_MAX):
        values: list[Any] = []
        for place in range(first, min(first + ENTRIES_MAX, messages + 1)):
            kind = "rare" if place % RARE == 0 else "sold"
            one = Record(place, Channel(f"carid{place % channels:06}", kind), data, HEADERS, "", b"", place)
            add_entry(values, one, body_of(one))
        log.insert(values)
    return log


def replayed_us(log: SqliteLog, wanted: Sequence[Range], many: int | None = None) -> float:
    """CPU of one record; `many`: from how many channels on the log is walked, if not from the usual number."""
    figures = []
    with patch.object(pages, "MANY_CHANNELS", pages.MANY_CHANNELS if many is None else many):
        for _ in range(3):
            begun_s, place, count = time.process_time(), 0, 0
            while found := log.page(wanted, place, LIMITS.page_records_max, LIMITS.page_bytes_max).records:
                place, count = found[-1].position, count + len(found)
            figures.append((time.process_time() - begun_s) / count * 1e6)
    return round(min(figures), 2)


def measured(channels: int, messages: int) -> dict[str, float]:
    """The figures of one log."""
    sold, rare, everything, one = (
        ranges(Filter.of(Channel(*name)))
        for name in (("*", "sold"), ("*", "rare"), ("*", "*"), ("carid000000", "sold"))
    )
    with tempfile.TemporaryDirectory() as directory:
        log = filled(Path(directory) / "log.db", channels, messages)
        found = {
            "chosen_us": replayed_us(log, sold),
            "merge_us": replayed_us(log, sold, _NEVER),
            "walk_us": replayed_us(log, sold, _ALWAYS),
            "rare_us": replayed_us(log, rare),
            "everything_us": replayed_us(log, everything),
            "one_channel_us": replayed_us(log, one),
        }
        log.connection.close()
    return found


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--messages", type=int, default=FULL)
    given = options.parse_args()
    facts = results.machine(ROOT) | {"command": " ".join(sys.argv), "messages": given.messages}
    figures: dict[int, dict[str, float]] = {}
    for channels in CHANNELS:
        figures[channels] = measured(channels, given.messages)
        print(
            f"{channels:6,d} channels: " + ", ".join(f"{k[:-3]} {v}" for k, v in figures[channels].items()),
            flush=True,
        )
    folder = ROOT / "benchmarks" / ("results" if given.messages >= FULL else "scratch")
    folder.mkdir(exist_ok=True)
    path = folder / f"wildcards-{time.strftime('%Y-%m-%d')}.json"
    path.write_text(json.dumps({"facts": facts, "figures": figures}, indent=1) + "\n")
    print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
