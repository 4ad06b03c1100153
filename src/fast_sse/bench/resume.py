"""How fast does a client catch up, and how long does it take until a crowd that reconnects is level?"""

from __future__ import annotations

import time
from typing import Any

from fast_sse.bench.connections import StreamPlace, Subscribers
from fast_sse.bench.cpu import Window
from fast_sse.bench.crew import Crew
from fast_sse.bench.figures import Part, together
from fast_sse.bench.publisher import Publisher, Reply
from fast_sse.bench.steps import ANSWER_S_MAX, connect, drain
from fast_sse.bench.target import LoadError, payload
from fast_sse.model.limits import MIB

#: Requests in flight while the log is filled.
FILLING = 64
BATCH_LINES = 500
BATCH_BYTES_MAX = 8 * MIB


def resume(crew: Crew, *, subscribers: int, messages: int, missed: int, size: int) -> dict[str, Any]:
    """Publish `messages`; one client replays all, then `subscribers` come at once who missed the last `missed`.

    A stream is level when it has exactly what came after its cursor. Cursors are message ids of publishes.
    """
    start, late = _fill(crew, messages, missed, size)
    figures: dict[str, Any] = {}
    one = Subscribers(crew.loop, crew.target)
    crew.gather()
    begin_s = time.monotonic()
    alone = Part()
    if crew.leads:
        one.connect([StreamPlace(0, 0, start)])
        replay_s = drain(crew, one, messages) - begin_s
        alone.owe(one.counts(), [messages])
        alone.witness_agrees = one.witness_agrees()
        figures = {
            "replay_s": replay_s,
            "replay_messages_per_s": one.delivered / replay_s,
            "replay_bytes_per_s": one.bytes_received / replay_s,
        }
        one.close()
    figures |= {"accepted": messages + 1, "refused": 0}  # a refusal ends the run before
    return figures | _storm(crew, subscribers, missed, late, alone)


def _storm(crew: Crew, subscribers: int, missed: int, cursor: str, alone: Part) -> dict[str, Any]:
    streams = Subscribers(crew.loop, crew.target)
    crew.gather()
    window = Window(crew.target.pid if crew.leads else 0, crew.loop)
    connect_s = connect(crew, streams, subscribers, 1, cursor)
    owed = [missed] * len(streams)
    last_s = drain(crew, streams, sum(owed))
    for name, share in window.generator().items():
        setattr(alone, name, share)
    crew.gather()
    costs = window.server()
    crew.loop.run_for(0.2)
    alone.owe(streams.counts(), owed)
    alone.witness_agrees = alone.witness_agrees and streams.witness_agrees()
    alone.closed_by_server = streams.closed_by_server
    alone.bytes_received = streams.bytes_received
    alone.last_s = last_s
    parts = crew.gather(alone)
    merged = together(parts)
    del merged["latency_samples"], merged["bytes_per_delivery"]
    storm_s = max(part["last_s"] for part in parts) - window.start_s
    return {"storm_connect_s": connect_s, "storm_level_s": storm_s} | merged | costs


def _fill(crew: Crew, messages: int, missed: int, size: int) -> tuple[str, str]:
    """Publish one message and then `messages` more; the ids of the first, and of the one before the last `missed`."""
    found: tuple[str, str] = ("", "")
    if crew.leads:
        data = payload(0, size)
        first = _publish(crew, data, 1)
        middle = _publish(crew, data, messages - missed)
        _publish(crew, data, missed)
        found = (first, middle)
    start, late = crew.gather(list(found))[0]
    return start, late


def _publish(crew: Crew, data: bytes, count: int) -> str:
    """Publish that many, the last one after all others; its id."""
    target, answered, refused, last_id = crew.target, 0, "", ""
    lines = min(BATCH_LINES, max(1, BATCH_BYTES_MAX // len(data))) if target.kid else 1

    def on_reply(reply: Reply) -> None:
        nonlocal answered, refused, last_id
        stored = reply.body.count(b'"message_id"')
        answered += reply.request
        last_id = reply.message_id
        if stored != reply.request:
            refused = f"publish answered {reply.status}: {reply.body[:300]!r}"

    publisher = Publisher(crew.loop, target, on_reply)
    sent, others = 0, count - 1
    while answered < count and not refused:
        while sent < others and sent - answered < FILLING * lines:
            step = min(lines, others - sent)
            request = target.batch_request([data] * step) if lines > 1 else target.publish_request(data)
            publisher.send(request, step)
            sent += step
        if sent == others == answered:
            publisher.send(target.publish_request(data), 1)
            sent += 1
        waiting = answered
        if not crew.loop.until(lambda: answered > waiting or bool(refused), ANSWER_S_MAX):  # noqa: B023  used at once
            raise LoadError("the log could not be filled: a publish has no answer")
        crew.tell("fill", answered, count)
    if refused:
        raise LoadError(refused)
    return last_id
