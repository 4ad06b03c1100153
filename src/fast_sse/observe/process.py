"""The process in numbers, under the names that every Prometheus client library gives them.

Read from getrusage and /proc/self, and nowhere else: under the systemd unit the rest of /proc is hidden.
"""

from __future__ import annotations

import math
import os
import resource
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from fast_sse import __version__
from fast_sse.observe.metrics import Sample

_STATM = Path("/proc/self/statm")
_STAT = Path("/proc/self/stat")


def process_samples() -> Iterator[Sample]:
    """CPU seconds, memory, age, the limit of open files, and which version this is (Linux)."""
    times = os.times()
    yield Sample(
        "process_cpu_seconds_total", "counter", "CPU time, user and system.", times.user + times.system
    )
    rss = int(_STATM.read_text().split()[1]) * resource.getpagesize()
    yield Sample("process_resident_memory_bytes", "gauge", "Resident memory.", rss)
    text = "When this process began, in seconds since 1970."
    yield Sample("process_start_time_seconds", "gauge", text, _started_s())
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = math.inf if limit == resource.RLIM_INFINITY else limit
    yield Sample("process_max_fds", "gauge", "Files that may be open; a stream is one.", most)
    yield Sample("build_info", "gauge", "The version that runs.", 1, (("version", __version__),))


@lru_cache(maxsize=1)
def _started_s() -> float:
    """When this process began, in seconds since 1970: field 22 of proc_pid_stat(5) counts ticks since boot.

    Found once: made of two clocks, it would be another number at each scrape, and each would look like a restart.
    """
    ticks = int(_STAT.read_text().rpartition(")")[2].split()[19])
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")
