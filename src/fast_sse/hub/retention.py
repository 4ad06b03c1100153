"""Retention: the log is trimmed in small steps, and no step makes a false gap (guarantee G6).

A quiet channel's clients hold an old id. Before a step could pass it, each quiet live set whose last id is older than the
middle of the retained log, or an hour old, is sent one position block with the follower's cursor: its members' next
Last-Event-ID then lies inside the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence

from fast_sse.hub.fanout import Fanout
from fast_sse.hub.live_set import LiveSet
from fast_sse.hub.supervised import supervised
from fast_sse.model.backoff import Backoff
from fast_sse.model.cursor import Position
from fast_sse.model.errors import StoreClosedError, UnavailableError
from fast_sse.model.limits import Limits
from fast_sse.observe.metrics import Sample
from fast_sse.observe.observer import Observer, Trimmed, TrimmingFailed
from fast_sse.store.base import Store

#: Quiet live sets that are looked at in one turn of the loop.
_SLICE = 256


class Trimmer:
    """Trims the store of this node, and keeps the ids of quiet streams ahead of that."""

    def __init__(
        self,
        store: Store,
        fanout: Fanout,
        limits: Limits,
        observer: Observer,
        clock: Callable[[], float],
        keep_after: Callable[[], Position | None],
    ) -> None:
        """`keep_after`: a place after which nothing is to be trimmed yet, if there is one."""
        self._store = store
        self._fanout = fanout
        self._limits = limits
        self._observer = observer
        self._clock = clock
        self._keep_after = keep_after
        self._trimmed = 0

    async def run(self) -> None:
        """Trim at each interval until the store closes or the task is cancelled."""
        interval_s = self._limits.trim_interval_s
        await asyncio.sleep(interval_s)
        await supervised("trimmer", self._attempt, self._observer, Backoff(interval_s, interval_s))

    async def _attempt(self) -> None:
        try:
            await self._trim()
        except StoreClosedError:
            raise
        except UnavailableError as error:
            self._observer.notify(TrimmingFailed(error.message))

    async def _trim(self) -> None:
        """Step by step as far as retention says; before and, where it matters, between steps, quiet ids move on."""
        safe = await self._advance_quiet()
        while entries := await self._store.trim(self._keep_after()):
            self._trimmed += entries
            self._observer.notify(Trimmed(entries))
            trimmed = (await self._store.bounds()).trimmed.position
            self._fanout.tail.trim_to(trimmed)
            if trimmed + self._limits.trim_records_max >= safe:  # the next step may reach it
                safe = await self._advance_quiet()
            await asyncio.sleep(0)

    async def _advance_quiet(self) -> Position:
        """One pass over all live sets, in slices; no id of theirs is below the returned position afterwards."""
        bounds = await self._store.bounds()
        trimmed, newest = bounds.trimmed.position, bounds.newest.position
        # Of a short log, one trim step may take more than half.
        short = newest - trimmed <= 2 * self._limits.trim_records_max
        middle = newest if short else (trimmed + newest) // 2
        if bounds.newest.epoch != self._fanout.level.epoch:
            return middle  # the follower is about to notice, and each stream gets a gap
        live_sets = self._fanout.sets
        for first in range(0, len(live_sets), _SLICE):
            self._advance(live_sets[first : first + _SLICE], middle)
            await asyncio.sleep(0)
        return middle

    def _advance(self, live_sets: Sequence[LiveSet], middle: Position) -> None:
        """Send a position block to every quiet one whose last id is about to grow too old."""
        fanout, now_s = self._fanout, self._clock()
        level = fanout.level
        for live_set in live_sets:
            sent = live_set.sent.position
            if live_set.pending or sent >= level.position or not live_set.form.tells_positions:
                continue
            if sent <= middle or now_s - live_set.advanced_s >= self._limits.quiet_id_s:
                live_set.tell_position(level, now_s)
                fanout.settle(live_set)
                fanout.discard_if_deserted(live_set)

    def samples(self) -> Iterator[Sample]:
        """What retention did."""
        yield Sample("trimmed_total", "counter", "Entries that retention removed.", self._trimmed)
