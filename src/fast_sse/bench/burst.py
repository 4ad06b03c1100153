"""How many deliveries a second at full speed, and did any get lost?"""

from __future__ import annotations

import time
from typing import Any

from fast_sse.bench.connections import Subscribers
from fast_sse.bench.crew import Crew
from fast_sse.bench.figures import PublishTally
from fast_sse.bench.publisher import Reply
from fast_sse.bench.steps import Span, at_full_speed, connect, warm_up
from fast_sse.bench.target import payload


def burst(
    crew: Crew, *, subscribers: int, publishers: int, messages: int, seconds: float, size: int
) -> dict[str, Any]:
    """Publish as fast as answers come, one request in flight per connection; the clock runs until all have all."""
    streams = Subscribers(crew.loop, crew.target)
    connect_s = connect(crew, streams, subscribers)
    warm_up(crew, streams)
    tally = PublishTally()

    def request(_n: int) -> bytes:
        return crew.target.publish_request(payload(time.monotonic_ns(), size))

    def on_reply(reply: Reply) -> None:
        tally.answer(reply.status)

    span = Span(crew, streams)
    took_s, connections = 0.0, len(crew.share(publishers))
    if connections:
        took_s = at_full_speed(crew, connections, seconds, request, on_reply, len(crew.share(messages)))
    published_s = max(crew.gather(took_s))
    figures = span.close(tally)
    figures |= {
        "connect_s": connect_s,
        "publish_s": published_s,
        "publishes_per_s": figures["accepted"] / published_s,
        "deliveries_per_s": figures["delivered"] / figures["delivered_s"],
    }
    return figures
