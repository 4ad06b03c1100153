"""One judge over histories: what publishers were told against what subscribers saw.

It knows nothing of the hub but the wire. Publishers say what they asked for and what they were told; subscribers
say what they saw, connection by connection; every subscriber was there before the first message and stayed (or
came back) until it had seen each publisher's last acknowledged one. Then nine kinds of defect have names:

    lost          acknowledged, matches the subscriber's filter, never seen by it
    duplicate     seen twice by one subscriber, in one connection or across a resume; or stored twice under one key
    reorder       against the positions in the ids, or against the order in which its publisher sent
    disagreement  two subscribers whose orders cannot be parts of one order, or who saw one message under two ids
    phantom       seen, though certainly not stored, or never published
    leak          seen on a stream whose filter does not cover its channel
    gap           a gap that nothing in the run explains
    final         an answer that a browser takes for the end
    empty         a count that should not be zero is zero: nothing was checked

"None of N" says no more than that the true rate is below 3/N with 95 % confidence; the report says so.
"""

from __future__ import annotations

import graphlib
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

Pair = tuple[str, str]

KINDS = ("lost", "duplicate", "reorder", "disagreement", "phantom", "leak", "gap", "final", "empty")


class Published(NamedTuple):
    """One message: `outcome` is ok, fail or unknown; `n` counts up for each publisher."""

    publisher: str
    n: int
    payload: str
    channel: Pair
    outcome: str
    message_id: str = ""


class Delivered(NamedTuple):
    """One message as a subscriber saw it."""

    connection: int
    id: str
    payload: str


@dataclass
class Subscription:
    """One subscriber's history. `sees_all` is False for one that joined late: it is not asked about losses."""

    name: str
    patterns: Sequence[Pair]
    delivered: list[Delivered] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    finals: list[int] = field(default_factory=list)
    gaps_expected: frozenset[str] = frozenset()
    sees_all: bool = True

    def wants(self, channel: Pair) -> bool:
        """Whether a record of this channel belongs on the stream: equal, or a wildcard on either side."""
        return any(
            all(mine == its or "*" in (mine, its) for mine, its in zip(pattern, channel, strict=True))
            for pattern in self.patterns
        )


@dataclass
class Report:
    """What was found, and of how many."""

    defects: dict[str, list[str]]
    counts: dict[str, int]

    @property
    def clean(self) -> bool:
        """True when nothing was found and everything was looked at."""
        return not any(self.defects.values())

    @property
    def found(self) -> set[str]:
        """The kinds of defect that were found."""
        return {kind for kind, evidence in self.defects.items() if evidence}

    def text(self) -> str:
        """One line of figures, then the first evidence of each kind."""
        pairs = self.counts["pairs"]
        bound = f"95 % bound {3 / pairs:.1e}" if pairs else "no bound"
        found = [f"{kind} {len(self.defects[kind]):,}" for kind in KINDS if self.defects[kind]]
        counted = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in self.counts.items())
        evidence = [f"\n  {kind}: {line}" for kind in KINDS for line in self.defects[kind][:5]]
        return f"{', '.join(found) or 'no defect'} in {counted}; {bound}{''.join(evidence)}"

    def require(self, **counts: int) -> Report:
        """Add counts that must not be zero: that a fault really struck, for one."""
        self.counts.update(counts)
        self.defects["empty"] += [name for name, count in counts.items() if count == 0]
        return self

    def assert_clean(self) -> Report:
        """Fail with the evidence unless everything held and every count is above zero."""
        assert self.clean, self.text()
        return self


def position(id_text: str) -> tuple[str, tuple[int, ...]] | None:
    """Epoch and place of an id, in a form that compares; None for text that has none."""
    kind_epoch, _, place = id_text.rpartition(".")
    # Redis counts in two numbers; what follows them (or Kafka's one) is a fingerprint.
    numbers = place.split("-")[: 2 if id_text.startswith("r") else 1]
    if not kind_epoch or not all(number.isdigit() for number in numbers):
        return None
    return kind_epoch, tuple(map(int, numbers))


def check(published: Iterable[Published], subscriptions: Iterable[Subscription]) -> Report:
    """Judge one run."""
    messages = list(published)
    streams = list(subscriptions)
    by_payload = {message.payload: message for message in messages}
    assert len(by_payload) == len(messages), "payloads must be unique"
    defects: dict[str, list[str]] = {kind: [] for kind in KINDS}
    pairs = 0
    for stream in streams:
        expected = [
            message for message in messages if message.outcome == "ok" and stream.wants(message.channel)
        ]
        if stream.sees_all:
            pairs += len(expected)
            defects["lost"] += _lost(stream, expected)
            if not expected:
                defects["empty"].append(f"{stream.name} was to see nothing")
        defects["duplicate"] += _duplicates(stream)
        defects["reorder"] += [*_positions_fall(stream), *_publishers_reordered(stream, by_payload)]
        for kind, text in _strangers(stream, by_payload):
            defects[kind].append(text)
        defects["gap"] += [
            f"{stream.name}: {reason}" for reason in stream.gaps if reason not in stream.gaps_expected
        ]
        defects["final"] += [f"{stream.name}: {status}" for status in stream.finals]
    stored_twice, defects["disagreement"] = _ids_differ(streams, by_payload)
    defects["duplicate"] += stored_twice
    defects["disagreement"] += _orders_clash(streams)
    counts = {
        "messages": sum(message.outcome == "ok" for message in messages),
        "pairs": pairs,
        "deliveries": sum(len(stream.delivered) for stream in streams),
        "subscribers": len(streams),
    }
    return Report(defects, {}).require(**counts)


def _lost(stream: Subscription, expected: list[Published]) -> Iterator[str]:
    seen = {delivery.payload for delivery in stream.delivered}
    for message in expected:
        if message.payload not in seen:
            yield f"{stream.name} never saw {message.payload} ({message.message_id})"


def _duplicates(stream: Subscription) -> Iterator[str]:
    first: dict[str, Delivered] = {}
    for delivery in stream.delivered:
        earlier = first.setdefault(delivery.payload, delivery)
        if earlier is not delivery:
            same = earlier.connection == delivery.connection
            where = f"in connection {delivery.connection}" if same else "across a resume"
            yield f"{stream.name} saw {delivery.payload} twice {where}: {earlier.id}, {delivery.id}"


def _positions_fall(stream: Subscription) -> Iterator[str]:
    for earlier, later in itertools.pairwise(stream.delivered):
        before, after = position(earlier.id), position(later.id)
        if before and after and before[0] == after[0] and after[1] < before[1]:
            yield f"{stream.name}: {later.id} after {earlier.id}"


def _publishers_reordered(stream: Subscription, known: dict[str, Published]) -> Iterator[str]:
    """A publisher that waits for each answer is ordered; one whose answer stayed unknown is not, so it is left out."""
    highest: dict[str, Published] = {}
    for delivery in stream.delivered:
        message = known.get(delivery.payload)
        if message is None or message.outcome != "ok":
            continue
        newest = highest.get(message.publisher)
        if newest is None or message.n > newest.n:
            highest[message.publisher] = message
        elif message.n < newest.n:
            yield f"{stream.name}: {message.payload} after {newest.payload}"


def _strangers(stream: Subscription, known: dict[str, Published]) -> Iterator[tuple[str, str]]:
    for delivery in stream.delivered:
        message = known.get(delivery.payload)
        if message is None:
            yield "phantom", f"{stream.name} saw {delivery.payload!r}, which nobody published"
        elif message.outcome == "fail":
            yield "phantom", f"{stream.name} saw {delivery.payload}, which was refused"
        elif not stream.wants(message.channel):
            yield "leak", f"{stream.name} for {stream.patterns} saw {delivery.payload} of {message.channel}"


def _ids_differ(streams: list[Subscription], known: dict[str, Published]) -> tuple[list[str], list[str]]:
    """One message has one id: two ids mean that it was stored twice; one id for two messages is a clash."""
    ids: dict[str, set[str]] = defaultdict(set)
    payloads: dict[str, set[str]] = defaultdict(set)
    for stream in streams:
        for delivery in stream.delivered:
            ids[delivery.payload].add(delivery.id)
            payloads[delivery.id].add(delivery.payload)
    for message in known.values():
        if message.message_id and message.payload in ids:
            ids[message.payload].add(message.message_id)
    twice = [f"{payload} has several ids: {sorted(its)}" for payload, its in ids.items() if len(its) > 1]
    clash = [
        f"{id_text} is several messages: {sorted(its)}" for id_text, its in payloads.items() if len(its) > 1
    ]
    return twice, clash


def _orders_clash(streams: list[Subscription]) -> Iterator[str]:
    """Each stream is a chain; if the chains do not fit into one order, two subscribers disagree."""
    before: dict[str, set[str]] = defaultdict(set)
    for stream in streams:
        chain = list(dict.fromkeys(delivery.payload for delivery in stream.delivered))
        for earlier, later in itertools.pairwise(chain):
            before[later].add(earlier)
    try:
        graphlib.TopologicalSorter(before).prepare()
    except graphlib.CycleError as error:
        cycle = error.args[1]
        yield f"no one order holds all of {' < '.join(reversed(cycle[:8]))}"


def tally(values: Iterable[str]) -> str:
    """`a 3, b 1`: how often each value came."""
    return ", ".join(f"{value} {count}" for value, count in Counter(values).most_common())
