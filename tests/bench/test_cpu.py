"""What a run costs is read from the kernel's own account."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from fast_sse.bench.cpu import Window, cpu_s, memory, waited_s
from fast_sse.bench.loop import Loop


def test_a_process_that_works_is_seen_to_work() -> None:
    """CPU time of a window is at least what was burnt in it, to a tick; memory is that of a Python process."""
    with Loop() as loop:
        window, before_s = Window(os.getpid(), loop), cpu_s(os.getpid())
        end_s = time.process_time() + 0.05
        while time.process_time() < end_s:
            pass
        costs = window.server()
    assert costs["server_cpu_s"] >= 0.03
    assert cpu_s(os.getpid()) >= before_s + 0.03
    assert costs["server_rss_bytes"] == pytest.approx(memory(os.getpid()).rss_bytes, rel=0.1)
    assert 1_000_000 < costs["server_rss_bytes"] < 10**11


def test_waiting_is_what_the_kernel_says() -> None:
    """The time that the threads of a process were ready and had no core, in seconds, and not the time that they ran."""

    def kernel_says() -> float:
        tasks = Path(f"/proc/{os.getpid()}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[1]) for task in tasks) / 1e9

    least = kernel_says()
    assert least <= waited_s(os.getpid()) <= kernel_says()


def test_work_of_the_generator_is_told_from_waiting() -> None:
    """Its share holds what it computed and not what it spent on empty polls."""
    with Loop() as loop:
        loop.spins = True
        window = Window(0, loop)
        loop.run_for(0.1)
        shares = window.generator()
    assert shares["generator_share"] < 0.5
    assert "server_cpu_s" not in window.server()
