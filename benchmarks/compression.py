"""What compression saves on the wire and costs the server: off, payload, independent blocks, epochs, and, for comparison, a
compressor for each connection.

    .venv/bin/python benchmarks/compression.py [--quick] [--only ratio,cpu,large,memory]

`ratio` is of the bytes alone: frames of the corpus through the hub's own code, beside one zlib of level 6 for each connection, and gzip -6
over everything at once. `cpu` is a hub on one core with 100 subscribers on the other: user and system time of the server for each event.
`large` is 1,000 subscribers of 50 KB events (benchmarks/large_events.py). `memory` is what an idle subscriber takes.
Figures are medians of rounds in which the ways take turns. Each part is written to results/compression-*.json of the day as it is done.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]  # started as a file, found as a package

from benchmarks import results  # noqa: E402
from benchmarks.corpus import SIZES, messages  # noqa: E402
from benchmarks.crowd import LOAD_CORE, WAYS, Crowd, hub, median, publish, subscribe  # noqa: E402
from benchmarks.large_events import large  # noqa: E402
from fast_sse.bench.cpu import cpu_s, memory  # noqa: E402
from fast_sse.model.deflate import Window, block  # noqa: E402
from fast_sse.model.frame import frame  # noqa: E402
from fast_sse.model.limits import Limits  # noqa: E402
from fast_sse.model.payload import packed  # noqa: E402

LIMITS = Limits()
HEADERS = b'{"send_time":"2026-11-30 12:00:00.000"}'


# -- bytes ------------------------------------------------------------------------------------------------------


def frames(size: int, count: int, *, payload: bool = False) -> list[bytes]:
    """Messages of the corpus as the hub frames them."""
    envelopes = [b'{"data":%b,"headers":%b}' % (one, HEADERS) for one in messages(size, count)]
    if payload:
        envelopes = [packed(one) if len(one) >= LIMITS.payload_bytes_min else one for one in envelopes]
    return [frame(f"s1.k3v9x2qah5m2c.{number}", "", one) for number, one in enumerate(envelopes, 1)]


def epoch_bytes(plain: Sequence[bytes]) -> int:
    """Bytes of all frames, a new window every so many."""
    size, window = 0, Window()
    for number, one in enumerate(plain):
        if number % LIMITS.epoch_flushes_max == 0:
            window = Window()
        size += len(window.block(one) if len(one) <= 16 * 1024 else block(one))
    return size


def connection_bytes(plain: Sequence[bytes]) -> tuple[int, float]:
    """Bytes of all frames by a compressor of one connection, as nginx or Caddy have, and its CPU a frame in us."""
    maker = zlib.compressobj(6, zlib.DEFLATED, -15)
    began = time.process_time()
    size = sum(len(maker.compress(one) + maker.flush(zlib.Z_SYNC_FLUSH)) for one in plain)
    return size, (time.process_time() - began) / len(plain) * 1e6


def ratios(count: int) -> list[dict[str, Any]]:
    """Wire bytes by plain bytes, for each size."""
    rows = []
    for size in SIZES:
        plain = frames(size, min(count, 3_000_000 // size + 100))
        whole = sum(map(len, plain))
        connection, connection_us = connection_bytes(plain)
        rows.append(
            {
                "bytes": size,
                "gzip_6_of_all": round(len(zlib.compress(b"".join(plain), 6)) / whole, 3),
                "payload": round(sum(map(len, frames(size, len(plain), payload=True))) / whole, 3),
                "independent": round(sum(len(block(one)) for one in plain) / whole, 3),
                "epoch": round(epoch_bytes(plain) / whole, 3),
                "per_connection": round(connection / whole, 3),
                "per_connection_cpu_us": round(connection_us, 1),
            }
        )
        print(rows[-1], flush=True)
    return rows


# -- a hub ------------------------------------------------------------------------------------------------------


def run(way: str, size: int, subscribers: int, events: int) -> dict[str, float]:
    """What so many events cost a hub."""
    corpus = messages(size, events + 20)
    with hub(way) as (pid, port):
        crowd = Crowd(port, subscribers, subscribe(way))
        crowd.drain()
        # Read before the next is published, or streams would fall behind and a flush would carry several events.
        quiet_s = 0.0 if size < 2_000 else 0.005 if size < 10_000 else 0.02
        for one in corpus[:20]:
            publish(port, one)
            crowd.drain(quiet_s)
        crowd.drain()
        crowd.received = 0
        began = cpu_s(pid)
        for one in corpus[20:]:
            publish(port, one)
            crowd.drain(quiet_s)
        crowd.drain()
        spent = cpu_s(pid) - began
        crowd.close()
    return {
        "cpu_us_per_event": spent / events * 1e6,
        "cpu_us_per_delivery": spent / events / subscribers * 1e6,
        "wire_bytes_per_delivery": crowd.received / events / subscribers,
    }


def cpu(rounds: int, scale: float) -> list[dict[str, Any]]:
    """A hub with 100 subscribers, each size and each way in turns."""
    rows: list[dict[str, Any]] = []
    for size in SIZES:
        events = int((1500 if size < 10_000 else 200) * scale)
        seen: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
        for _ in range(rounds):
            for way, runs in seen.items():
                runs.append(run(way, size, 100, events))
        for way, runs in seen.items():
            rows.append({"bytes": size, "way": way, **median(runs)})
            print(rows[-1], flush=True)
    return rows


def idle(rounds: int, scale: float) -> list[dict[str, Any]]:
    """Resident memory for each of many quiet subscribers."""
    rows = []
    count = int(4000 * scale)
    for way in ("off", "epoch"):
        figures = []
        for _ in range(rounds):
            with hub(way) as (pid, port):
                first = Crowd(port, 200, subscribe(way))
                first.drain()
                publish(port, b"1")
                first.drain()
                before = memory(pid).rss_bytes
                more = Crowd(port, count, subscribe(way))
                more.drain(0.5)
                publish(port, b"2")
                more.drain(0.5)
                figures.append((memory(pid).rss_bytes - before) / count)
                first.close()
                more.close()
        rows.append({"way": way, "rss_bytes_per_subscriber": round(statistics.median(figures))})
        print(rows[-1], flush=True)
    return rows


def main() -> int:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="short measurements; not to be quoted")
    parser.add_argument(
        "--only", default="ratio,cpu,large,memory", help="parts, comma-separated (%(default)s)"
    )
    asked = parser.parse_args()
    os.sched_setaffinity(0, {LOAD_CORE})
    rounds, scale = (1, 0.2) if asked.quick else (3, 1.0)
    parts: dict[str, Any] = {
        "ratio": lambda: ratios(2000),
        "cpu": lambda: cpu(rounds, scale),
        "large": lambda: large(rounds, scale),
        "memory": lambda: idle(rounds, scale),
    }
    only = asked.only.split(",")
    keep = ROOT / "benchmarks" / ("scratch" if asked.quick else "results")
    keep.mkdir(exist_ok=True)
    file = keep / f"compression-{time.strftime('%Y-%m-%d')}.json"
    found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    found["machine"] = results.machine(ROOT)
    for name, part in parts.items():
        if name in only:
            found[name] = part()
            file.write_text(
                json.dumps(found, indent=1) + "\n"
            )  # what was measured stays, whatever happens to the next part
    return 0


if __name__ == "__main__":
    sys.exit(main())
