"""What happens in a hub, as small frozen facts that it hands to one observer.

The hub never calls a logger or a metrics library. It says what happened, and the observer decides what to make of it
(as with the hooks of dramatiq and the instrumentation of stamina). There is one fact for an event in the life of the
hub, of a store or of a connection that was cut, and never one for a delivery: deliveries are plain integers. Text that
came from a peer is passed on as it came; an observer that writes it down escapes and redacts it.
"""

from __future__ import annotations

from typing import Protocol

import msgspec


class Fact(msgspec.Struct, frozen=True, gc=False):
    """Root of all facts."""


class HubStarted(Fact, frozen=True, gc=False):
    """The hub follows its log. `newest` is the text of the cursor it starts from, `durability` the store's word."""

    newest: str = ""
    durability: str = ""


class HubStopped(Fact, frozen=True, gc=False):
    """Every task of the hub has ended."""


class FollowerRestarted(Fact, frozen=True, gc=False):
    """The follower of the log ended with an error and begins again after the last record it saw."""

    error: str


class StreamEvicted(Fact, frozen=True, gc=False):
    """A stream was cut by us; the client comes back with Last-Event-ID.

    `reason` is one word (`stalled`, `overload`, `defect`, ...), `peer` the other end's address, `after_s` how
    long the reason had lasted.
    """

    reason: str
    peer: str = ""
    after_s: float = 0.0


class StoreFailed(Fact, frozen=True, gc=False):
    """The store stopped answering: publishes get 503 until `StoreRecovered`. One fact for each failure, not for each publish."""

    error: str


class StoreRecovered(Fact, frozen=True, gc=False):
    """The store answers again."""


class TrimmingFailed(Fact, frozen=True, gc=False):
    """The store did not remove what retention does not keep; the next attempt is one interval later."""

    error: str


class Trimmed(Fact, frozen=True, gc=False):
    """Retention removed `entries` from the old end of the log."""

    entries: int


class LongLine(Fact, frozen=True, gc=False):
    """A message has a line of so many bytes, which some clients cannot read; one fact for each power of two."""

    event_id: str
    event_type: str
    line_bytes: int


class Drained(Fact, frozen=True, gc=False):
    """The drain ended `streams` streams, each after a word when to come back."""

    streams: int


class HandlerFailed(Fact, frozen=True, gc=False):
    """A request met an error that no rule of ours foresees and was answered 500.

    The caller got the `request_id` and nothing else; `traceback` is for the log only.
    """

    error: str
    traceback: str = ""
    request_id: str = ""


class RequestsRefused(Fact, frozen=True, gc=False):
    """Requests whose signature or rights did not do, by why: `code` is the answer's, `reason` one word that no client is told.

    The first for a reason is a fact of its own; later ones are counted and told together, with the `request_id` of the last.
    """

    code: str
    reason: str
    count: int
    request_id: str


class KeysFetched(Fact, frozen=True, gc=False):
    """The keys of tokens are here, or are other ones: so many. The same set again is no fact."""

    keys: int


class KeysFailed(Fact, frozen=True, gc=False):
    """They could not be fetched; one fact for each trouble. The `kept` keys of the last good set stay."""

    problem: str
    kept: int


class DefectSeen(Fact, frozen=True, gc=False):
    """A broken invariant was noticed and contained: `where` names the place, `error` what was found."""

    where: str
    error: str
    traceback: str = ""


class IngestStarted(Fact, frozen=True, gc=False):
    """A foreign queue will be read by this node: `kind` is `redis_stream` or `kafka_topic`, `queue` its name."""

    kind: str
    queue: str


class IngestStopped(Fact, frozen=True, gc=False):
    """The queue is no more read by this node; `entries` were stored, or kept as poison, and acknowledged."""

    kind: str
    queue: str
    entries: int


class IngestLeaseWon(Fact, frozen=True, gc=False):
    """From now on this node, and no other, reads the queue."""

    queue: str


class IngestLeaseLost(Fact, frozen=True, gc=False):
    """Another node reads the queue, or may: this one was silent for too long."""

    queue: str


class IngestFailed(Fact, frozen=True, gc=False):
    """The queue cannot be read, or the hub does not store what was read; one fact for each trouble, not for each attempt."""

    kind: str
    queue: str
    error: str


class IngestRecovered(Fact, frozen=True, gc=False):
    """The queue is read and stored again."""

    kind: str
    queue: str


class IngestPoisoned(Fact, frozen=True, gc=False):
    """An entry cannot become a message and is a dead letter now. `place` names it, `error` says why, nothing its content."""

    kind: str
    queue: str
    place: str
    error: str


class IngestGone(Fact, frozen=True, gc=False):
    """The queue let entries go before the hub was done with them: they are lost.

    `place`: the first and the last (ids; partition and offsets), or what is left around them. `entries`: how many,
    `counted`: `exactly`, `at least` (0: perhaps none) or, by Kafka's offsets, `at most`.
    """

    kind: str
    queue: str
    place: str
    entries: int
    counted: str


class LettersReplayed(Fact, frozen=True, gc=False):
    """An operator had dead letters published again: `by` is the operator's address, `asked` the filter or the id.

    `target` is the channel that was given instead of their own, empty for none; `failed` stayed, `gone` were removed
    meanwhile.
    """

    by: str
    asked: str
    target: str
    replayed: int
    failed: int
    gone: int


class LettersImported(Fact, frozen=True, gc=False):
    """An operator, at the address `by`, brought dead letters of another hub; `known` of them were there already."""

    by: str
    kept: int
    known: int


class LettersPurged(Fact, frozen=True, gc=False):
    """An operator removed dead letters: `by` is the operator's address, `asked` the filter or the id."""

    by: str
    asked: str
    purged: int


class LettersMade(Fact, frozen=True, gc=False):
    """Messages became dead letters, so many for each reason; `maybe_delivered` of them perhaps in error.

    One fact for those of ten seconds.
    """

    no_subscriber: int
    expired: int
    maybe_delivered: int


class LettersDropped(Fact, frozen=True, gc=False):
    """Letters that nobody will see: `why` is `count`, `bytes` or `age` of the bounds, `overflow` or `trimmed`."""

    why: str
    letters: int


class TurnsFailed(Fact, frozen=True, gc=False):
    """The store does not take this node's turns: no message dies until it does. One fact for each trouble."""

    error: str


class TurnsRecovered(Fact, frozen=True, gc=False):
    """The store takes turns again."""


class NodeNameAwaited(Fact, frozen=True, gc=False):
    """A process of this node's name was there just now; the start waits a few turns to see whether it lives."""

    name: str


class NodeNameShared(Fact, frozen=True, gc=False):
    """Another process that lives has this node's name: what `maybe_delivered` says of dead letters may be wrong."""

    name: str


class Observer(Protocol):
    """What wants to know of facts. `notify` is called on the event loop's thread: it must not block and must not raise."""

    def notify(self, fact: Fact) -> None:
        """Take note of one fact."""


class NullObserver:
    """Ignores every fact: the default, and enough for most tests."""

    def notify(self, fact: Fact) -> None:
        """Forget it."""
