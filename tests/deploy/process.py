"""What the kernel knows of a running hub."""

from __future__ import annotations

from pathlib import Path

from tests.support.server import Hub


def open_files(hub: Hub) -> int:
    """Descriptors of the hub."""
    return sum(1 for _ in Path(f"/proc/{hub.pid}/fd").iterdir())


def cpu_s(hub: Hub) -> float:
    """Processor time of the hub so far, in ticks of 10 ms."""
    fields = Path(f"/proc/{hub.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
