"""What the dashboard costs a hub: CPU and bytes a second with nobody looking, one page, and fifty.

A hub of its own in its own process; pages are raw connections to `/v1/live` that read what comes. CPU is the time that the
kernel's scheduler gave to the hub's threads, in nanoseconds, over the seconds between two readings. The hub takes its points
in every case; what they cost is measured apart, on the numbers of such a hub.

    python benchmarks/dashboard.py [--seconds 20] [--rounds 3] [--store memory] [--pages 0 1 50]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

SECRET = "0123456789abcdef0123456789abcdef"  # of a hub that lives for a minute


def cpu_ns(pid: int) -> int:
    """Time on a core of all threads of a process."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)


class Pages:
    """Open pages, and the bytes that they got."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._tasks: list[asyncio.Task[None]] = []
        self.bytes = 0
        self.begun = 0

    async def open(self, count: int) -> None:
        """Open so many, and wait until each has its history."""
        self._tasks = [asyncio.create_task(self._read()) for _ in range(count)]
        while self.begun < count:  # noqa: ASYNC110  a measurement
            await asyncio.sleep(0.05)

    async def _read(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(b"GET /v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await reader.readuntil(b"event: frame")
            self.begun += 1
            while data := await reader.read(65_536):
                self.bytes += len(data)
        finally:
            writer.close()

    async def close(self) -> None:
        """Close all."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def measured(pid: int, port: int, pages: int, seconds: float) -> tuple[float, float]:
    """Share of a core, and bytes a second."""
    opened = Pages(port)
    await opened.open(pages)
    await asyncio.sleep(1)
    began_s, before, opened.bytes = time.monotonic(), cpu_ns(pid), 0
    await asyncio.sleep(seconds)
    passed_s, spent, got = time.monotonic() - began_s, cpu_ns(pid) - before, opened.bytes
    await opened.close()
    return spent / 1e9 / passed_s, got / passed_s


def run(store: str, seconds: float, rounds: int, counts: list[int]) -> None:
    """Start a hub, measure each count of pages in each round, and print medians."""
    with tempfile.TemporaryDirectory(prefix="fast-sse-dashboard-") as directory:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("FAST_SSE_")},
            "FAST_SSE_AUTH__SECRET": SECRET,
        }
        command = [
            sys.executable,
            "-m",
            "fast_sse",
            "serve",
            "--store",
            store,
            "--port",
            "0",
            "--admin-port",
            "0",
        ]
        hub = subprocess.Popen(
            command,
            env=environment,
            cwd=directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert hub.stdout is not None
            port = int(hub.stdout.readline().split("admin=")[1].split()[0].rpartition(":")[2])
            found: dict[int, list[tuple[float, float]]] = {count: [] for count in counts}
            for _ in range(rounds):
                for count in counts:
                    found[count].append(asyncio.run(measured(hub.pid, port, count, seconds)))
        finally:
            hub.terminate()
            hub.wait()
    print(f"{store}, medians of {rounds} rounds of {seconds:.0f} s")
    for count, results in found.items():
        shares = [share for share, _ in results]
        rate = median(got for _, got in results)
        each = f", {rate / count:,.0f} each" if count else ""
        spread = f"[{100 * min(shares):.2f}, {100 * max(shares):.2f}]"
        print(f"{count:3} pages: {100 * median(shares):.2f} % of a core {spread}, {rate:,.0f} bytes/s{each}")


def main() -> None:
    """See the head of this file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--store", default="memory")
    parser.add_argument("--pages", type=int, nargs="+", default=[0, 1, 50])
    options = parser.parse_args()
    run(options.store, options.seconds, options.rounds, options.pages)


if __name__ == "__main__":
    main()
