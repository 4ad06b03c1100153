"""What one record of a replay from SQLite costs, part by part, beside a bare SELECT of the same rows; no socket, no loop.

    .venv/bin/python benchmarks/replay_parts.py [records]

Each figure is the best of five passes over the log in pages as large as the hub's, in microseconds of CPU per record:
`select` is the statement of a page alone, `page` adds decoding and the checksums, `frames` is the page as SSE bytes,
and `bare` is a plain paged SELECT of position and body.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]  # started as a file, found as a package

from benchmarks.peers.bare_sqlite import Log  # noqa: E402
from fast_sse.hub import frames  # noqa: E402
from fast_sse.model.channel import Filter, channel  # noqa: E402
from fast_sse.model.cursor import Cursor  # noqa: E402
from fast_sse.model.limits import Limits  # noqa: E402
from fast_sse.model.message import Record  # noqa: E402
from fast_sse.store.ranges import ranges  # noqa: E402
from fast_sse.store.rows.entries import ENTRIES_MAX  # noqa: E402
from fast_sse.store.rows.log import SqliteLog  # noqa: E402
from fast_sse.store.rows.statements import JOINT, asked_of, whole_sql  # noqa: E402

CHANNEL = channel("carid000000", "cart_changed")
BARE = "SELECT seq, body FROM log INDEXED BY log_channel WHERE channel = 1 AND seq > ? ORDER BY seq LIMIT ?"
LIMITS = Limits()


class Passes:
    """The ways through one log, a page at a time; each takes the place after which a page begins, and returns its end."""

    def __init__(self, log: SqliteLog, records: int) -> None:
        self._log = log
        self._records = records
        self._wanted = ranges(Filter.of(CHANNEL))
        self._asked = asked_of(self._wanted)
        self._origin = Cursor("s1", "0" * 13, 0)
        self.pages: list[list[Record]] = []

    def select(self, after: int) -> int:
        """The statement, its row fetched."""
        count = LIMITS.page_records_max
        values = (after, count, JOINT, *self._asked.values)
        self._log.connection.execute(whole_sql(self._asked.way), values).fetchone()
        return after + count

    def page(self, after: int) -> int:
        """What the store gives the hub."""
        found = self._log.page(self._wanted, after, LIMITS.page_records_max, LIMITS.page_bytes_max).records
        if len(found) * len(self.pages) < self._records:
            self.pages.append(found)
        return found[-1].position

    def frames(self, after: int) -> int:
        """What the hub makes of it."""
        records = self.pages.pop(0)
        list(frames.frames_of(records, self._origin, shape=frames.BARE, bytes_max=LIMITS.flush_bytes_max))
        self.pages.append(records)
        return after + len(records)

    def bare(self, after: int) -> int:
        """No hub at all."""
        rows = self._log.connection.execute(BARE, (after, LIMITS.page_records_max)).fetchall()
        return int(rows[-1][0])


def best_us(step: Callable[[int], int], records: int) -> float:
    """CPU per record of the best pass."""
    figures = []
    for _ in range(5):
        begun_s, place = time.process_time(), 0
        while place < records:
            place = step(place)
        figures.append((time.process_time() - begun_s) / records * 1e6)
    return min(figures)


def main(records: int) -> None:
    """Fill a log and walk it."""
    with tempfile.TemporaryDirectory() as directory:
        filled = Log(Path(directory) / "log", {"channels": 1, "size": 200})
        while filled.position < records:
            filled.insert(min(ENTRIES_MAX, records - filled.position), keyed=False)
        passes = Passes(SqliteLog(filled.connection), records)
        for name in ("bare", "select", "page", "frames"):
            print(f"{name:8s} {best_us(getattr(passes, name), records):5.2f} us")
        filled.connection.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 51_200)
