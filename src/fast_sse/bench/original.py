"""The load test of the original's README, played again and judged honestly.

    consumers  ramp to 30 in 15 s, to 50 by 60 s, stay until 105 s, are gone by 135 s; each has its own channel
    producers  two, from 50 s on for 75 s, each a message of 50 KB a second, to the fifty channels in turn

Loss counts only messages whose consumer was connected when their publish began. A consumer that is to leave first
gets what was published for it until then, so that no message is neither lost nor received. All times scale with the
length of the producers' part; the number of messages stays.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterator
from typing import Any

import msgspec

from fast_sse.bench.consumer import Consumer
from fast_sse.bench.cpu import Window
from fast_sse.bench.crew import Crew
from fast_sse.bench.figures import GENERATOR_SHARE_MAX, Samples, Spread
from fast_sse.bench.publisher import Publisher, Reply
from fast_sse.bench.steps import ANSWER_S_MAX, publish_in_turn
from fast_sse.bench.target import LoadError, payload

CONSUMERS = 50
PRODUCERS = 2
PRODUCE_S = 75.0
PRODUCE_FROM_S = 50.0
#: Consumers over time: seconds of each stage and how many there are at its end.
STAGES = ((15.0, 30), (45.0, 50), (45.0, 50), (30.0, 0))
#: Each producer waits so long from one message to the next.
EVERY_S = 1.0


class Message(msgspec.Struct):
    """One publish and what is known of it. Times in `time.monotonic_ns`; 0 means not yet."""

    channel: int
    due_ns: int
    answered_ns: int = 0
    status: int = 0
    message_id: str = ""


class Outcome(msgspec.Struct):
    """What became of the messages that were accepted.

    Attributes:
        owed: published while their consumer was connected. Of these, `lost` did not arrive.
        unheard: published while nobody was connected to their channel: not loss. Of these, `unheard_received` arrived
            all the same: their consumer was just coming or going.
        duplicates: arrived more than once.
    """

    owed: int = 0
    received: int = 0
    lost: int = 0
    unheard: int = 0
    unheard_received: int = 0
    duplicates: int = 0


def judge(messages: list[Message], consumers: list[Consumer]) -> Outcome:
    """Compare what was accepted with what each channel's consumer got, by message id."""
    outcome = Outcome()
    for message in messages:
        if not 200 <= message.status < 300:
            continue
        consumer = consumers[message.channel]
        got = len(consumer.received_ns.get(message.message_id, ()))
        outcome.received += got > 0
        outcome.duplicates += max(0, got - 1)
        if consumer.was_connected(message.due_ns):
            outcome.owed += 1
            outcome.lost += got == 0
        else:
            outcome.unheard += 1
            outcome.unheard_received += got > 0
    return outcome


def steps(scale: float) -> Iterator[tuple[float, str, int]]:
    """Everything that is to happen, in order: seconds from the start, what, and to which consumer or channel."""
    return heapq.merge(_comings_and_goings(scale), _productions(scale), key=lambda step: step[0])


def _comings_and_goings(scale: float) -> Iterator[tuple[float, str, int]]:
    """A ramp is linear, as k6's."""
    at_s, now = 0.0, 0
    for stage_s, target in STAGES:
        change = target - now
        for nth in range(1, abs(change) + 1):
            which = now + nth - 1 if change > 0 else now - nth
            yield (at_s + stage_s * nth / abs(change)) * scale, "come" if change > 0 else "go", which
        at_s, now = at_s + stage_s, target


def _productions(scale: float) -> Iterator[tuple[float, str, int]]:
    for turn in range(int(PRODUCE_S / EVERY_S)):
        for producer in range(PRODUCERS):
            number = turn * PRODUCERS + producer
            yield (PRODUCE_FROM_S + turn * EVERY_S) * scale, "produce", number


class Play:
    """The run: its consumers, its producers and what they published."""

    def __init__(self, crew: Crew, size: int, *, load_route: bool) -> None:
        self.crew, self.size, self.load_route = crew, size, load_route
        self.messages: list[Message] = []
        self.consumers = [
            Consumer(crew.loop, crew.target, channel, crew.patience_s) for channel in range(CONSUMERS)
        ]
        self.publishers = [Publisher(crew.loop, crew.target, self._on_reply) for _ in range(PRODUCERS)]
        self.answered = 0

    def do(self, what: str, which: int, due_ns: int) -> None:
        """One step."""
        if what == "come":
            self.consumers[which].connect()
        elif what == "go":
            self.consumers[which].leave(due_ns, lambda: self._owed_to(which))
        else:
            channel = which % CONSUMERS
            message = Message(channel, due_ns)
            self.messages.append(message)
            self.publishers[which % PRODUCERS].send(self._request(channel, due_ns), message, due_ns)

    def step(self) -> None:
        """Let consumers go that have all they wait for."""
        for consumer in self.consumers:
            consumer.check()

    def over(self) -> bool:
        """True when everyone is gone."""
        self.step()
        return all(consumer.gone for consumer in self.consumers)

    def _request(self, channel: int, due_ns: int) -> bytes:
        target = self.crew.target
        if not self.load_route:
            return target.publish_request(payload(due_ns, self.size), channel)
        name = target.routes[channel].channel
        assert name is not None
        return target.load_request(name[0], self.size // 1024)

    def _owed_to(self, channel: int) -> list[str] | None:
        """Ids that this channel's consumer waits for before it goes; None while an answer is missing."""
        leave_ns = self.consumers[channel].leave_ns
        mine = [one for one in self.messages if one.channel == channel and one.due_ns < leave_ns]
        if any(one.status == 0 for one in mine):
            return None
        accepted = [one for one in mine if 200 <= one.status < 300]
        return [one.message_id for one in accepted if self.consumers[channel].was_connected(one.due_ns)]

    def _on_reply(self, reply: Reply) -> None:
        message = reply.request
        message.answered_ns, message.status = time.monotonic_ns(), reply.status
        message.message_id = reply.message_id
        self.answered += 1


def original(crew: Crew, *, seconds: float, size: int) -> dict[str, Any]:
    """Play it with the producers' part lasting `seconds`; `size` of a body in bytes."""
    scale = seconds / PRODUCE_S
    play = Play(crew, size, load_route=_has_load_route(crew))
    window = Window(crew.target.pid, crew.loop)
    start_s, script = time.monotonic(), list(steps(scale))
    for at_s, what, which in script:
        while (left_s := start_s + at_s - time.monotonic()) > 0:
            crew.loop.turn(min(left_s, 0.05))
            play.step()
            crew.tell("play", time.monotonic() - start_s, script[-1][0])
        play.do(what, which, int((start_s + at_s) * 1e9))
    crew.loop.until(play.over, ANSWER_S_MAX)
    if play.answered < len(play.messages):
        raise LoadError(f"{len(play.messages) - play.answered} publishes have no answer")
    return _figures(play, scale) | window.server() | _own(window)


def _own(window: Window) -> dict[str, Any]:
    own = window.generator()
    return {
        **own,
        "generator_processes": 1,
        "generator_was_limit": own["generator_share"] > GENERATOR_SHARE_MAX,
    }


def _has_load_route(crew: Crew) -> bool:
    """Whether the hub makes the bodies itself (demo mode or `load_route`)."""
    if not crew.target.load_path:
        return False
    try:
        publish_in_turn(crew, [crew.target.load_request("fast-sse-bench-probe", 0)])
    except LoadError:
        return False
    return True


def _figures(play: Play, scale: float) -> dict[str, Any]:
    messages, consumers = play.messages, play.consumers
    outcome, latency, posts, unpack = judge(messages, consumers), Samples(), Samples(), Samples()
    for consumer in consumers:
        for duration_ns in consumer.unpack_ns:
            unpack.add(duration_ns)
    for message in messages:
        posts.add(message.answered_ns - message.due_ns)
        for at_ns in consumers[message.channel].received_ns.get(message.message_id, ())[:1]:
            latency.add(at_ns - message.due_ns)
    accepted = sum(200 <= message.status < 300 for message in messages)
    attempts = sum(consumer.attempts for consumer in consumers)
    figures: dict[str, Any] = {
        "way": "load route" if play.load_route else "signed publishes",
        "scale": scale,
        "accepted": accepted,
        "refused": len(messages) - accepted,
        "produced_bytes": accepted * play.size,
        "expected": outcome.owed,
        "delivered": outcome.received,
        "received_bytes": sum(consumer.data_bytes for consumer in consumers),
        "lost": outcome.lost,
        "unheard": outcome.unheard,
        "unheard_received": outcome.unheard_received,
        "duplicates": outcome.duplicates,
        "connections": attempts,
        "connections_ok": sum(consumer.ok for consumer in consumers),
        "closed_by_server": sum(consumer.cut for consumer in consumers),
    }
    for name, samples in (("latency", latency), ("post", posts), ("unpack", unpack)):
        figures |= Spread([samples.counts()]).figures(name)
    return figures
