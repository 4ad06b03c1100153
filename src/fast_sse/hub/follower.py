"""The one reader of the log on this node: store.follow() -> tail and live sets.

It is supervised: if the store fails, or a defect shows, it reports that and begins again after the last record it saw.
It takes nothing while the live sets are full; the log holds the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from typing import cast

from fast_sse.hub.fanout import Fanout
from fast_sse.hub.frames import id_texts
from fast_sse.hub.packing import pack_first
from fast_sse.hub.supervised import supervised
from fast_sse.hub.tail import Entry
from fast_sse.model.backoff import Backoff
from fast_sse.model.channel import Channel
from fast_sse.model.cursor import KINDS, Cursor
from fast_sse.model.errors import FastSseError, StoreClosedError, UnavailableError
from fast_sse.model.limits import Limits
from fast_sse.model.message import ERASED, Record
from fast_sse.observe.metrics import Sample
from fast_sse.observe.observer import FollowerRestarted, Observer
from fast_sse.store.base import OvertakenError, Store

#: Records taken in one turn of the loop, when a backlog is there at once: the others want their turn, too.
TURN_RECORDS_MAX = 512


class Follower:
    """Moves `fanout.level` along the log, and hands on which channels were erased."""

    def __init__(
        self,
        store: Store,
        fanout: Fanout,
        limits: Limits,
        observer: Observer,
        *,
        now_ms: Callable[[], int],
        on_erased: Callable[[Channel], None],
        on_taken: Callable[[Sequence[Record]], None] = lambda _records: None,
    ) -> None:
        """`on_taken` gets each group of records once, when all of it is with the live sets."""
        self._store = store
        self._fanout = fanout
        self._limits = limits
        self._observer = observer
        self._now_ms = now_ms
        self._on_erased = on_erased
        self._on_taken = on_taken
        #: Whether the last attempt is still reading.
        self.following = False
        self._records = self._attempts = 0
        #: Where the log ends, as far as the last look could see.
        self._end: Cursor | None = None

    async def run(self) -> None:
        """Follow until the store closes or the task is cancelled."""
        waits = Backoff(self._limits.retry_store_s, self._limits.retry_store_s_max)
        await supervised(
            "follower", self._attempt, self._observer, waits, progress=lambda: self._fanout.level
        )

    async def _attempt(self) -> None:
        self._attempts += 1
        try:
            await self._follow()
        except StoreClosedError:
            raise
        except OvertakenError as error:
            self._observer.notify(FollowerRestarted(f"{error.message}: gap {error.gap.reason}"))
            self._fanout.leap(error.gap.resumed_at, error.gap.reason)
        except UnavailableError as error:
            self._observer.notify(FollowerRestarted(error.message))
        finally:
            self.following = False

    async def _follow(self) -> None:
        groups = cast(AsyncGenerator[list[Record], None], self._store.follow(self._fanout.level))
        taken = 0
        async with aclosing(groups):
            self.following = True
            async for group in groups:
                text, bytes_min = id_texts(self._fanout.level), self._limits.payload_bytes_min
                rest = [Entry(record, text, bytes_min) for record in group]
                while rest:
                    if self._fanout.full:
                        await self._fanout.room()
                    if self._fanout.index.packed:
                        ready = await pack_first(rest, self._shapes)
                        rest = self._take(rest[:ready]) + rest[ready:]
                    else:
                        rest = self._take(rest)
                taken += len(group)
                self._records += len(group)
                self._on_taken(group)
                if taken >= TURN_RECORDS_MAX:
                    taken = 0
                    await asyncio.sleep(0)

    def _shapes(self, entry: Entry) -> set[int]:
        """The shapes in which an entry will be asked for."""
        return {live_set.shape for live_set in self._fanout.index.matching(entry.record.channel)}

    def _take(self, group: list[Entry]) -> list[Entry]:
        """Deliver entries until the live sets are full; the rest of the group."""
        fanout = self._fanout
        now_ms = self._now_ms()
        for taken, entry in enumerate(group, 1):
            record = entry.record
            fanout.deliver(entry, live=record.due(now_ms))
            if record.event == ERASED:
                fanout.erase(record.channel)
                self._on_erased(record.channel)
            if fanout.full and taken < len(group):
                fanout.announce()
                return group[taken:]
        fanout.announce()
        return []

    async def look(self, within_s: float) -> None:
        """Ask the store where its log ends, for the sake of `samples`; what it does not say in time is not known."""
        try:
            async with asyncio.timeout(within_s):
                self._end = (await self._store.bounds()).newest
        except (FastSseError, TimeoutError):
            self._end = None

    def samples(self) -> Iterator[Sample]:
        """How this node follows the log and, where the end of the log is known, how far it is behind."""
        yield Sample("following", "gauge", "1 while this node reads the log.", self.following)
        yield Sample("records_total", "counter", "Records taken from the log.", self._records)
        restarts = max(0, self._attempts - 1)
        yield Sample("follower_restarts_total", "counter", "Times the follower began again.", restarts)
        end, level = self._end, self._fanout.level
        if end is None or end.epoch != level.epoch:
            return
        behind = max(0, end.position - level.position)
        text = "1 when this node has taken all that is in the log."
        yield Sample("follower_level", "gauge", text, not behind)
        if KINDS[end.kind].counts:
            text = "Positions of the log that this node has not taken yet; some may never have been given."
            yield Sample("follower_lag_positions", "gauge", text, behind)
