"""SQLite alone: the loops that our own store is judged against, with the same rows, schema, indexes and fsync.

No HTTP, no signature, no order to keep between publishers: what the disk and SQLite themselves cost. A group has as
many rows as the hub's: of many connections one half waits for the disk while the other half is answered and asks
again (`strace -f -c` of a hub with 32 connections counted 16.3 publishes for each fdatasync), one connection has one
row under way, and batches fill groups up to the store's own bound.

    python -m benchmarks.peers.bare_sqlite '{"scenario": "publish", "options": {…}, "directory": "…"}'

It runs as a process of its own, on the servers' core, and prints its figures as JSON under the names of a hub's.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.peers.process import PeerError, pinned, scratch
from fast_sse.bench.publishes import BATCH_LINES
from fast_sse.bench.target import payload
from fast_sse.model.channel import channel
from fast_sse.model.limits import Limits
from fast_sse.model.message import Draft, Key
from fast_sse.store.dedup import Known
from fast_sse.store.record import record_of
from fast_sse.store.rows.body import body_of
from fast_sse.store.rows.channels import Numbers
from fast_sse.store.rows.connect import connect
from fast_sse.store.rows.entries import ENTRIES_MAX, add_entry
from fast_sse.store.rows.log import SqliteLog
from fast_sse.store.rows.schema import prepare

NOTE = "a bare loop over the same rows, schema and fsync; no server"
HEADERS = b'{"send_time":"2026-11-23 12:00:00.000"}'
ROOT = Path(__file__).parents[2]
_KEY_WINDOW_MS = 1 << 50


class Log:
    """A new database as the store makes it, and rows as the store writes them."""

    def __init__(self, directory: Path, options: dict[str, Any]) -> None:
        directory.mkdir()
        self.connection = connect(directory / "log.db", writer=True)
        self.connection.execute("PRAGMA wal_autocheckpoint = 4000")
        prepare(self.connection)
        self._log = SqliteLog(self.connection)
        self._numbers = Numbers()
        self._channels = [channel(f"carid{n:06d}", "cart_changed") for n in range(options.get("channels", 1))]
        self._data = payload(0, options["size"])
        self.position = 0

    def values(self, rows: int, *, keyed: bool) -> list[Any]:
        """The values of a group."""
        found: list[Any] = []
        for _ in range(rows):
            self.position += 1
            to = self._channels[self.position % len(self._channels)]
            keys = (Key(os.urandom(32)),) if keyed else ()
            record = record_of(
                Draft(channel=to, data=self._data, headers=HEADERS, keys=keys), self.position, 0
            )
            known = [(key.digest, Known(self.position, bytes(32), _KEY_WINDOW_MS)) for key in keys]
            add_entry(found, record, body_of(record), known, number=self._numbers.known.get(to))
        return found

    def insert(self, rows: int, *, keyed: bool) -> None:
        """One group: one statement, one transaction, one fsync."""
        self.write(self.values(rows, keyed=keyed))
        if len(self._numbers.known) < len(self._channels):
            self._numbers.learn(self._log.numbers(self._channels))

    def write(self, values: list[Any]) -> None:
        """The statement alone."""
        self._log.insert(values)


def inserts_per_s(
    directory: Path, options: dict[str, Any], rows: int, seconds: float, *, keyed: bool
) -> float:
    """Rows a second of a loop that builds groups and inserts them."""
    log = Log(directory, options)
    started_s = time.perf_counter()
    while time.perf_counter() < started_s + seconds:
        log.insert(rows, keyed=keyed)
    took_s = time.perf_counter() - started_s
    log.connection.close()
    return log.position / took_s


def publish(directory: Path, options: dict[str, Any]) -> dict[str, float]:
    """The four turns of the scenario `publish`."""
    many, seconds = options["publishers"], options["seconds"] / 4
    turns = {
        "single_1": (1, False),
        f"single_{many}": (max(1, many // 2), False),
        "batch_1": (BATCH_LINES, True),
        f"batch_{many}": (min(ENTRIES_MAX, many * BATCH_LINES), True),
    }
    return {
        f"{name}_publishes_per_s": inserts_per_s(directory / name, options, rows, seconds, keyed=keyed)
        for name, (rows, keyed) in turns.items()
    }


def replay(directory: Path, options: dict[str, Any]) -> dict[str, float]:
    """Rows a second of pages read one after another on the index of their channel, pages as large as the hub's."""
    log, messages = Log(directory / "replay", options | {"channels": 1}), options["messages"]
    while log.position < messages:
        log.insert(min(ENTRIES_MAX, messages - log.position), keyed=False)
    log.connection.close()
    reader = sqlite3.connect(directory / "replay" / "log.db")
    sql = (
        "SELECT seq, body FROM log INDEXED BY log_channel WHERE channel = 1 AND seq > ? ORDER BY seq LIMIT ?"
    )
    place = found = size = 0
    started_s = time.perf_counter()
    while page := reader.execute(sql, (place, Limits().page_records_max)).fetchall():
        found += len(page)
        size += sum([len(body) for _, body in page])
        place = page[-1][0]
    took_s = time.perf_counter() - started_s
    reader.close()
    if found != messages:
        raise RuntimeError(f"{found} rows of {messages} were read")
    return {"replay_messages_per_s": found / took_s, "replay_bytes_per_s": size / took_s}


LOOPS = {"publish": publish, "replay": replay}


def version() -> dict[str, str]:
    """Of the library."""
    return {"sqlite": sqlite3.sqlite_version}


def figures(core: int, scenario: str, options: dict[str, Any]) -> dict[str, Any]:
    """Run one loop on a core, in a process of its own. Raises PeerError."""
    with scratch("bare-sqlite-") as directory:
        job = json.dumps({"scenario": scenario, "options": options, "directory": str(directory)})
        command = pinned(core, [sys.executable, "-m", "benchmarks.peers.bare_sqlite", job])
        path = os.pathsep.join([str(ROOT), str(ROOT / "src")])
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path}
        )
    if done.returncode:
        raise PeerError(f"the bare loop ended with status {done.returncode}: {done.stderr[-500:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    """One loop, in this process."""
    job = json.loads(sys.argv[1])
    print(json.dumps(LOOPS[job["scenario"]](Path(job["directory"]), job["options"])))


if __name__ == "__main__":
    main()
