"""The original's load test: its script, and a loss that is judged by who was connected."""

from __future__ import annotations

from collections import Counter

from tests.bench.test_target import TARGET

from fast_sse.bench.consumer import Consumer
from fast_sse.bench.loop import Loop
from fast_sse.bench.original import Message, judge, steps


def consumer(ready_ns: int, leave_ns: int, *received: str) -> Consumer:
    """One that was there from `ready_ns` to `leave_ns` (0: to the end) and got these."""
    with Loop() as loop:
        made = Consumer(loop, TARGET, 0, 1.0)
    made.ready_ns, made.leave_ns = ready_ns, leave_ns
    for message_id in received:
        made.received_ns.setdefault(message_id, []).append(1)
    return made


def message(channel: int, due_ns: int, message_id: str, status: int = 200) -> Message:
    """A publish with its answer."""
    return Message(channel, due_ns, due_ns + 1, status, message_id)


def test_the_script_is_the_originals() -> None:
    """30 consumers at 15 s, 50 at 60 s, none at 135 s; 150 messages from 50 s on; all in order of time."""
    script = list(steps(1.0))
    times = [at_s for at_s, _, _ in script]
    assert times == sorted(times)
    come = [at_s for at_s, what, _ in script if what == "come"]
    assert [sum(at_s <= end for at_s in come) for end in (15.0, 60.0)] == [30, 50]
    assert max(at_s for at_s, what, _ in script if what == "go") == 135.0
    made = [(at_s, which) for at_s, what, which in script if what == "produce"]
    assert (len(made), made[0][0], made[-1][0]) == (150, 50.0, 124.0)
    assert set(Counter(which % 50 for _, which in made).values()) == {3}


def test_a_shorter_run_plays_the_same_script() -> None:
    """Times shrink, messages and consumers stay."""
    assert [step[1:] for step in steps(0.1)] == [step[1:] for step in steps(1.0)]
    assert max(step[0] for step in steps(0.1)) == 13.5


def test_loss_counts_only_what_a_consumer_was_there_for() -> None:
    """Published before it came or after it was told to go is not loss; between the two it is."""
    consumers = [consumer(100, 200, "in time")]
    messages = [
        message(0, 99, "too early"),
        message(0, 100, "in time"),
        message(0, 199, "missing"),
        message(0, 200, "too late"),
        message(0, 150, "refused", 503),
    ]
    outcome = judge(messages, consumers)
    assert (outcome.owed, outcome.received, outcome.lost, outcome.unheard) == (2, 1, 1, 2)


def test_a_channel_without_a_consumer_loses_nothing() -> None:
    """The original's 4.73 %: messages to channels that nobody listens to."""
    outcome = judge([message(0, 5, "a"), message(1, 5, "b")], [consumer(1, 0, "a"), consumer(0, 0)])
    assert (outcome.owed, outcome.lost, outcome.unheard) == (1, 0, 1)


def test_a_message_that_nobody_was_owed_may_arrive() -> None:
    """Due just before its consumer was there, sent just after: received, and no part of what a loss is measured by."""
    outcome = judge([message(0, 5, "a")], [consumer(6, 0, "a")])
    assert (outcome.owed, outcome.received, outcome.unheard, outcome.unheard_received) == (0, 1, 1, 1)


def test_what_came_twice_is_a_duplicate() -> None:
    """A second arrival is neither received nor forgotten."""
    outcome = judge([message(0, 5, "a")], [consumer(1, 0, "a", "a")])
    assert (outcome.received, outcome.duplicates, outcome.lost) == (1, 1, 0)
