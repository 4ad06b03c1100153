"""What does a subscriber cost that waits?"""

from __future__ import annotations

from typing import Any

from fast_sse.bench.connections import Subscribers
from fast_sse.bench.cpu import Memory, Window, memory
from fast_sse.bench.crew import Crew
from fast_sse.bench.figures import PublishTally
from fast_sse.bench.steps import Span, connect, publish_in_turn, warm_up
from fast_sse.bench.target import payload


def idle(crew: Crew, *, subscribers: int, seconds: float) -> dict[str, Any]:
    """Open streams and do nothing, then send them one message each: that they wait is seen by what they get.

    One stream of each process is open before, as a warm-up.
    """
    streams, pid = Subscribers(crew.loop, crew.target), crew.target.pid if crew.leads else 0
    connect(crew, streams, crew.size)
    warm_up(crew, streams)
    crew.loop.run_for(seconds / 2)
    before = memory(pid) if pid else None
    window = Window(pid, crew.loop)
    connect_s = connect(crew, streams, subscribers)
    crew.loop.run_for(seconds / 2)
    costs = window.server()
    after = memory(pid) if pid else None
    span, tally = Span(crew, streams), PublishTally()
    if crew.leads:
        for reply in publish_in_turn(crew, [crew.target.publish_request(payload(0, 200))]):
            tally.answer(reply.status)
    figures = span.close(tally) | {"connect_s": connect_s, "connects_per_s": subscribers / connect_s}
    for name in ("server_rss_bytes", "server_share", "cpu_us_per_delivery", "bytes_per_delivery"):
        figures.pop(name, None)
    if before and after:
        figures |= _memory(before, after, subscribers)
        figures["cpu_us_per_subscribe"] = costs["server_cpu_s"] * 1e6 / subscribers
    return figures


def _memory(before: Memory, after: Memory, subscribers: int) -> dict[str, Any]:
    return {
        "rss_before_bytes": before.rss_bytes,
        "rss_after_bytes": after.rss_bytes,
        "rss_shared_after_bytes": after.shared_bytes,
        "rss_bytes_per_subscriber": (after.rss_bytes - before.rss_bytes) / subscribers,
        "rss_shared_bytes_per_subscriber": (after.shared_bytes - before.shared_bytes) / subscribers,
    }
