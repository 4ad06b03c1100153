"""One membership in a consumer group, on a thread of its own: the client library blocks, the hub's loop must not.

    poll -> hand a batch to the loop and wait until it is stored, its poison kept -> commit

The thread waits for the loop, and the broker must not take that for death: while a batch waits long (the hub's store
is down), every partition is paused and polling goes on, so that the group goes on, too. A partition that is taken
away meanwhile is not committed any more; its new reader begins at what was committed, and publishes again what is in
hand here, under the same keys. If the partition returns, an offset below the other member's is never committed. Offsets are
committed in the background, again where that was refused: what a crash leaves uncommitted is read again, and known.

The client never chooses a place by itself (`auto.offset.reset=error`; "earliest" would pass silently over what the broker
let go unread). Where the broker cannot go on from, a new group begins at the oldest record, and a group that stood before it
reports what it will never read.

A record without a value is a tombstone: it tells a compacted topic to forget a key, and means nothing to other readers.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, Protocol

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from fast_sse.ingest.forward import PoisonEntry
from fast_sse.ingest.package import QueueEntry

#: Longest wait for a record before looking whether the end has come, and between signs of life in a long wait.
_POLL_S = 0.2
#: A batch that takes longer than this pauses its partitions.
_LONG_S = 1.0
#: Commits that fail because the partition, or the membership, is another's now.
_NOT_OURS = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError._ASSIGNMENT_LOST,  # noqa: SLF001  the library's own name for it
        KafkaError._NO_OFFSET,  # noqa: SLF001
    }
)


class Owner(Protocol):
    """Who a session works for. Every method but `ended` is called on the loop's thread."""

    def ended(self) -> bool:
        """Whether the session should end when nothing is in hand; asked on the session's thread."""

    async def forward(self, entries: list[QueueEntry]) -> list[PoisonEntry]:
        """Publish a batch; what cannot be, and was kept as poison."""

    def done(self, entries: int, poison: list[PoisonEntry], tombstones: int) -> None:
        """A batch was stored or kept, its tombstones passed over, its offsets handed over."""

    def gone(self, partition: int, first: int, end: int) -> None:
        """The broker let go what lay at these offsets, `end` excluded, before it was read."""

    def level(self, lag: int | None, *, reading: bool) -> None:
        """How far behind the assigned partitions are; whether there are any."""

    def failed(self, error: KafkaError) -> None:
        """The client says that something is wrong."""


class Session:
    """One consumer, from subscribe to close. `run` is its thread's whole life; `abandon` makes it give up its batch."""

    def __init__(
        self,
        consumer: Mapping[str, Any],
        topic: str,
        entries_max: int,
        loop: asyncio.AbstractEventLoop,
        owner: Owner,
    ) -> None:
        self._topic = topic
        self._entries_max = entries_max
        self._loop = loop
        self._owner = owner
        #: By assigned partition what comes behind all that is done; negative while that is not known.
        self._next: dict[int, int] = {}
        #: Partitions that the broker cannot go on with from there.
        self._lost: set[int] = set()
        #: Partitions whose last commit failed.
        self._refused: set[int] = set()
        self._early: list[Message] = []
        self._paused = False
        self._abandoned = False
        own = {"error_cb": self._failed, "on_commit": self._on_commit, "auto.offset.reset": "error"}
        self._consumer = Consumer({**consumer, **own})

    def run(self) -> None:
        """Read until the owner ends it. Raises KafkaException."""
        consumer = self._consumer
        try:
            consumer.subscribe(
                [self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
            )
            while not self._owner.ended():
                messages = self._take()
                if messages:
                    self._deal_with(messages)
                self._find_places()
                self._commit_again()
                self._tell_level()
        finally:
            consumer.close()
            del self._consumer, consumer  # here, and not on whichever thread the garbage collector runs

    def abandon(self) -> None:
        """Give up the batch in hand: it was not committed, so it is read again."""
        self._abandoned = True

    # -- entries --------------------------------------------------------------------------------------------

    def _take(self) -> list[Message]:
        """What is there, at most a batch; waits a moment for the first record only."""
        early, self._early = self._early, []
        if not early:
            first = self._consumer.poll(_POLL_S)
            if first is None:
                return []
            early = [first, *self._consumer.consume(self._entries_max - 1, 0)]
        good: list[Message] = []
        for message in early:
            error = message.error()
            if error is None:
                good.append(message)
            elif error.fatal():
                raise KafkaException(error)
            elif error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001  the library's own name for it
                self._lost.add(message.partition() or 0)
            else:
                self._failed(error)
        return good

    def _deal_with(self, messages: list[Message]) -> None:
        """Publish or keep, then commit; no commit when the batch is abandoned."""
        filled = [message for message in messages if message.value() is not None]
        entries = [_entry(message) for message in filled]
        future = asyncio.run_coroutine_threadsafe(self._owner.forward(entries), self._loop)
        poison = self._wait_for(future)
        if poison is None:
            return
        self._commit(messages)
        self._resume()
        tombstones = len(messages) - len(filled)
        self._loop.call_soon_threadsafe(self._owner.done, len(messages), poison, tombstones)

    def _wait_for(self, future: Future[list[PoisonEntry]]) -> list[PoisonEntry] | None:
        """The outcome of a batch; None when it was abandoned."""
        patience_s = _LONG_S
        while True:
            try:
                return future.result(patience_s)
            except FutureTimeoutError:
                if future.done():
                    raise
            if not self._still_waiting():
                future.cancel()
                return None
            patience_s = _POLL_S

    def _still_waiting(self) -> bool:
        """A sign of life to the group, without taking more; False when the batch was abandoned."""
        if self._abandoned:
            return False
        if not self._paused:
            self._paused = True
            self._consumer.pause(self._consumer.assignment())
        message = self._consumer.poll(0)
        if message is not None:  # fetched before the pause
            self._early.append(message)
        return True

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self._consumer.resume(self._consumer.assignment())

    # -- partitions and offsets -----------------------------------------------------------------------------

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        stand = {partition.partition: OFFSET_BEGINNING for partition in partitions}
        with contextlib.suppress(
            KafkaException
        ):  # the client asks again, and what it does not find out is lost
            stand = self._committed(partitions)
            for partition in partitions:
                partition.offset = stand[partition.partition]
        self._next.update(stand)
        consumer.incremental_assign(partitions)
        if self._paused:
            consumer.pause(partitions)

    def _on_revoke(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for partition in partitions:
            self._next.pop(partition.partition, None)
            self._lost.discard(partition.partition)
        self._early = [message for message in self._early if message.partition() in self._next]

    def _commit(self, messages: list[Message]) -> None:
        """Of the partitions that are still ours, in the background; never behind where another member left one meanwhile."""
        ends = {message.partition() or 0: (message.offset() or 0) + 1 for message in messages}
        ours = self._next
        self._stand_at({part: end for part, end in ends.items() if part in ours and end > ours[part]})

    def _stand_at(self, ends: dict[int, int]) -> None:
        self._next.update(ends)
        if ends:
            offsets = [TopicPartition(self._topic, partition, end) for partition, end in ends.items()]
            self._consumer.commit(offsets=offsets, asynchronous=True)

    def _committed(self, partitions: list[TopicPartition]) -> dict[int, int]:
        """Where the group stands, by partition; at the beginning (negative) where it never stood. Raises KafkaException."""
        found = self._consumer.committed(partitions, timeout=_LONG_S)
        for partition in found:
            if partition.error is not None:
                raise KafkaException(partition.error)
        return {partition.partition: max(partition.offset, OFFSET_BEGINNING) for partition in found}

    def _find_places(self) -> None:
        """Go on where the lost partitions begin, and say what lay before; what cannot be asked now is asked again."""
        self._lost &= self._next.keys()  # one that moved away meanwhile is its new reader's to find
        for partition in list(self._lost):
            try:
                self._find_place(TopicPartition(self._topic, partition))
            except KafkaException as error:
                self._failed(error.args[0])
            else:
                self._lost.discard(partition)

    def _find_place(self, place: TopicPartition) -> None:
        stood = self._next[place.partition]
        if stood < 0:
            stood = self._committed([place])[place.partition]
        low, _ = self._consumer.get_watermark_offsets(place, timeout=_LONG_S)
        self._consumer.incremental_unassign([place])  # the client does not seek where it gave up
        self._consumer.incremental_assign([TopicPartition(self._topic, place.partition, low)])
        if 0 <= stood < low:
            self._loop.call_soon_threadsafe(self._owner.gone, place.partition, stood, low)
        self._stand_at({place.partition: low})

    def _on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        self._refused |= {one.partition for one in partitions if error is not None or one.error is not None}
        if error is not None and error.code() not in _NOT_OURS:
            self._failed(error)

    def _commit_again(self) -> None:
        """What was refused, as in the middle of a rebalance, where the partition is still ours: no record may follow."""
        again = {part: end for part, end in self._next.items() if part in self._refused and end >= 0}
        self._refused.clear()
        self._stand_at(again)

    def _tell_level(self) -> None:
        """How far the ends of the assigned partitions, as last fetched, are ahead of what is done."""
        lag: int | None = 0 if self._next else None
        for partition, done in self._next.items():
            low, high = self._consumer.get_watermark_offsets(
                TopicPartition(self._topic, partition), cached=True
            )
            if lag is not None:
                lag = None if high < 0 else lag + max(0, high - max(done, low, 0))
        self._loop.call_soon_threadsafe(lambda: self._owner.level(lag, reading=bool(self._next)))

    def _failed(self, error: KafkaError) -> None:
        self._loop.call_soon_threadsafe(self._owner.failed, error)


def _entry(message: Message) -> QueueEntry:
    """A record as an entry: its place is partition, offset and timestamp, since a topic made anew repeats the first two."""
    _, timestamp_ms = message.timestamp()
    place = f"{message.partition()}-{message.offset()}-{timestamp_ms}"
    headers = message.headers() or ()
    pairs = headers.items() if isinstance(headers, dict) else headers
    beside = {name: value for name, value in pairs if isinstance(value, bytes)}  # given twice: the last
    return QueueEntry(place, message.value() or b"", beside.get("event_id"), beside.get("event_type"))
