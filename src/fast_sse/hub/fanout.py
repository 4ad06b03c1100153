"""The index of live sets and the tick: from one record to every stream that asked for it.

Matching is by dictionary. An exact record looks up its four patterns `(id,type) (id,*) (*,type) (*,*)`, with the
lists registered under them; a wildcard record goes to the index by id, by type, or to all.

All frames pending for a live set become one bytes object and one write per member. While flushing is the
bottleneck the next flush waits as long as the last one took, at most 5 ms, so that publishing gets its share of
the loop and frames join up; when idle it does not wait at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator

from fast_sse.hub.form import Form
from fast_sse.hub.live_set import LiveSet
from fast_sse.hub.tail import Entry, Tail
from fast_sse.model.channel import WILDCARD, Channel, Filter
from fast_sse.model.cursor import Cursor, Position
from fast_sse.model.limits import Limits
from fast_sse.model.message import Record


class Fanout:
    """All live sets of this node, and the follower's place in the log."""

    def __init__(self, limits: Limits, loop: asyncio.AbstractEventLoop) -> None:
        self.limits = limits
        self.tail = Tail(limits)
        self._loop = loop
        self._clock: Callable[[], float] = loop.time
        self._sets: dict[tuple[Filter, Form], LiveSet] = {}
        self._by_pattern: dict[Channel, list[LiveSet]] = {}
        self._by_id: dict[str, dict[Channel, None]] = {}
        self._by_type: dict[str, dict[Channel, None]] = {}
        self._dirty: list[LiveSet] = []
        self._pending_bytes = 0
        self._room = asyncio.Event()
        self._room.set()
        self._ticking = False
        self._not_before_s = 0.0
        #: The level: made of the log (any cursor of it) and the last record when somebody asks.
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

    def start_at(self, cursor: Cursor) -> None:
        """Begin (again) at a place of the log."""
        self._level = self._log = cursor
        self.tail.reset(cursor)
        for future in self._waiting:  # what they wait for may never come: they look again
            if not future.done():
                future.set_result(None)

    def leap(self, cursor: Cursor) -> None:
        """Go on elsewhere when the log cannot be continued from `level`: every member reads the store from its own
        cursor again, and is told there what it missed.
        """
        unseated = [one for live_set in self.sets for one in (*live_set.members, *live_set.joiners)]
        for subscriber in unseated:
            subscriber.unseat()
        self.start_at(cursor)
        for subscriber in unseated:
            subscriber.catch_up()

    def deliver(self, entry: Entry, *, live: bool = True) -> None:
        """Take the next record of the log: into the tail and, unless it expired, to every live set that matches."""
        matching = self._matching(entry.record.channel) if live and self._sets else ()
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
    def pending_bytes(self) -> int:
        """Bytes of frames that wait for their flush, over all live sets."""
        return self._pending_bytes

    @property
    def full(self) -> bool:
        """Whether so much waits for its flush that the follower should take nothing more."""
        return self._pending_bytes >= self.limits.pending_bytes_max

    async def room(self) -> None:
        """Wait until the live sets can take more; meanwhile the log holds the rest."""
        await self._room.wait()

    def _matching(self, record: Channel) -> Iterable[LiveSet]:
        event_id, event_type = record
        if event_id == WILDCARD:
            if event_type == WILDCARD:
                return list(self._sets.values())
            return self._registered(self._by_type, event_type)
        if event_type == WILDCARD:
            return self._registered(self._by_id, event_id)
        get = self._by_pattern.get
        found = get(record)
        for pattern in ((event_id, WILDCARD), (WILDCARD, event_type), (WILDCARD, WILDCARD)):
            more = get(pattern)  # type: ignore[call-overload]  # a plain tuple hashes and compares as a Channel
            if more:
                found = found + more if found else more
        return found or ()

    def _registered(self, index: dict[str, dict[Channel, None]], segment: str) -> Iterator[LiveSet]:
        for name in (segment, WILDCARD):
            for pattern in index.get(name, ()):
                yield from self._by_pattern[pattern]

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
        self._not_before_s = ended + min(ended - started, self.limits.coalesce_ms_max / 1000)
        if not self.full:
            self._room.set()
        if self._dirty and not self._ticking:
            self._schedule()

    def _flush(self, live_set: LiveSet, now_s: float) -> None:
        if not live_set.pending:
            return  # deserted since it became dirty
        waiting = live_set.pending_bytes
        try:
            self.deliveries += live_set.flush(self.limits.flush_bytes_max, now_s)
        finally:
            self._pending_bytes -= waiting - live_set.pending_bytes
        self.flushes += 1
        if live_set.pending:
            self._dirty.append(live_set)
        live_set.held = True  # a joiner that fails must not desert the set that the next one joins
        if live_set.fallen:
            self.settle(live_set)
        joiners, live_set.joiners = live_set.joiners, []
        for joiner in joiners:
            joiner.flushed(live_set)
        live_set.held = False
        self.discard_if_deserted(live_set)

    def _give_up(self, live_set: LiveSet, error: Exception) -> None:
        """Everybody of a set that could not be flushed is cut, loudly, and resumes from the log."""
        live_set.held = live_set.flushing = False
        for subscriber in (*live_set.members, *live_set.joiners):
            subscriber.streams.give_up(subscriber, error)
        self.discard_if_deserted(live_set)

    def settle(self, live_set: LiveSet) -> None:
        """After a write to all: take out those who paused in it; their cursor is where the set stands now."""
        for member in live_set.take_fallen():
            member.fall_behind()

    # -- the subscribers' side ----------------------------------------------------------------------

    @property
    def sets(self) -> Iterable[LiveSet]:
        """All live sets, as a snapshot."""
        return list(self._sets.values())

    def level_of(self, live_set: LiveSet) -> Cursor:
        """Where the members of a set stand."""
        return live_set.level if live_set.pending else self.level

    def live_set(self, wanted: Filter, form: Form) -> LiveSet:
        """The set of this filter and form, made and registered when it is the first."""
        live_set = self._sets.get((wanted, form))
        if live_set is None:
            live_set = LiveSet(wanted, form, self.level, self._clock())
            self._sets[wanted, form] = live_set
            for pattern in wanted.patterns:
                self._by_pattern.setdefault(pattern, []).append(live_set)
                self._by_id.setdefault(pattern.event_id, {})[pattern] = None
                self._by_type.setdefault(pattern.event_type, {})[pattern] = None
        return live_set

    def discard_if_deserted(self, live_set: LiveSet) -> None:
        """Forget a set that nobody is in or about to join; what was pending for it is nobody's."""
        key = (live_set.filter, live_set.form)
        if not live_set.deserted or live_set.flushing or live_set.held or self._sets.get(key) is not live_set:
            return
        del self._sets[key]
        for pattern in live_set.filter.patterns:
            registered = self._by_pattern[pattern]
            registered.remove(live_set)
            if not registered:
                del self._by_pattern[pattern]
                _forget(self._by_id, pattern.event_id, pattern)
                _forget(self._by_type, pattern.event_type, pattern)
        if live_set.pending:
            self._pending_bytes -= live_set.pending_bytes
            live_set.pending = []
            live_set.pending_bytes = 0
            if not self.full:
                self._room.set()


def _forget(index: dict[str, dict[Channel, None]], segment: str, pattern: Channel) -> None:
    del index[segment][pattern]
    if not index[segment]:
        del index[segment]
