"""The memory store: the whole contract in this process and nowhere else.

For tests and demonstrations. It is a verified fake: the suite that proves the durable stores proves it too,
so what is tested on it holds on them. A 2xx means "in this process".
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from heapq import heappop, heappush

from fast_sse.model.channel import Channel, Filter
from fast_sse.model.cursor import Cursor, Position, epoch_text
from fast_sse.model.errors import KeyConflictError, StoreClosedError
from fast_sse.model.message import Draft, Record, erasure
from fast_sse.store.base import (
    Appended,
    Bounds,
    Gap,
    Outcome,
    Page,
    Retention,
    Store,
    Windows,
    refused_append,
)
from fast_sse.store.dedup import Known, resolve, to_remember
from fast_sse.store.judge import Ends, judge
from fast_sse.store.letters import LetterBounds
from fast_sse.store.memory.letters import MemoryLetters
from fast_sse.store.memory.log import MemoryLog
from fast_sse.store.pace import ByHand, Instant, Pace, Paced, Steps
from fast_sse.store.ranges import ranges
from fast_sse.store.record import record_of, weight
from fast_sse.store.relay import Relay

#: Entries of one trim step.
_STEP = 500
#: Records of one group for followers, so that one turn of the loop is not all theirs.
_GROUP = 256
_RETENTION = Retention(max_bytes=256 << 20)


class MemoryStore(Store):
    """The log as objects of this process; gone with it."""

    kind = "m1"
    durability = "process"

    def __init__(
        self,
        retention: Retention = _RETENTION,
        windows: Windows = Windows(),  # noqa: B008 - frozen
        *,
        now_ms: Callable[[], int] | None = None,
        epoch: str | None = None,
        letters: LetterBounds = LetterBounds(),  # noqa: B008 - frozen
    ) -> None:
        """`now_ms`: a clock moved by hand, for tests. `letters`: how many dead letters are kept."""
        self._retention = retention
        self._windows = windows
        self._pace: Paced = ByHand(now_ms) if now_ms else Pace(retention.clock_patience_s)
        self._steps = Steps()
        self._origin = Cursor(self.kind, epoch or epoch_text(secrets.randbits(64)), 0)
        self._log = MemoryLog()
        self._letters = MemoryLetters(
            self._origin, letters, self._log.get, lambda: self._log.newest, self._pace.read
        )
        self._keys: dict[bytes, Known] = {}
        self._expiries: list[tuple[int, bytes]] = []
        self._relay = Relay(0)
        self._fresh: list[Record] = []
        #: That of `open`, None while closed: asking for the running one is a system call (getpid) in CPython 3.11.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._keys_cut = 0

    @property
    def letters(self) -> MemoryLetters:
        """The dead letters, as volatile as their messages."""
        return self._letters

    @property
    def keys_cut(self) -> int:
        """Keys forgotten before their window ended."""
        return self._keys_cut

    def now_ms(self) -> int:
        """What time it is in the log: no step of the wall clock moves it until it is believed."""
        return self._pace.read().time_ms

    async def open(self) -> None:
        """Nothing to make ready but the dead letters: the log is already here."""
        if self._closed or self._loop is not None:
            raise StoreClosedError("the store is open already, or was closed")
        self._loop = asyncio.get_running_loop()
        self._letters.open()

    async def close(self) -> None:
        """End the followers; what was appended goes with the object."""
        self._closed, self._loop = True, None
        self._letters.close()
        self._hand_on()
        self._relay.close()

    def append(self, drafts: Sequence[Draft]) -> asyncio.Future[list[Outcome]]:
        """Store drafts at once: the future is done when it is returned."""
        if (loop := self._loop) is None:
            return refused_append()
        future: asyncio.Future[list[Outcome]] = loop.create_future()
        now, fresh = self._pace.read(), self._fresh
        if not fresh:
            loop.call_soon(self._hand_on)
        future.set_result([self._append(draft, now, fresh) for draft in drafts])
        if len(fresh) >= _GROUP:
            self._hand_on()
        return future

    async def read(self, wanted: Filter, after: Cursor, records_max: int, bytes_max: int) -> Page:
        """One page; the snapshot is the turn of the loop."""
        self._check_open()
        gap = judge(after, self._origin, self._ends())
        start = gap.resumed_at.position if gap else after.position
        return self._page(wanted, start, records_max, bytes_max, gap)

    async def last(self, wanted: Filter, count: int, bytes_max: int = 1 << 20) -> Page:
        """The last matching records, found from the end."""
        self._check_open()
        first = self._log.nth_from_end(ranges(wanted), count)
        start = self._log.newest if first is None else first - 1
        return self._page(wanted, start, count, bytes_max)

    async def since(self, time_ms: int) -> Page:
        """By halving the list of all positions."""
        self._check_open()
        if self._log.trimmed and time_ms <= self._log.trimmed_ms:
            mark = self._origin.at(self._log.trimmed)
            return Page([], mark, mark, Gap("trimmed", mark))
        first = self._log.first_since(time_ms)
        start = self._origin.at(self._log.newest if first is None else first - 1)
        return Page([], start, start)

    async def get(self, position: Position) -> Record | None:
        """One record, None when there is none."""
        self._check_open()
        return self._log.get(position)

    def follow(self, after: Cursor) -> AsyncIterator[list[Record]]:
        """Groups as they are appended; a slow follower is served by pages."""
        self._check_open()
        return self._relay.follow(after, self.read)

    async def bounds(self) -> Bounds:
        """The ends of the log."""
        self._check_open()
        return Bounds(self._origin.at(self._log.trimmed), self._origin.at(self._log.newest))

    async def trim(self, keep_after: Position | None = None) -> int:
        """One step of at most 500 records and 500 keys."""
        self._check_open()
        paced_ms = self._pace.read().paced_ms
        return self._trim_records(paced_ms, keep_after) + self._trim_keys(paced_ms)

    async def erase(self, target: Channel) -> int:
        """All in one turn of the loop."""
        self._check_open()
        (outcome,) = await self.append([erasure(target)])
        assert isinstance(outcome, Appended)
        return self._log.erase(target, outcome.cursor.position)

    async def ping(self) -> None:
        """An open memory store can always write."""
        self._check_open()

    def _check_open(self) -> None:
        if self._loop is None:
            raise StoreClosedError("the store is closed")

    def _ends(self) -> Ends:
        return Ends(self._log.trimmed, self._log.newest)

    def _hand_on(self) -> None:
        """Everything of one turn of the loop is one group: followers wake once for it."""
        if self._fresh:
            group, self._fresh = self._fresh, []
            self._relay.push(group)

    def _append(self, draft: Draft, now: Instant, fresh: list[Record]) -> Outcome:
        earlier = resolve(draft, self._keys.get, now.paced_ms) if draft.keys else None
        if isinstance(earlier, KeyConflictError):
            return earlier
        position = earlier.position if earlier else self._log.newest + 1
        if earlier is None:
            record = record_of(draft, position, now.time_ms, last_ms=self._log.newest_ms)
            self._steps.note(position, record.time_ms, now.paced_ms)
            self._log.add(record)
            fresh.append(record)
        if draft.keys:
            window_ms = int(self._windows.key_window_s * 1000)
            for digest, known in to_remember(draft, position, self._keys.get, now.paced_ms, window_ms):
                self._keys[digest] = known
                heappush(self._expiries, (known.expires_ms, digest))
        return Appended(self._origin.at(position), duplicate=earlier is not None)

    def _page(
        self, wanted: Filter, start: Position, records_max: int, bytes_max: int, gap: Gap | None = None
    ) -> Page:
        records: list[Record] = []
        room = bytes_max
        through = self._log.newest
        for record in self._log.after(ranges(wanted), start):
            size = weight(record)
            if records and room < size:
                through = records[-1].position
                break
            records.append(record)
            room -= size
            if len(records) == records_max:
                through = record.position
                break
        at = self._origin.at
        return Page(records, at(start), at(max(start, through)), gap)

    def _trim_records(self, paced_ms: int, keep_after: Position | None) -> int:
        kept = self._retention
        gone = 0
        while gone < _STEP and (oldest := self._log.oldest()) is not None:
            from_ms = self._steps.paced_ms(oldest.position, oldest.time_ms)
            too_old = kept.max_age_s is not None and from_ms < paced_ms - kept.max_age_s * 1000
            too_big = kept.max_bytes is not None and self._log.weight > kept.max_bytes
            too_many = kept.max_messages is not None and len(self._log) > kept.max_messages
            if not (too_old or too_big or too_many) or (
                keep_after is not None and oldest.position > keep_after
            ):
                break
            self._log.drop(oldest)
            gone += 1
        return gone

    def _trim_keys(self, paced_ms: int) -> int:
        gone = 0
        while self._expiries and gone < _STEP:
            expires_ms, digest = self._expiries[0]
            cut = len(self._keys) > self._windows.keys_max
            if expires_ms > paced_ms and not cut:
                break
            heappop(self._expiries)
            known = self._keys.get(digest)
            if known is None or known.expires_ms != expires_ms:
                continue  # it was renewed after its window: its later entry in the heap stands for it
            del self._keys[digest]
            self._keys_cut += expires_ms > paced_ms
            gone += 1
        return gone
