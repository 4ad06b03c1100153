"""The process' own numbers, against what the kernel says in other ways."""

from __future__ import annotations

import math
import os
import resource
import time

import pytest

from fast_sse.observe.process import process_samples


def values() -> dict[str, float]:
    """Name and value of every sample."""
    return {sample.name: sample.value for sample in process_samples()}


def test_time_and_memory_are_this_process() -> None:
    """CPU seconds grow with work, memory is what is resident, and the start lies in the past."""
    before = values()
    while sum(os.times()[:2]) < before["process_cpu_seconds_total"] + 0.02:
        pass
    after = values()
    assert after["process_cpu_seconds_total"] >= before["process_cpu_seconds_total"] + 0.02
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert peak / 20 < after["process_resident_memory_bytes"] <= peak * 1.1
    assert time.time() - 86_400 < after["process_start_time_seconds"] <= time.time()


def test_the_start_does_not_move() -> None:
    """Not by a microsecond: Prometheus takes each change of it for a restart."""
    assert len({values()["process_start_time_seconds"] for _ in range(20)}) == 1


def test_no_limit_of_files_is_infinite(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's -1 would look like the smallest limit of all."""
    monkeypatch.setattr("resource.getrlimit", lambda _kind: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert values()["process_max_fds"] == math.inf
