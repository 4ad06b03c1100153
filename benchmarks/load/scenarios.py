"""The three questions, each a function from a loop and a target to figures, the same code for every server.

fanout: what does one delivery cost at a modest, fixed rate, and how late is it?
burst:  how many deliveries a second at full speed, and did any get lost?
idle:   what does a subscriber cost that waits?
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.load.connections import Subscribers
from benchmarks.load.counters import ROOM
from benchmarks.load.cpu import Window, memory
from benchmarks.load.loop import Loop
from benchmarks.load.publisher import Publisher
from benchmarks.load.target import LoadError, Target, payload, stamp_at

Figures = dict[str, Any]

#: Messages before the window opens: first-time work (imports, buffers growing) is not the steady cost.
WARM_UP_MESSAGES = 30
#: After the last publish, deliveries that do not come within this time of the one before count as lost.
SILENCE_S_MAX = 5.0
#: And all of them after this.
DRAIN_S_MAX = 60.0


@dataclass
class Tally:
    """What publishers were told."""

    accepted: int = 0
    refused: int = 0
    statuses: dict[int, int] = field(default_factory=dict)

    def answer(self, status: int) -> None:
        """Count one answer."""
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if 200 <= status < 300:
            self.accepted += 1
        else:
            self.refused += 1

    @property
    def answered(self) -> int:
        """Answers of any kind."""
        return self.accepted + self.refused


class Latency:
    """From publish to receipt, one sample per read: the stamp of its first event.

    A stamp cut in two by the network is no sample. Samples hold the generator's own way through its ready
    list (about 3 us a stream), so the upper percentiles are a bound, the same one for every server.
    """

    def __init__(self) -> None:
        self._samples_ns = array("q")

    def on_data(self, buffer: bytearray, end: int) -> None:
        """Take the sample of one read."""
        stamp_ns, _ = stamp_at(buffer, ROOM, end)
        if stamp_ns > 0:
            self._samples_ns.append(time.monotonic_ns() - stamp_ns)

    def figures(self) -> Figures:
        """Percentiles in milliseconds."""
        ordered = sorted(self._samples_ns)
        if not ordered:
            return {"latency_samples": 0}

        def at(share: float) -> float:
            return ordered[min(int(len(ordered) * share), len(ordered) - 1)] / 1e6

        named = {"p50": 0.5, "p99": 0.99, "max": 1.0}
        figures: Figures = {f"latency_{name}_ms": at(share) for name, share in named.items()}
        return figures | {"latency_samples": len(ordered)}


def publish_one_by_one(loop: Loop, target: Target, count: int) -> None:
    """Publish a few messages, each after the answer to the one before."""
    tally = Tally()
    publisher = Publisher(loop, target, lambda _, status: tally.answer(status))
    for sent in range(1, count + 1):
        publisher.send(payload(time.monotonic_ns(), 200))
        if not loop.until(lambda sent=sent: tally.answered >= sent, 10.0):  # type: ignore[misc]
            raise LoadError("no answer to a publish within 10 s")
    if tally.refused:
        raise LoadError(f"publish refused: {tally.statuses}")


def drain(loop: Loop, streams: Subscribers, want: int) -> None:
    """Wait until `want` deliveries have come in all, or none has come for a while."""
    seen, seen_s = streams.delivered, time.monotonic()

    def over() -> bool:
        nonlocal seen, seen_s
        if streams.delivered > seen:
            seen, seen_s = streams.delivered, time.monotonic()
        return seen >= want or time.monotonic() - seen_s > SILENCE_S_MAX

    loop.until(over, DRAIN_S_MAX)


def connected(loop: Loop, target: Target, count: int) -> Subscribers:
    """Streams that are open and have seen the warm-up."""
    streams = Subscribers(loop, target)
    streams.connect(count)
    publish_one_by_one(loop, target, WARM_UP_MESSAGES)
    drain(loop, streams, WARM_UP_MESSAGES * count)
    if streams.delivered < WARM_UP_MESSAGES * count:
        raise LoadError(f"warm-up: {streams.delivered} of {WARM_UP_MESSAGES * count} deliveries")
    return streams


def outcome(streams: Subscribers, tally: Tally, delivered_before: int) -> Figures:
    """What must be true of a run before its figures mean anything."""
    counts = streams.counts()
    want = tally.accepted + WARM_UP_MESSAGES
    ids = streams.witness_ids()
    return {
        "accepted": tally.accepted,
        "refused": tally.refused,
        "delivered": streams.delivered - delivered_before,
        "lost": sum(max(0, want - count) for count in counts),
        "surplus": sum(max(0, count - want) for count in counts),
        "closed_by_server": streams.closed_by_server,
        "witness_agrees": len(ids) == counts[0] and len(set(ids)) == len(ids),
    }


def fanout(
    loop: Loop, target: Target, subscribers: int, rate: int, seconds: float, size_bytes: int
) -> Figures:
    """Publish at a fixed rate, whatever the answers do (an open loop), to `subscribers` of one channel."""
    streams = connected(loop, target, subscribers)
    tally, latency = Tally(), Latency()
    streams.on_data = latency.on_data
    publisher = Publisher(loop, target, lambda _, status: tally.answer(status))
    loop.run_for(0.2)
    messages = int(rate * seconds)
    before, bytes_before = streams.delivered, streams.bytes_received
    late_s_max = 0.0
    window = Window(target.pid, loop)
    start_s = time.monotonic()
    for index in range(messages):
        due_s = start_s + index / rate
        while (left_s := due_s - time.monotonic()) > 0:
            loop.turn(left_s)
        late_s_max = max(late_s_max, -left_s)
        publisher.send(payload(time.monotonic_ns(), size_bytes))
    loop.until(lambda: tally.answered == messages, 10.0)
    drain(loop, streams, before + tally.accepted * subscribers)
    figures: Figures = window.close()
    figures |= outcome(streams, tally, before) | latency.figures()
    figures["cpu_us_per_delivery"] = figures["server_cpu_s"] * 1e6 / max(1, figures["delivered"])
    figures["bytes_per_delivery"] = (streams.bytes_received - bytes_before) / max(1, figures["delivered"])
    figures["publish_late_ms_max"] = late_s_max * 1e3
    return figures


def burst(
    loop: Loop,
    target: Target,
    subscribers: int,
    publishers: int,
    messages: int,
    seconds_max: float,
    size_bytes: int,
) -> Figures:
    """Publish as fast as answers come, one request in flight per connection, until all subscribers have all."""
    streams = connected(loop, target, subscribers)
    tally, sent = Tally(), 0
    end_s = 0.0

    def send_next(publisher: Publisher) -> None:
        nonlocal sent
        if sent < messages and time.monotonic() < end_s:
            sent += 1
            publisher.send(payload(time.monotonic_ns(), size_bytes))

    def on_answer(publisher: Publisher, status: int) -> None:
        tally.answer(status)
        send_next(publisher)

    connections = [Publisher(loop, target, on_answer) for _ in range(publishers)]
    loop.run_for(0.2)
    before, bytes_before = streams.delivered, streams.bytes_received
    window = Window(target.pid, loop)
    start_s = time.monotonic()
    end_s = start_s + seconds_max
    for publisher in connections:
        send_next(publisher)
    loop.until(
        lambda: tally.answered == sent and (sent == messages or time.monotonic() > end_s), seconds_max + 30
    )
    published_s = time.monotonic() - start_s
    drain(loop, streams, before + tally.accepted * subscribers)
    delivered_s = time.monotonic() - start_s
    figures: Figures = window.close()
    loop.run_for(0.2)  # what comes now comes twice
    figures |= outcome(streams, tally, before)
    figures["publish_s"] = published_s
    figures["publishes_per_s"] = tally.accepted / published_s
    figures["deliveries_per_s"] = figures["delivered"] / delivered_s
    figures["cpu_us_per_delivery"] = figures["server_cpu_s"] * 1e6 / max(1, figures["delivered"])
    figures["bytes_per_delivery"] = (streams.bytes_received - bytes_before) / max(1, figures["delivered"])
    return figures


def idle(loop: Loop, target: Target, subscribers: int, settle_s: float) -> Figures:
    """Open streams and do nothing: memory and set-up cost of each. One stream is open before, as a warm-up."""
    streams = connected(loop, target, 1)
    loop.run_for(settle_s / 2)
    before = memory(target.pid)
    window = Window(target.pid, loop)
    connect_s = streams.connect(subscribers)
    loop.run_for(settle_s / 2)
    figures: Figures = window.close()
    loop.run_for(settle_s / 2)
    after = memory(target.pid)
    figures |= {
        "connect_s": connect_s,
        "closed_by_server": streams.closed_by_server,
        "rss_before_bytes": before.rss_bytes,
        "rss_after_bytes": after.rss_bytes,
        "rss_shared_after_bytes": after.shared_bytes,
        "rss_bytes_per_subscriber": (after.rss_bytes - before.rss_bytes) / subscribers,
        "rss_shared_bytes_per_subscriber": (after.shared_bytes - before.shared_bytes) / subscribers,
        "cpu_us_per_subscribe": figures["server_cpu_s"] * 1e6 / subscribers,
    }
    return figures


SCENARIOS: dict[str, Callable[..., Figures]] = {"fanout": fanout, "burst": burst, "idle": idle}


def run(scenario: str, target: Target, options: Figures) -> Figures:
    """One scenario by its name, with a loop of its own; every socket is closed after it."""
    with Loop() as loop:
        return SCENARIOS[scenario](loop, target, **options)
