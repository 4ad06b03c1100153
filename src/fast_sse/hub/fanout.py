"""From one record to every stream that asked for it: delivery, the tick, and the follower's back-pressure.

All frames pending for a live set become one bytes object and one write per member. While flushing is the
bottleneck the next flush waits as long as the last one took, at most 5 ms, so that publishing gets its share of
the loop and frames join up; when idle it does not wait at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence

from fast_sse.hub.coder import Compression
from fast_sse.hub.form import Form
from fast_sse.hub.handover import Handover
from fast_sse.hub.index import Index
from fast_sse.hub.live_set import LiveSet, Member
from fast_sse.hub.tail import Entry, Tail
from fast_sse.model.channel import Channel, Filter
from fast_sse.model.cursor import Cursor, Position
from fast_sse.model.limits import Limits
from fast_sse.model.message import Record
from fast_sse.observe.metrics import Sample, counted


class Fanout:
    """The live sets of this node, and the follower's place in the log."""

    def __init__(self, limits: Limits, loop: asyncio.AbstractEventLoop) -> None:
        self.tail = Tail(limits)
        self.handover = Handover(self.tail, loop.time)
        self.index = Index()
        self.compression = Compression(limits)
        self._limits = limits
        self._loop = loop
        self._clock: Callable[[], float] = loop.time
        self._dirty: list[LiveSet] = []
        self._pending_bytes = 0
        self._room = asyncio.Event()
        self._room.set()
        self._ticking = False
        self._not_before_s = 0.0
        #: `level` is built lazily from `_log` (any cursor of the log) and `_last`.
        self._level: Cursor | None = None
        self._log: Cursor | None = None
        self._last: Record | None = None
        self._waiting: dict[asyncio.Future[None], Position] = {}
        #: Counted since the start.
        self.flushes = self.deliveries = 0

    # -- the follower's side ------------------------------------------------------------------------

    @property
    def level(self) -> Cursor:
        """The follower's cursor: the last record this node has taken from the log."""
        if self._level is None:
            assert self._log is not None, "the follower has not started"
            assert self._last is not None
            self._level = self._log.at(self._last.position, self._last.fingerprint)
        return self._level

    def start_at(self, cursor: Cursor, reason: str = "") -> None:
        """Begin (again) at a place of the log. `reason`: why the log is not continued, as a gap names it."""
        self.handover.sweep_all()
        self.handover.start_at(cursor, reason)
        self._level = self._log = cursor
        self.tail.reset(cursor)
        for future in self._waiting:  # what they wait for may never come: they look again
            if not future.done():
                future.set_result(None)

    def leap(self, cursor: Cursor, reason: str = "") -> None:
        """Go on elsewhere when the log cannot be continued from `level`: every member reads the store from its own
        cursor again, which names there what it missed.
        """
        unseated = [one for live_set in self.sets for one in (*live_set.members, *live_set.joiners)]
        for member in unseated:
            member.unseat()
        self.start_at(cursor, reason)
        for member in unseated:
            member.catch_up()

    def erase(self, target: Channel) -> None:
        """Forget what was published to exactly this channel."""
        self.handover.erase(target)
        self.tail.erase(target)
        self.compression.pages.forget()

    def deliver(self, entry: Entry, *, live: bool = True) -> None:
        """Take the next record of the log: into the tail and, unless it expired, to every live set that matches."""
        index = self.index
        matching = index.matching(entry.record.channel) if live and index.sets else ()
        if not matching:
            self._pass(entry)
            return
        before = self.level
        self._pass(entry)
        for live_set in matching:
            self._queue(live_set, entry, before)

    def _pass(self, entry: Entry) -> None:
        self.tail.append(entry)
        self._last, self._level = entry.record, None

    def _queue(self, live_set: LiveSet, entry: Entry, before: Cursor) -> None:
        if not live_set.pending:
            live_set.level = before
            self._dirty.append(live_set)
        elif live_set.pending[-1] is entry:
            return  # a list filter reached through two of its patterns
        self._pending_bytes += live_set.queue(entry)
        if self.full:
            self._room.clear()
        if not self._ticking:
            self._schedule()

    def announce(self) -> None:
        """After a group of records: wake those who waited for the follower to come this far."""
        if not self._waiting:
            return
        reached = self.level.position
        for future, position in self._waiting.items():
            if position <= reached and not future.done():
                future.set_result(None)

    async def reached(self, position: Position) -> None:
        """Wait until the follower has taken everything through a position that the store already shows, or starts anew."""
        if position > self.level.position:
            future = self._loop.create_future()
            self._waiting[future] = position
            try:
                await future
            finally:
                del self._waiting[future]

    @property
    def full(self) -> bool:
        """Whether so much waits for its flush that the follower should take nothing more."""
        return self._pending_bytes >= self._limits.pending_bytes_max

    async def room(self) -> None:
        """Wait until the live sets can take more; meanwhile the log holds the rest."""
        await self._room.wait()

    # -- the tick -----------------------------------------------------------------------------------

    def _schedule(self) -> None:
        self._ticking = True
        wait_s = self._not_before_s - self._clock()
        if wait_s <= 0:
            self._loop.call_soon(self._tick)
        else:
            self._loop.call_later(wait_s, self._tick)

    def _tick(self) -> None:
        started = self._clock()
        dirty, self._dirty = self._dirty, []
        self._ticking = False
        for live_set in dirty:
            try:
                self._flush(live_set, started)
            except Exception as error:  # noqa: BLE001  a defect in one set must not stop the others for ever
                self._give_up(live_set, error)
        ended = self._clock()
        self._not_before_s = ended + min(ended - started, self._limits.coalesce_ms_max / 1000)
        if not self.full:
            self._room.set()
        if self._dirty and not self._ticking:
            self._schedule()

    def _flush(self, live_set: LiveSet, now_s: float) -> None:
        if not live_set.pending:
            return  # deserted since it became dirty
        waiting = live_set.pending_bytes
        try:
            entries, sockets = live_set.flush(self._limits.flush_bytes_max, now_s)
        finally:
            self._pending_bytes -= waiting - live_set.pending_bytes
        self.flushes += 1
        if sockets:
            self.deliveries += len(entries) * sockets
            self.handover.flushed(entries, sockets)
        if live_set.pending:
            self._dirty.append(live_set)
        live_set.held = True  # a joiner that fails must not desert the set that the next one joins
        if live_set.fallen:
            self.settle(live_set)
        joiners, live_set.joiners = live_set.joiners, []
        for joiner in joiners:
            try:
                joiner.flushed(live_set)
            except Exception as error:  # noqa: BLE001  it must not stand still in silence, nor keep the next from joining
                joiner.give_up(error)
        live_set.held = False
        self.discard_if_deserted(live_set)

    def _give_up(self, live_set: LiveSet, error: Exception) -> None:
        """All streams of a set that could not be flushed are cut, loudly, and resume from the log."""
        live_set.held = live_set.flushing = False
        for member in (*live_set.members, *live_set.joiners):
            member.give_up(error)
        self.discard_if_deserted(live_set)

    def settle(self, live_set: LiveSet) -> None:
        """After a write to all: take out those who paused in it; their cursor is where the set stands now."""
        for member in live_set.take_fallen():
            member.fall_behind()

    def beat(self, live_set: LiveSet, member: Member, now_s: float) -> bool:
        """A visit of the wheel to a member. Whether its heartbeat is that of its live set, and not its own."""
        shared = live_set.beat(member, now_s)
        if live_set.fallen:
            self.settle(live_set)
        return shared

    # -- the subscribers' side ----------------------------------------------------------------------

    @property
    def sets(self) -> Sequence[LiveSet]:
        """All live sets, as a snapshot."""
        return list(self.index.sets.values())

    def level_of(self, live_set: LiveSet) -> Cursor:
        """Where the members of a set stand."""
        return live_set.level if live_set.pending else self.level

    def live_set(self, wanted: Filter, form: Form) -> LiveSet:
        """The set of this filter and form, made and registered when it is the first."""
        live_set = self.index.sets.get((wanted, form))
        if live_set is None:
            coder = self.compression.coder(wanted, form)
            live_set = LiveSet(wanted, form, self.level, self._clock(), coder)
            self.index.add(live_set)
        return live_set

    def discard_if_deserted(self, live_set: LiveSet) -> None:
        """Forget a set without members and joiners, and what was pending for it."""
        if not live_set.deserted or live_set.flushing or live_set.held:
            return
        if self.index.sets.get((live_set.filter, live_set.form)) is not live_set:
            return  # forgotten before
        self.index.remove(live_set)
        live_set.close()
        if live_set.pending:
            self._pending_bytes -= live_set.pending_bytes
            live_set.pending = []
            live_set.pending_bytes = 0
            if not self.full:
                self._room.set()

    def samples(self) -> Iterator[Sample]:
        """The way from the log to the sockets."""
        yield Sample("live_sets", "gauge", "Filters that somebody listens to.", len(self.index.sets))
        text = "Joined writes, one for each live set and tick."
        yield Sample("flushes_total", "counter", text, self.flushes)
        text = "Records times streams, handed to live sockets."
        yield Sample("deliveries_total", "counter", text, self.deliveries)
        yield from self.compression.samples()
        yield Sample("pending_bytes", "gauge", "Frames that wait for a flush.", self._pending_bytes)
        text = "Records times sockets that were written, live or by a catch-up."
        yield from counted("written_total", text, "how", self.handover.written)
        yield Sample("tail_records", "gauge", "Recent records kept in memory.", len(self.tail))
        yield Sample("tail_bytes", "gauge", "Bytes of the recent records in memory.", self.tail.size_bytes)
