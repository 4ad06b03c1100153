"""A hub whose wall clock is ahead by CLOCK_AHEAD_S seconds, and whose monotonic clock is right.

For Kafka: its client's threads wait for absolute times, which libfaketime moves, so that a node under it does not have
another time but hangs. The hub itself asks Python alone what time it is, so that here is where to answer.
"""

from __future__ import annotations

import os
import time

from fast_sse.cli.main import app_main

AHEAD_S = float(os.environ.get("CLOCK_AHEAD_S", "0"))
seconds, nanoseconds = time.time, time.time_ns


if __name__ == "__main__":
    time.time = lambda: seconds() + AHEAD_S
    time.time_ns = lambda: nanoseconds() + int(AHEAD_S * 1e9)
    app_main()
