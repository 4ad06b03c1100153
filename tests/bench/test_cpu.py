"""What a run costs is read from the kernel's own account."""

from __future__ import annotations

import os
import time

from fast_sse.bench.cpu import Window, cpu_s, memory, waited_s
from fast_sse.bench.loop import Loop


def test_a_process_that_works_is_seen_to_work() -> None:
    """CPU time of a window is at least what was burnt in it, to a tick; memory is more than nothing."""
    with Loop() as loop:
        window, before_s = Window(os.getpid(), loop), cpu_s(os.getpid())
        end_s = time.process_time() + 0.05
        while time.process_time() < end_s:
            pass
        costs = window.server()
    assert costs["server_cpu_s"] >= 0.03
    assert cpu_s(os.getpid()) >= before_s + 0.03
    assert (
        costs["server_rss_bytes"] == memory(os.getpid()).rss_bytes > 1_000_000
        or costs["server_rss_bytes"] > 0
    )
    assert waited_s(os.getpid()) >= 0


def test_work_of_the_generator_is_told_from_waiting() -> None:
    """Its share holds what it computed and not what it spent on empty polls."""
    with Loop() as loop:
        loop.spins = True
        window = Window(0, loop)
        loop.run_for(0.1)
        shares = window.generator()
    assert shares["generator_share"] < 0.5
    assert "server_cpu_s" not in window.server()
