"""How many publishes a second does it take, and is every one that it accepted there afterwards?

Four turns: one connection and many, one message a request and a batch of them. Each connection sends when its last
answer is there, so durations here are those of a busy closed loop, not latencies at a rate.
"""

from __future__ import annotations

import time
from typing import Any

from fast_sse.bench.connections import StreamPlace, Subscribers
from fast_sse.bench.cpu import Window
from fast_sse.bench.crew import Crew
from fast_sse.bench.figures import Part, PublishTally, Samples, Spread, together
from fast_sse.bench.publisher import Reply
from fast_sse.bench.steps import at_full_speed, drain, publish_in_turn
from fast_sse.bench.target import payload
from fast_sse.model.limits import MIB

BATCH_LINES = 100
BATCH_BYTES_MAX = 8 * MIB


def publish(crew: Crew, *, channels: int, publishers: int, seconds: float, size: int) -> dict[str, Any]:
    """Publish without subscribers, then read everything back from before the first message and count."""
    cursors = _cursors(crew, channels)
    tally = PublishTally(channels)
    figures: dict[str, Any] = {}
    turns = [("single_1", 1, 1), (f"single_{publishers}", publishers, 1)]
    if crew.target.kid:
        lines = min(BATCH_LINES, max(2, BATCH_BYTES_MAX // size))
        turns += [("batch_1", 1, lines), (f"batch_{publishers}", publishers, lines)]
    busiest: list[dict[str, float]] = []
    for name, connections, lines in turns:
        found, shares = _turn(crew, tally, connections, lines, seconds / len(turns), size)
        figures |= {f"{name}_{key}": value for key, value in found.items()}
        busiest.append(shares)
    accepted = [sum(of_route) for of_route in zip(*crew.gather(tally.accepted), strict=True)]
    part = _read_back(crew, cursors, accepted) if all(cursors) else Part()
    part.generator_share = max(shares["generator_share"] for shares in busiest)
    part.generator_waited_share = max(shares["generator_waited_share"] for shares in busiest)
    merged = together(crew.gather(part))
    del merged["latency_samples"], merged["bytes_per_delivery"]
    refused = sum(crew.gather(tally.refused))
    return (
        figures | {"accepted": sum(accepted), "refused": refused, "batches": bool(crew.target.kid)} | merged
    )


def _read_back(crew: Crew, cursors: list[str], accepted: list[int]) -> Part:
    """Replay each channel from its cursor and count. A server whose answers have no ids is not asked."""
    streams = Subscribers(crew.loop, crew.target, witness=False)
    mine = [StreamPlace(route, route, cursors[route]) for route in crew.share(len(cursors))]
    streams.connect(mine)
    owed = [accepted[place.route] for place in mine]
    part = Part(last_s=drain(crew, streams, sum(owed)))
    part.owe(streams.counts(), owed)
    part.closed_by_server = streams.closed_by_server
    return part


def _cursors(crew: Crew, channels: int) -> list[str]:
    """Where each channel is now: the id of a message just published to it."""
    ids: list[str] = []
    if crew.leads:
        requests = [crew.target.publish_request(payload(0, 40), route) for route in range(channels)]
        ids = [reply.message_id for reply in publish_in_turn(crew, requests)]
    found: list[str] = crew.gather(ids)[0]
    return found


def _turn(
    crew: Crew, tally: PublishTally, connections: int, lines: int, seconds: float, size: int
) -> tuple[dict[str, Any], dict[str, float]]:
    durations, target, channels = Samples(), crew.target, len(tally.accepted)
    data = payload(0, size)

    def request(n: int) -> bytes:
        if lines == 1:
            return target.publish_request(data, n % channels)
        return target.batch_request([data] * lines, n % channels)

    def on_reply(reply: Reply) -> None:
        stored = 1 if lines == 1 else reply.body.count(b'"message_id"')
        tally.answer(reply.status, reply.request % channels, stored, lines)
        durations.add(time.monotonic_ns() - reply.due_ns)

    mine, before = len(crew.share(connections)), tally.total
    crew.gather()
    window = Window(target.pid if crew.leads else 0, crew.loop)
    took_s = at_full_speed(crew, mine, seconds, request, on_reply) if mine else 0.0
    told = crew.gather([took_s, tally.total - before, durations.counts()])
    shares = window.generator()
    costs = window.server()
    accepted = sum(count for _, count, _ in told)
    figures = {"publishes_per_s": accepted / max(took for took, _, _ in told), "accepted": accepted}
    figures |= Spread(counts for _, _, counts in told).figures("post")
    if "server_cpu_s" in costs:
        figures["cpu_us_per_publish"] = costs["server_cpu_s"] * 1e6 / max(1, accepted)
        figures["server_share"] = costs["server_share"]
    return figures, shares
