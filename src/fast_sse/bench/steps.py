"""What scenarios are made of: connect, warm up, publish on a schedule or at full speed, wait for the rest.

A schedule is an open loop: the next message is due whatever the answers and deliveries of the last ones do, it
carries the time at which it was due, and its latency counts from there. So a server that pauses is charged with the
pause by every message that was due in it, and not by the one that happened to be under way (coordinated omission).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from fast_sse.bench.connections import StreamPlace, Subscribers
from fast_sse.bench.counters import ROOM
from fast_sse.bench.cpu import Window
from fast_sse.bench.crew import Crew
from fast_sse.bench.figures import Part, PublishTally, Samples, Spread, together
from fast_sse.bench.publisher import Publisher, Reply
from fast_sse.bench.target import LoadError, payload, stamp_at

#: Messages before a window opens: first-time work (imports, buffers growing) is not the steady cost.
WARM_UP_MESSAGES = 30
WARM_UP_BYTES = 200
#: A publish that has no answer by then will not get one.
ANSWER_S_MAX = 30.0
#: Waiting for what comes late ends here, however steadily it comes.
DRAIN_S_MAX = 120.0
#: Connections that share a schedule; a free one is taken first, as a publisher with a pool does.
POOL = 4


class Latency:
    """From the time a message was due to its receipt, one sample per read: the stamp of its first event.

    Of several events in one read the first has waited longest. A stamp cut in two by the network is no sample.
    Samples hold the generator's own way through its ready list (about 3 us a stream), so the upper percentiles are
    a bound, the same one for every server.
    """

    def __init__(self) -> None:
        self.samples = Samples()

    def on_data(self, buffer: bytearray, end: int) -> None:
        """Take the sample of one read."""
        stamp_ns, _ = stamp_at(buffer, ROOM, end)
        if stamp_ns > 0:
            self.samples.add(time.monotonic_ns() - stamp_ns)


def connect(crew: Crew, streams: Subscribers, count: int, channels: int = 1, cursor: str = "") -> float:
    """Open this process's share of `count` streams, spread over the channels; seconds, when all have theirs."""
    places = [StreamPlace(index, index % channels, cursor) for index in crew.share(count)]
    seconds = streams.connect(places, lambda ready: crew.tell("connect", ready, len(places)))
    return float(max(crew.gather(seconds)))


def publish_in_turn(crew: Crew, requests: Sequence[bytes]) -> list[Reply]:
    """Send requests one by one, each after the answer to the one before. Raises LoadError when one is refused."""
    replies: list[Reply] = []
    publisher = Publisher(crew.loop, crew.target, replies.append)
    for sent, request in enumerate(requests, 1):
        publisher.send(request)
        if not crew.loop.until(lambda sent=sent: len(replies) >= sent, ANSWER_S_MAX):  # type: ignore[misc]
            raise LoadError(f"no answer to a publish within {ANSWER_S_MAX:.0f} s")
        if not 200 <= replies[-1].status < 300:
            raise LoadError(f"publish answered {replies[-1].status}: {replies[-1].body[:300]!r}")
    return replies


def warm_up(crew: Crew, streams: Subscribers, channels: int = 1, messages: int = WARM_UP_MESSAGES) -> None:
    """Publish a few messages to every channel and wait until all streams have them."""
    if crew.leads:
        stamp = payload(time.monotonic_ns(), WARM_UP_BYTES)
        publish_in_turn(
            crew, [crew.target.publish_request(stamp, n % channels) for n in range(messages * channels)]
        )
    crew.gather()
    want = messages * len(streams)
    drain(crew, streams, want)
    if streams.delivered < want:
        raise LoadError(f"warm-up: {streams.delivered} of {want} deliveries")
    crew.gather()


def drain(crew: Crew, streams: Subscribers, want: int) -> float:
    """Wait until `want` deliveries have come in all, or none has come for a while; when the last one came."""
    seen, seen_s = streams.delivered, time.monotonic()

    def over() -> bool:
        nonlocal seen, seen_s
        if streams.delivered > seen:
            seen, seen_s = streams.delivered, time.monotonic()
            crew.tell("receive", seen, want)
        return seen >= want or time.monotonic() - seen_s > crew.patience_s

    crew.loop.until(over, DRAIN_S_MAX)
    return seen_s


class Span:
    """A measured span over the streams that are open: what was accepted in it, what came of that, what it cost."""

    def __init__(self, crew: Crew, streams: Subscribers) -> None:
        self._crew, self._streams = crew, streams
        crew.gather()
        crew.loop.run_for(0.1)
        self._before = streams.counts()
        self._bytes_before = streams.bytes_received
        crew.gather()  # nobody publishes before everybody has counted
        self._window = Window(crew.target.pid if crew.leads else 0, crew.loop)

    @property
    def start_s(self) -> float:
        """When it began, `time.monotonic`."""
        return self._window.start_s

    def close(self, tally: PublishTally, latency: Latency | None = None) -> dict[str, Any]:
        """Wait until all processes have what was accepted by any, and put the figures together."""
        crew, streams = self._crew, self._streams
        told = crew.gather([tally.accepted, tally.refused])
        accepted = [sum(of_route) for of_route in zip(*(routes for routes, _ in told), strict=True)]
        owed = [accepted[route] for route in streams.routes()]
        part = Part(last_s=drain(crew, streams, sum(self._before) + sum(owed)))
        crew.gather()
        costs = self._window.server()
        for name, share in self._window.generator().items():
            setattr(part, name, share)
        crew.loop.run_for(0.2)  # what comes now comes twice
        got = [now - then for now, then in zip(streams.counts(), self._before, strict=True)]
        part.owe(got, owed)
        part.closed_by_server = streams.closed_by_server
        part.bytes_received = streams.bytes_received - self._bytes_before
        part.witness_agrees = streams.witness_agrees()
        part.latency = latency.samples.counts() if latency else []
        parts = crew.gather(part)
        figures = {"accepted": sum(accepted), "refused": sum(refused for _, refused in told)}
        figures |= together(parts) | costs
        figures["delivered_s"] = max(part["last_s"] for part in parts) - self.start_s
        if "server_cpu_s" in figures:
            figures["cpu_us_per_delivery"] = figures["server_cpu_s"] * 1e6 / max(1, figures["delivered"])
        return figures


def on_schedule(
    crew: Crew, tally: PublishTally, *, rate: float, seconds: float, size_bytes: int, channels: int = 1
) -> dict[str, Any]:
    """Publish at a fixed rate, to the channels in turn. The leader does; to the others nothing is due."""
    if not crew.leads:
        return {}
    spread = Samples()

    def on_reply(reply: Reply) -> None:
        tally.answer(reply.status, reply.request)
        spread.add(time.monotonic_ns() - reply.due_ns)

    pool = [Publisher(crew.loop, crew.target, on_reply) for _ in range(POOL)]
    messages, late_s_max = max(1, round(rate * seconds)), 0.0
    start_s = time.monotonic() + 0.05
    for index in range(messages):
        due_s = start_s + index / rate
        crew.loop.turn(0)  # also when there is no time left: answers must be read
        while (left_s := due_s - time.monotonic()) > 0:
            crew.loop.turn(left_s)
        late_s_max = max(late_s_max, -left_s)
        due_ns, route = int(due_s * 1e9), index % channels
        request = crew.target.publish_request(payload(due_ns, size_bytes), route)
        min(pool, key=lambda one: one.in_flight).send(request, route, due_ns)
        crew.tell("publish", index + 1, messages)
    if not crew.loop.until(lambda: tally.answered == messages, ANSWER_S_MAX):
        raise LoadError(f"{messages - tally.answered} of {messages} publishes have no answer")
    return {"publish_late_ms_max": late_s_max * 1e3} | Spread([spread.counts()]).figures("post")


def at_full_speed(
    crew: Crew,
    connections: int,
    seconds: float,
    request: Callable[[int], bytes],
    on_reply: Callable[[Reply], None],
    messages: int = 1 << 62,
) -> float:
    """Publish as fast as answers come, one request in flight per connection, until there are enough of either.

    `request` makes the n-th one of this process. Returns the seconds until the last answer.
    """
    sent = answered = 0
    start_s = time.monotonic()
    end_s = start_s + seconds

    def send_next(publisher: Publisher) -> None:
        nonlocal sent
        if sent < messages and time.monotonic() < end_s:
            publisher.send(request(sent), sent, time.monotonic_ns())
            sent += 1
            if not sent & 255:
                crew.tell("publish", min(time.monotonic() - start_s, seconds), seconds)

    def answer(reply: Reply) -> None:
        nonlocal answered
        answered += 1
        on_reply(reply)
        send_next(reply.publisher)

    publishers = [Publisher(crew.loop, crew.target, answer) for _ in range(connections)]
    for publisher in publishers:
        send_next(publisher)
    limit_s = seconds + ANSWER_S_MAX
    if not crew.loop.until(
        lambda: answered == sent and (sent >= messages or time.monotonic() >= end_s), limit_s
    ):
        raise LoadError(f"{sent - answered} of {sent} publishes have no answer")
    return time.monotonic() - start_s
