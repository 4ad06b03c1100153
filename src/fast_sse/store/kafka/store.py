"""The Kafka store: several nodes, one topic, a view on each of them.

A publish is an entry of the topic (acks=all, idempotent) and is answered when this node's reader has read it back:
then its place, its fingerprint and the winner of its key are what every node sees, and this node's view has it. A
key that the view knows is answered from it. Only the view answers reads; the broker alone says what is ahead.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from fast_sse.model.channel import Channel, Filter
from fast_sse.model.cursor import NO_FINGERPRINT, Cursor, Position
from fast_sse.model.errors import FastSseError, NotStoredError, StoreClosedError, UnavailableError
from fast_sse.model.message import Draft, Record, erasure
from fast_sse.observe.metrics import Sample
from fast_sse.store.base import Appended, Bounds, Outcome, Page, Retention, Store, Windows, refused_append
from fast_sse.store.clock import StoreClock
from fast_sse.store.kafka.appends import Appends
from fast_sse.store.kafka.entry import KIND
from fast_sse.store.kafka.fold import FoldedGroup, known_outcomes
from fast_sse.store.kafka.letter_fold import LetterAnswer, with_counts
from fast_sse.store.kafka.letters import KafkaLetters
from fast_sse.store.kafka.pages import AheadError, last, page, since
from fast_sse.store.kafka.readers import ViewReaders
from fast_sse.store.kafka.sender import Failures, MakeProducer, Sender
from fast_sse.store.kafka.settings import KEY_WINDOW_S, KafkaSettings, check_options, make_producer
from fast_sse.store.kafka.topic import Topic
from fast_sse.store.kafka.topic_reader import SessionBegun, TopicReader
from fast_sse.store.kafka.view import View
from fast_sse.store.letters import LetterBounds
from fast_sse.store.ranges import ranges
from fast_sse.store.relay import Relay
from fast_sse.store.rows.log import SqliteLog

_T = TypeVar("_T")
_log = logging.getLogger(__name__)

#: Keys are remembered as on every store of several nodes.
_WINDOWS = Windows(key_window_s=KEY_WINDOW_S, keys_max=1_000_000)
#: A broker that leads next may have a clock that is behind by this, and judges keys by it, on every node alike.
_CLOCK_LEEWAY_MS = 300_000


class KafkaStore(Store):
    """The log in one topic, with a view of it in `directory`."""

    kind = KIND
    durability = "acks-all"
    erased_stays = True

    def __init__(
        self,
        settings: KafkaSettings,
        directory: Path,
        retention: Retention = Retention(),  # noqa: B008 - frozen
        windows: Windows = _WINDOWS,
        *,
        letters: LetterBounds = LetterBounds(),  # noqa: B008 - frozen
        now_ms: Callable[[], int] | None = None,
        make_topic: Callable[..., Topic] = Topic,
        make_producer: MakeProducer = make_producer,
    ) -> None:
        """`letters`: how many dead letters this node lists. The last three are for tests. `now_ms`: a clock moved by hand; None leaves time to the broker."""
        check_options(settings.options)
        self._settings = settings
        self.where = settings.bootstrap_servers
        self._now_ms = now_ms
        # Who set no age is content with that of the topic.
        letters_s = 0 if letters.max_age_s == LetterBounds().max_age_s else letters.max_age_s
        self._topic = make_topic(settings, retention, broker_time=now_ms is None, letters_s=letters_s)
        self._make_producer = make_producer
        self._view = View(directory / f"view-{settings.node}.db", windows, letters, settings.topic)
        self._readers: ViewReaders | None = None
        self._reader: TopicReader | None = None
        self._sender: Sender | None = None
        self._appends: Appends | None = None
        self._closed = False
        self._origin = Cursor(self.kind, "", 0, NO_FINGERPRINT)
        self._newest = self._trimmed = self._origin
        self._relay = Relay(0)
        self._down: FastSseError | None = None
        self._clock = StoreClock()
        self._clock_heard = False
        #: Entries that could not be read, since the start.
        self.poisoned = 0
        self._letters = KafkaLetters(
            self.append, self._read, lambda: self._sender.bytes_max if self._sender else 0
        )

    # -- life ---------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Find or make the topic and bring the view level with it; after an error it may be tried again."""
        if self._closed or self._reader is not None:
            raise StoreClosedError("the store is open already, or was closed")
        self._loop = asyncio.get_running_loop()
        self._opening: asyncio.Future[None] = self._loop.create_future()
        self._readers = ViewReaders(self._view.path, self._on_damage)
        self._reader = TopicReader(self._settings, self._topic, self._view, self._readers, self)
        self._reader.start()
        try:
            await self._opening
        except BaseException:
            await self._stop()
            raise
        self._appends = Appends(self._look_up, self._send, self._settings.deadline_s)

    async def close(self) -> None:
        """Finish what was appended, end the followers, leave the view as it is."""
        self._closed = True
        if self._appends is not None:
            await self._appends.finish()
        self._appends = None
        self._relay.close()
        await self._stop()

    async def _stop(self) -> None:
        reader, self._reader = self._reader, None
        sender, self._sender = self._sender, None
        readers, self._readers = self._readers, None
        if reader is not None and readers is not None:
            ends = [asyncio.to_thread(reader.stop), asyncio.to_thread(readers.close)]
            if sender is not None:
                ends.append(sender.close())
            await asyncio.gather(*ends)
        await asyncio.to_thread(self._topic.close)

    @property
    def letters(self) -> KafkaLetters:
        """The dead letters: entries of the topic, and this node's view of them."""
        return self._letters

    @property
    def keys_cut(self) -> int:
        """Keys forgotten before their window ended, because there were more than `keys_max`."""
        return self._view.keys_cut

    def samples(self) -> Iterable[Sample]:
        """The view in numbers, beside what every store counts."""
        text = "entries of the log that could not be read: each is a dead letter, and a gap for streams that pass it"
        wal = self._reader.wal.samples() if self._reader is not None else []
        return [*super().samples(), Sample("log_unreadable_total", "counter", text, self.poisoned), *wal]

    # -- what the reader's thread reports ------------------------------------------------------------

    def begun(self, begun: SessionBegun) -> None:
        """See `topic_reader.TopicListener`. On the reader's thread, as the next three."""
        self._call(self._on_begun, begun)

    def group(self, group: FoldedGroup, epoch: str) -> None:
        """See `topic_reader.TopicListener`."""
        self._call(self._on_group, group, epoch)

    def down(self, error: FastSseError) -> None:
        """See `topic_reader.TopicListener`."""
        self._call(self._on_down, error)

    def waits_for(self, token: int) -> bool:
        """See `topic_reader.TopicListener`."""
        appends = self._appends
        return appends is not None and appends.waits_for(token)

    def _call(self, callback: Callable[..., object], *args: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: there is nothing left to notify
            self._loop.call_soon_threadsafe(callback, *args)

    def _on_begun(self, begun: SessionBegun) -> None:
        self._origin = Cursor(self.kind, begun.facts.epoch, 0, NO_FINGERPRINT)
        self._newest, self._trimmed = self._origin.at(*begun.newest), self._origin.at(*begun.trimmed)
        if begun.anew:
            self._relay.restart(begun.newest.position)
            if begun.lost and self._sender is not None:
                self._sender.renew()
        self._relay.heal()
        if self._down is not None:
            _log.info("the log is followed again")
            self._down = None
        if self._sender is None and not self._closed:
            self._sender = Sender(
                self._settings,
                begun.facts.bytes_max,
                self._now_ms,
                self._on_failures,
                self._suspect,
                self._make_producer,
            )
        if not self._opening.done():
            self._opening.set_result(None)

    def _on_group(self, group: FoldedGroup, epoch: str) -> None:
        origin = Cursor(self.kind, epoch, 0, NO_FINGERPRINT)
        self.poisoned += len(group.poisoned)
        if epoch == self._origin.epoch:
            self._advance(group)
        if self._appends is not None:
            self._appends.read_back(with_counts(group, origin), origin)
        if self._reader is not None:
            self._reader.taken()

    def _advance(self, group: FoldedGroup) -> None:
        records = group.records
        if group.fresh or group.answers:  # of what this node waits for it knows that it was written just now
            self._clock.heard(group.time_ms)
            self._clock_heard = True
        if records:
            self._newest = self._origin.at(records[-1].position, records[-1].fingerprint)
        if group.poisoned:
            if group.poisoned[-1] > self._newest.position:
                self._newest = self._origin.at(group.poisoned[-1], NO_FINGERPRINT)
            self._relay.restart(self._newest.position)
        elif records:
            self._relay.push(records)

    def _on_down(self, error: FastSseError) -> None:
        if not self._opening.done():
            self._opening.set_exception(error)
        elif self._down is None:
            _log.error("the topic cannot be read: %s; look at the brokers", error.message)
        self._down = error
        self._relay.fail(error.message)

    def _on_damage(self) -> None:
        if self._reader is not None:
            self._reader.damaged()

    def _suspect(self) -> None:
        if self._reader is not None:
            self._reader.suspect()

    def _on_failures(self, failures: Failures) -> None:
        if self._appends is not None:
            self._appends.give_up(failures)

    # -- writing ------------------------------------------------------------------------------------

    def append(self, drafts: Sequence[Draft]) -> asyncio.Future[list[Outcome]]:
        """Send the drafts to the topic; they are answered as they are read back."""
        if self._appends is None or self._closed:
            return refused_append()
        return self._appends.add(drafts)

    def _send(self, draft: Draft, token: int) -> None:
        if self._down is not None or self._sender is None:
            raise NotStoredError("the log cannot be reached now")
        self._sender.send(draft, token)

    async def _look_up(self, drafts: Sequence[Draft]) -> list[Outcome | None]:
        """What the view knows of keys; nothing when it does not know what time it is in the log."""
        if not (self._clock_heard and drafts):
            return [None] * len(drafts)
        now_ms, origin, floor = self.now_ms(), self._origin, self._view.floor
        return await self._read(lambda log: known_outcomes(log, drafts, now_ms, origin, floor))

    async def trim(self, keep_after: Position | None = None) -> int:  # noqa: ARG002  see below
        """One step after the broker: what it let go goes from the view, and keys past their window or number.

        The broker trims alone, by the topic's retention: `keep_after` keeps nothing.
        """
        readers = self._opened()
        low, now_ms = await self._topic.begin(), self.now_ms() if self._clock_heard else 0
        leeway_ms = 0 if self._now_ms else _CLOCK_LEEWAY_MS

        def step() -> tuple[int, Position, str]:
            # What was let go before it was read here is reported by the next session: going on behind it would be a hole.
            gone = self._view.trim_to(min(low, self._view.read_to))
            gone += self._view.forget_keys(now_ms, leeway_ms)
            mark = self._view.trimmed
            return gone, mark, self._view.print_at(mark) or NO_FINGERPRINT

        gone, mark, fingerprint = await readers.aside(step)
        self._trimmed = self._origin.at(mark, fingerprint)
        if self._newest.position < self._trimmed.position:
            self._newest = self._trimmed
        return gone

    async def erase(self, target: Channel) -> int:
        """Every node's view forgets the channel; its bodies stay in the topic until retention takes them."""
        (outcome,) = await self.append([erasure(target)])
        if not isinstance(outcome, Appended):
            raise outcome
        return int(outcome.answer) if isinstance(outcome, LetterAnswer) else 0

    async def ping(self) -> None:
        """Prove that a write would work without writing: the topic has its leader and its replicas, and we follow it.

        Whatever an append needs is asked, but for the broker's disk; an entry as a probe would be read by every node.
        """
        self._opened()
        if self._down is not None:
            raise NotStoredError(self._down.message)
        if self._sender is not None and self._sender.problem:
            raise NotStoredError(self._sender.problem)
        try:
            await self._topic.check_writable(self._origin.epoch)
        except UnavailableError:
            self._suspect()
            raise

    def now_ms(self) -> int:
        """What time it is by the broker, as far as entries that were just read show."""
        return (self._now_ms or self._clock.now_ms)()

    # -- reading ------------------------------------------------------------------------------------

    async def read(self, wanted: Filter, after: Cursor, records_max: int, bytes_max: int) -> Page:
        """One page of the view; only for a cursor above it the broker is asked whether it is ahead."""
        arms = ranges(wanted)
        try:
            return await self._read(lambda log: page(log, arms, after, records_max, bytes_max))
        except AheadError:
            end = await self._topic.end()
        return await self._read(lambda log: page(log, arms, after, records_max, bytes_max, end=end))

    async def last(self, wanted: Filter, count: int, bytes_max: int = 1 << 20) -> Page:
        """The last matching records of the view."""
        arms = ranges(wanted)
        origin = self._origin
        return await self._read(lambda log: last(log, origin, arms, count, bytes_max))

    async def since(self, time_ms: int) -> Page:
        """By halving the view."""
        return await self._read(lambda log: since(log, time_ms))

    async def get(self, position: Position) -> Record | None:
        """One record of the view, None when there is none."""
        return await self._read(lambda log: log.get(position))

    def follow(self, after: Cursor) -> AsyncIterator[list[Record]]:
        """Groups as they are read from the topic; a slow follower is served by pages of the view."""
        self._opened()
        return self._relay.follow(after, self.read)

    async def bounds(self) -> Bounds:
        """The ends of the view."""
        self._opened()
        return Bounds(self._trimmed, self._newest)

    async def _read(self, work: Callable[[SqliteLog], _T]) -> _T:
        return await self._opened().run(work)

    def _opened(self) -> ViewReaders:
        if self._appends is None or self._readers is None or self._closed:
            raise StoreClosedError("the store is closed")
        return self._readers
