"""The store contract: one totally ordered log, bytes in, bytes out.

What every store promises (proved by one shared suite and one Hypothesis state machine, `tests/contract`):

- positions strictly increase and may have gaps; once a position is readable nothing smaller ever appears;
- a record's time is never below its predecessor's, whatever the clock does: so a time is a place, found by halving;
- a position is never used twice, not even after losing a tail (where the numbers are the backend's and it gives them
  again, as Kafka after an unclean election, the position with its fingerprint never is);
- an entry that was answered survives reopening (durable stores);
- a cursor below the trim mark, ahead of the newest, inside a lost tail or of another epoch is reported as a
  gap, never skipped silently;
- idempotency keys are resolved in the same step as the append, also between entries of one call, and outlive
  trimming: a known key with the same body is the earlier answer, with another body a KeyConflictError of
  that entry alone; the other keys of a duplicate are remembered for the earlier position;
- after `close` every call raises StoreClosedError.

All methods are called on the event loop's thread and never block it. Backends translate their own errors at
their boundary into `model.errors`.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from fast_sse.model.channel import Channel, Filter
from fast_sse.model.cursor import Cursor, Position
from fast_sse.model.errors import FastSseError, StoreClosedError, UnavailableError
from fast_sse.model.message import Draft, Record
from fast_sse.observe.metrics import Sample
from fast_sse.store.letters import Letters


class OvertakenError(UnavailableError):
    """A follower's place cannot be continued exactly; `gap` says why and from where to follow again.

    It happens to a follower so slow that trimming passed it: going on would be a silent hole (guarantee G6).
    """

    def __init__(self, gap: Gap) -> None:
        super().__init__("the log cannot be continued where this node was")
        self.gap = gap


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """How long the log is kept: by age, by bytes, by count. None means no such bound.

    `clock_patience_s`: how long a step of this machine's wall clock must stand until it is believed, where the time is this
    machine's.
    """

    max_age_s: float | None = 86_400.0
    max_bytes: int | None = 1 << 30
    max_messages: int | None = None
    clock_patience_s: float = 600.0


class Windows(msgspec.Struct, frozen=True, kw_only=True):
    """How long and how many idempotency keys are remembered. Keys outlive trimming."""

    key_window_s: float = 86_400.0
    keys_max: int = 10_000_000


class Appended(msgspec.Struct, frozen=True, gc=False):
    """The answer for one draft: where it is, and whether it was there before."""

    cursor: Cursor
    duplicate: bool = False


class Gap(msgspec.Struct, frozen=True, gc=False):
    """Why a cursor cannot be continued exactly, and the exclusive cursor from which the stream goes on.

    `reason` is one of `trimmed`, `epoch` (goes on from the trim mark), `lost_tail` (from the end of the
    loss), `ahead` (from the newest), `unreadable` (from just past a record that is damaged; a text that is no
    cursor, which no store sees, from the newest).
    """

    reason: str
    resumed_at: Cursor


class Page(msgspec.Struct, frozen=True, gc=False):
    """One page of a read, in log order.

    Attributes:
        records: those that match the filter, ascending.
        start: the exclusive cursor before the first record: where the scan began after any gap.
        through: how far the scan got, matching or not; the next read goes on from here.
        gap: named when `after` could not be continued; `records` then follow `gap.resumed_at`.
    """

    records: list[Record]
    start: Cursor
    through: Cursor
    gap: Gap | None = None


class Bounds(msgspec.Struct, frozen=True, gc=False):
    """The ends of the log: everything up to `trimmed` is gone, `newest` is the last readable place."""

    trimmed: Cursor
    newest: Cursor


Outcome = Appended | FastSseError


@runtime_checkable
class Clocked(Protocol):
    """A store with a time of its own: its server's, or one that no step of the wall clock moves. Lifetimes end by it."""

    def now_ms(self) -> int:
        """The store's time in milliseconds since 1970, as far as this node knows it."""


def refused_append() -> asyncio.Future[list[Outcome]]:
    """What `append` of a closed store returns."""
    future: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
    future.set_exception(StoreClosedError("the store is closed"))
    return future


class Store(ABC):
    """One log. Construct, `open`, use, `close`; a closed store is not opened again."""

    #: Store letter and version, the first part of every cursor's text.
    kind: str
    #: What a 2xx means with this store; repeated by the API.
    durability: str
    #: Whether what was erased lies on in the backend until retention takes it, although no node reads it any more.
    erased_stays: bool = False
    #: Where its server is, without credentials, for the lines of the log; empty where there is none. No client is told.
    where: str = ""

    @property
    def damaged(self) -> bool:
        """Whether part of the log was found unreadable since the start: publishes and what can be read go on."""
        return False

    @property
    @abstractmethod
    def letters(self) -> Letters:
        """The dead letters, opened and closed with the store."""

    @property
    @abstractmethod
    def keys_cut(self) -> int:
        """Idempotency keys forgotten before their window ended, because there were more than `Windows.keys_max`."""

    def samples(self) -> Iterable[Sample]:
        """The store in numbers, of this moment; a store that counts more adds to these."""
        text = "Idempotency keys forgotten before their window ended, because there were too many."
        return [Sample("keys_cut_total", "counter", text, self.keys_cut)]

    @abstractmethod
    async def open(self) -> None:
        """Make the store ready.

        Raises:
            ConfigError: it can never work as configured (unwritable directory, newer schema, second process).
            UnavailableError: it may work later (backend down); the caller retries with back-off.
            StoreClosedError: it is open already, or was closed.
        """

    @abstractmethod
    async def close(self) -> None:
        """Finish what was appended, release everything. Idempotent."""

    @abstractmethod
    def append(self, drafts: Sequence[Draft]) -> asyncio.Future[list[Outcome]]:
        """Store drafts in order; the future resolves once they are durable at the named level, entry by entry.

        A key conflict fails its entry alone. An error of the whole group (disk full, lost backend) is the
        same error for each entry (DiskFullError, NotStoredError: certainly not stored; UnknownOutcomeError: it
        may be). The future itself fails only with StoreClosedError.
        """

    @abstractmethod
    async def read(self, wanted: Filter, after: Cursor, records_max: int, bytes_max: int) -> Page:
        """One page of matching records after a cursor; checks the cursor in the same snapshot; never waits for new ones.

        At least one record is returned when one matches, however large. Expired records are included: the
        hub judges them. Raises UnavailableError.
        """

    @abstractmethod
    async def last(self, wanted: Filter, count: int, bytes_max: int = 1 << 20) -> Page:
        """The last `count` matching records, in log order; `start` is just before the first of them (newest when none).

        One page of them: when they weigh more than `bytes_max`, the rest follows by `read` from `through`.
        """

    @abstractmethod
    async def since(self, time_ms: int) -> Page:
        """Where the records begin that the store took at `time_ms` (milliseconds since 1970, store time) or later.

        A page without records. `start` and `through` are the exclusive cursor just before the first retained record of
        that time or later (newest when there is none, so a time in the future is now). Where retention took a record
        of that time or later, `gap` is `trimmed` and both are the trim mark; when the trim mark's time is not known (a log of an
        earlier version), it counts as that of the first record that is retained. A place in the log, whatever the
        channel: found by an index or by halving, never by a scan. Raises UnavailableError.
        """

    @abstractmethod
    async def get(self, position: Position) -> Record | None:
        """The record at a position, None when there is none (never stored, or trimmed)."""

    @abstractmethod
    def follow(self, after: Cursor) -> AsyncIterator[list[Record]]:
        """Every record of the log after a cursor of `bounds()`, in order, in groups, once committed; never ends by itself.

        Holds a bounded part of the log in memory: a follower that is slow is served from the store.
        Raises StoreClosedError on close, OvertakenError when trimming passed it (follow again from its
        `gap.resumed_at`), UnavailableError when the backend fails (follow again from the last record seen).
        """

    @abstractmethod
    async def bounds(self) -> Bounds:
        """The ends of the log, asked now."""

    @abstractmethod
    async def trim(self, keep_after: Position | None = None) -> int:
        """Remove one small step of what retention no longer covers, and return how many entries went (0: nothing to do).

        Entries are records and idempotency keys past their window or their count. No record after `keep_after` goes, if it is
        given: those may still become dead letters.
        """

    @abstractmethod
    async def erase(self, target: Channel) -> int:
        """Remove what was published to exactly this channel so far, and return how many entries went.

        First the control record (`model.message.erasure`) enters the log, so that every node that follows it
        forgets them too; then they go in small steps, overwritten where the store can. It matches no filter but
        the whole log, and the hub delivers it to no subscriber. Idempotency keys stay. Raises UnavailableError; asking
        again goes on.
        """

    @abstractmethod
    async def ping(self) -> None:
        """Prove that a write would work, with a probe in its own row. Raises UnavailableError."""
