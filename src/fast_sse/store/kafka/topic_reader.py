"""The one reader of the topic on this node: a thread that moves the view along the topic and notifies the loop.

It assigns the partition and seeks: no group, no commits, and never a jump (`auto.offset.reset=error`). Each session
begins with what the cluster says of the topic now, and with the last entry that the view holds: read again, it must
carry the same fingerprint. If it does not, the topic lost its tail; the last common entry is searched for, and the
view drops what lies above. A session ends when a connection breaks, a read fails or the topic is another one
(`watch`), and the next one begins.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from typing import NamedTuple, Protocol

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from fast_sse.model.backoff import Backoff
from fast_sse.model.cursor import NO_FINGERPRINT, Position
from fast_sse.model.errors import FastSseError, UnavailableError
from fast_sse.store.kafka.entry import decode, fingerprint_of
from fast_sse.store.kafka.failures import unavailable
from fast_sse.store.kafka.fold import FoldedGroup, Raw
from fast_sse.store.kafka.readers import ViewReaders
from fast_sse.store.kafka.settings import KafkaSettings, make_consumer
from fast_sse.store.kafka.topic import Facts, Topic
from fast_sse.store.kafka.view import View
from fast_sse.store.kafka.watch import Watch
from fast_sse.store.rows.wal import Wal

_log = logging.getLogger(__name__)

#: Entries that go into the view at once.
_GROUP_ENTRIES = 1000
#: How long the thread waits before it looks whether it is to stop.
_POLL_S = 0.1
_BACKOFF_S = (0.1, 2.0)
#: Groups that the loop may have waiting.
_GROUPS_AHEAD = 16
_PROGRESS_S = 5.0


class Place(NamedTuple):
    """A position and its fingerprint."""

    position: Position
    fingerprint: str


class SessionBegun(NamedTuple):
    """A session reads on.

    Attributes:
        facts: what the cluster says of the topic.
        trimmed, newest: the ends of the view.
        anew: the view may not continue what was read before: another topic, a lost tail, or records that were not handed on.
        lost: the topic lost its tail.
    """

    facts: Facts
    trimmed: Place
    newest: Place
    anew: bool
    lost: bool


class TopicListener(Protocol):
    """What the thread notifies, in order, on the thread itself."""

    def begun(self, begun: SessionBegun) -> None:
        """The view is level with the topic, for the first time or again."""

    def group(self, group: FoldedGroup, epoch: str) -> None:
        """Some entries are in the view; their records are left out where `begun` will speak for them."""

    def waits_for(self, token: int) -> bool:
        """Whether an entry is this node's and not answered yet."""

    def down(self, error: FastSseError) -> None:
        """The session ended and the next could not begin."""


class _SuspectError(Exception):
    """Something happened to the connection or to the topic: look again before reading on."""


class TopicReader:
    """The thread. It owns the view's writing, but for trimming."""

    def __init__(
        self, settings: KafkaSettings, topic: Topic, view: View, readers: ViewReaders, listener: TopicListener
    ) -> None:
        self._settings = settings
        self._topic = topic
        self._view = view
        self._readers = readers
        self._listener = listener
        #: The write-ahead log of the view.
        self.wal = Wal(view.path, readers.gate)
        self._stopping = threading.Event()
        self._room = threading.Semaphore(_GROUPS_AHEAD)
        self._suspect = False
        self._damaged = False
        self._epoch = ""
        self._began = False
        #: What happened to the view and was not reported yet: a session may end before it has begun.
        self._anew = self._lost = False
        self._next = 0
        #: The topic's end was reached, so what comes next was written since; what came last had been.
        self._at_end = self._fresh = False
        self._thread = threading.Thread(target=self._run, name="fast-sse-topic-reader", daemon=True)

    def start(self) -> None:
        """Begin the first session."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and close the view. Blocking."""
        self._stopping.set()
        self._room.release()
        if self._thread.ident is not None:
            self._thread.join()
        self._view.close()

    def taken(self) -> None:
        """The loop has handled a group."""
        self._room.release()

    def suspect(self) -> None:
        """Look at the topic again before reading on. From any thread."""
        self._suspect = True

    def damaged(self) -> None:
        """Make the view anew. From any thread."""
        self._damaged = self._suspect = True

    # -- sessions -----------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._sessions()
        except BaseException as error:  # noqa: BLE001  the last guard: nothing else would ever notice
            _log.critical("the thread that follows the topic has ended: restart the hub", exc_info=error)
            self._listener.down(UnavailableError("the log is not followed any more: restart the hub"))

    def _sessions(self) -> None:
        backoff = Backoff(*_BACKOFF_S)
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                self._session()
            except _SuspectError:
                backoff.restart()
            except FastSseError as error:
                self._listener.down(error)
            except sqlite3.Error as error:
                _log.error("the view in data_dir cannot be written: look at its disk", exc_info=error)
                self._damaged = not isinstance(error, sqlite3.OperationalError)
                self._listener.down(UnavailableError("the view of the log cannot be written now"))
            except Exception as error:  # noqa: BLE001  loud, and alive: a reader that stands still silently is the worst outcome
                _log.critical("a defect in reading the topic: report it; the hub tries again", exc_info=error)
                self._listener.down(UnavailableError("the log cannot be followed now"))
            if time.monotonic() - began > _BACKOFF_S[1]:
                backoff.restart()
            self._stopping.wait(backoff.next_s())

    def _session(self) -> None:
        self._suspect = False
        facts = self._topic.look()
        self._open(facts.epoch)
        if (
            self._view.trimmed > facts.low
        ):  # no topic ever gets back what it let go: this is not what was read
            self._damaged = True
            self._open(facts.epoch)
        # What the topic let go before it was read here is a gap for every follower on this node.
        self._anew |= self._view.read_to < facts.low
        while self._view.trim_to(facts.low):
            pass
        consumer = make_consumer(self._settings, self._on_error)
        try:
            self._anchor(consumer, facts)
            dropped = self._view.letters_dropped
            self._read_to(consumer, facts.high, quiet=self._anew)
            if self._anew or not self._began:  # what a view is made of was dropped before
                self._view.letters_dropped = dropped
            newest = self._place_at(self._view.newest)
            self._readers.resume()
            trimmed = self._place_at(self._view.trimmed)
            self._listener.begun(SessionBegun(facts, trimmed, newest, self._anew, self._lost))
            self._began, self._anew, self._lost = True, False, False
            watch = Watch(self._topic, facts.epoch)
            while not self._stopping.is_set():
                if batch := self._polled(consumer):
                    self._take(batch)
                elif self.wal.held:
                    self._keep_small()
                self._suspect |= watch.changed()
        finally:
            consumer.close()

    def _open(self, epoch: str) -> None:
        """Open the view of this topic unless it is open, made anew where it is no use."""
        if epoch == self._epoch and not self._damaged:
            return
        self._readers.suspend()
        self._anew = True
        if self._damaged:
            self._view.discard()
        self._view.open(epoch)
        self._damaged, self._epoch = False, epoch

    def _place_at(self, position: Position) -> Place:
        return Place(position, self._view.print_at(position) or NO_FINGERPRINT)

    def _on_error(self, error: KafkaError) -> None:
        _log.info("the client says: %s", error.str())
        self._suspect = True

    # -- where to read on ---------------------------------------------------------------------------

    def _anchor(self, consumer: Consumer, facts: Facts) -> None:
        """Set the place to read on from, below what the topic lost of what was read."""
        anchor, floor = self._view.anchor, max(self._view.trimmed, facts.low)
        same = anchor > floor and self._same(consumer, anchor, facts)
        if anchor > floor and not same:
            common = self._last_common(consumer, floor, anchor, facts)
            _log.critical(
                "the topic lost %d entries above offset %d: look for an unclean election; streams are told a gap",
                anchor - common,
                common - 1,
            )
            self._anew = self._lost = True
            self._view.cut(common)
        self._next = max(self._view.read_to, facts.low)
        if not (same and self._next == anchor):  # sent elsewhere, it would first wait out a fetch from here
            consumer.assign([TopicPartition(self._settings.topic, 0, self._next)])

    def _same(self, consumer: Consumer, position: Position, facts: Facts) -> bool:
        """Whether the topic still holds at this place what the view does."""
        if position > facts.high:
            return False
        consumer.assign([TopicPartition(self._settings.topic, 0, position - 1)])
        message = self._awaited(consumer)
        if message is None or message.offset() != position - 1:
            return False
        entry = decode(message.value())
        found = NO_FINGERPRINT if entry is None else fingerprint_of(entry.token)
        return found == self._view.print_at(position)

    def _last_common(self, consumer: Consumer, good: Position, bad: Position, facts: Facts) -> Position:
        """The last place where view and topic agree: up to it they are one history, above it they are two."""
        while True:
            middle = self._view.entry_near((good + bad) // 2, above=False)
            if middle is None or middle <= good:
                middle = self._view.entry_near(good, above=True)
            if middle is None or middle >= bad:
                return good
            if self._same(consumer, middle, facts):
                good = middle
            else:
                bad = middle

    def _awaited(self, consumer: Consumer) -> Message | None:
        """The first message from where the consumer was assigned to; None at the end of the topic."""
        deadline = time.monotonic() + self._settings.deadline_s
        while time.monotonic() < deadline and not self._stopping.is_set():
            message = consumer.poll(_POLL_S)
            if message is None:
                if self._suspect:
                    raise UnavailableError("the broker does not answer")
                continue
            error = message.error()
            if error is None:
                return message
            if error.name() in ("_PARTITION_EOF", "_AUTO_OFFSET_RESET"):
                return None
            raise unavailable(error)
        raise UnavailableError("the broker does not answer")

    # -- reading ------------------------------------------------------------------------------------

    def _read_to(self, consumer: Consumer, high: int, *, quiet: bool) -> None:
        """Take everything below an offset, saying how far it is when it takes long."""
        first, said = self._next, time.monotonic()
        self._at_end = first >= high
        while self._next < high and not self._stopping.is_set():
            batch = self._polled(consumer)
            if batch is None:
                break
            if batch:
                self._take(batch, quiet=quiet)
            if time.monotonic() - said > _PROGRESS_S:
                said = time.monotonic()
                share = (self._next - first) / (high - first)
                _log.info("reading the topic into the view: %.0f %% of %d", share * 100, high - first)

    def _take(self, batch: list[Raw], *, quiet: bool = False) -> None:
        """Fold entries into the view and hand them on; when `quiet`, only as answers to publishes that wait."""
        self._keep_small()
        group = self._view.fold(batch, self._listener.waits_for)
        for position in group.poisoned:
            _log.error(
                "the entry at offset %d of the topic is unreadable and was skipped: see that only hubs write to it",
                position - 1,
            )
        if self._began:
            self._room.acquire()
            records = [] if quiet else group.records
            self._listener.group(group._replace(records=records, fresh=self._fresh), self._epoch)

    def _keep_small(self) -> None:
        """Raises DiskFullError while a stranger keeps the view's write-ahead log at its bound."""
        with self._view.lock:
            self.wal.tend(self._view.log.connection)

    def _polled(self, consumer: Consumer) -> list[Raw] | None:
        """The entries that have come, in order; none when none came in time, None at the topic's end."""
        if self._suspect:
            raise _SuspectError
        first = consumer.poll(_POLL_S)
        if first is None:
            return []
        batch: list[Raw] = []
        error: KafkaError | None = None
        for message in (first, *consumer.consume(_GROUP_ENTRIES, 0)):
            error = message.error()
            if error is None:
                offset = message.offset()
                assert offset is not None
                if offset >= self._next:
                    batch.append(Raw(offset, message.timestamp()[1], message.value()))
                    self._next = offset + 1
            elif error.name() != "_PARTITION_EOF":
                _log.warning(
                    "reading the topic failed: %s; look at the brokers, the hub tries again", error.str()
                )
                self._suspect = True
        self._fresh, self._at_end = self._at_end, error is not None
        return batch if batch or not self._at_end else None
