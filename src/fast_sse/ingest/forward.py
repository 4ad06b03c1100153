"""From a queue into the hub, in the queue's order: each entry is published until it is stored, or is kept as poison.

    503, 504, 507, overloaded      again with the same keys, after a wait that doubles; nothing behind it goes first
    4xx                            poison, a dead letter: it would fail tomorrow, too
    500, from the package          poison: our defect, reported as one, and it must not hold up the queue

While poison cannot be kept its queue waits, as for a message that cannot be stored.

Order survives the unknown. An attempt that was given up as unknown may still reach the store while the next one is
under way, but each of them is in the queue's order and each entry is stored at its first arrival, so that whatever
way they interleave, an entry never arrives for the first time behind one that follows it in the queue. The same
holds for two nodes that publish the same entries, as when one wakes up that was taken for dead.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Sequence
from typing import NamedTuple

from fast_sse.hub.hub import Hub
from fast_sse.ingest.figures import Figures
from fast_sse.ingest.package import Packages, QueueEntry
from fast_sse.ingest.poison import Quarantine
from fast_sse.model.backoff import Backoff
from fast_sse.model.errors import (
    ClientFaultError,
    DefectError,
    FastSseError,
    StoreClosedError,
    UnavailableError,
)
from fast_sse.model.message import Draft
from fast_sse.observe.observer import DefectSeen, Observer
from fast_sse.store.base import Appended

#: Bytes of packages that are parsed before the loop gets a turn.
_TURN_BYTES = 256 * 1024
#: Poison that is given to the store at once.
_KEPT_AT_ONCE = 16


class PoisonEntry(NamedTuple):
    """An entry that cannot become a message, and why."""

    entry: QueueEntry
    error: FastSseError


class Forwarder:
    """Publishes the entries of one queue.

    Args:
        hub: takes the drafts.
        packages: makes them.
        quarantine: keeps what cannot be one.
        figures: counts.
        observer: hears of defects.
        on_held_up: called with the error each time the hub did not store.
        may_publish: raises when this node may not publish any more, or keep; asked before each attempt.
    """

    def __init__(
        self,
        hub: Hub,
        packages: Packages,
        quarantine: Quarantine,
        figures: Figures,
        observer: Observer,
        on_held_up: Callable[[FastSseError], None],
        may_publish: Callable[[], None] = lambda: None,
    ) -> None:
        self._hub = hub
        self._limits = hub.limits
        self._packages = packages
        self._quarantine = quarantine
        self._figures = figures
        self._observer = observer
        self._on_held_up = on_held_up
        self._may_publish = may_publish

    async def forward(self, entries: Sequence[QueueEntry]) -> list[PoisonEntry]:
        """Publish entries in order, however long it takes; what was kept as poison, because it never can be stored.

        May be cancelled at any moment: what was not reported as done is given to it again.
        Raises StoreClosedError when the hub's store is closed.
        """
        poison: list[PoisonEntry] = []
        some: list[tuple[QueueEntry, Draft]] = []
        size = turn = 0
        for entry in entries:
            made = await self._draft(entry)
            if isinstance(made, PoisonEntry):
                poison.append(made)
                continue
            if some and size + made.size_bytes > self._limits.ingest_bytes_max:
                poison += await self._publish(some)
                some, size = [], 0
            some.append((entry, made))
            size += made.size_bytes
            turn += made.size_bytes
            if turn > _TURN_BYTES:
                turn = 0
                await asyncio.sleep(0)  # large packages must not hold up the heartbeats
        poison += await self._publish(some)
        await self._keep(poison)
        return poison

    async def _draft(self, entry: QueueEntry) -> Draft | PoisonEntry:
        try:
            if self._packages.dear(entry):
                return await asyncio.to_thread(self._packages.draft, entry)
            return self._packages.draft(entry)
        except ClientFaultError as error:
            return PoisonEntry(entry, error)
        except Exception as error:  # noqa: BLE001  one entry that meets a defect of ours must not end the queue
            self._observer.notify(DefectSeen("ingest", repr(error), traceback.format_exc()))
            return PoisonEntry(entry, DefectError("a defect of the hub; its log has the details"))

    async def _publish(self, some: Sequence[tuple[QueueEntry, Draft]]) -> list[PoisonEntry]:
        """Publish until each is stored or can never be."""
        poison: list[PoisonEntry] = []
        backoff = Backoff(self._limits.retry_store_s, self._limits.retry_store_s_max)
        while some:
            some, error = await self._attempt(some, poison)
            if error is None:
                break
            self._on_held_up(error)
            await asyncio.sleep(max(backoff.next_s(), error.retry_after_s))
        return poison

    async def _attempt(
        self, some: Sequence[tuple[QueueEntry, Draft]], poison: list[PoisonEntry]
    ) -> tuple[Sequence[tuple[QueueEntry, Draft]], FastSseError | None]:
        """Publish once; what is left to be done, and the error that stands in its way."""
        self._may_publish()
        try:
            outcomes = await self._hub.publish([draft for _, draft in some])
        except StoreClosedError:
            raise
        except UnavailableError as error:
            return some, error
        for done, ((entry, _), outcome) in enumerate(zip(some, outcomes, strict=True)):
            if isinstance(outcome, Appended):
                self._figures.duplicates += outcome.duplicate
            elif isinstance(outcome, ClientFaultError):
                poison.append(PoisonEntry(entry, outcome))
            else:
                return some[done:], outcome
        return (), None

    async def _keep(self, poison: Sequence[PoisonEntry]) -> None:
        """Keep each, so that its queue may forget it."""
        left = list(poison)
        backoff = Backoff(self._limits.retry_store_s, self._limits.retry_store_s_max)
        while left:
            self._may_publish()
            some, left = left[:_KEPT_AT_ONCE], left[_KEPT_AT_ONCE:]
            outcomes = await asyncio.gather(
                *(self._quarantine.keep(*one) for one in some), return_exceptions=True
            )
            refused: UnavailableError | None = None
            for one, outcome in zip(some, outcomes, strict=True):
                if isinstance(outcome, UnavailableError) and not isinstance(outcome, StoreClosedError):
                    left.append(one)
                    refused = outcome
                elif outcome is not None:
                    raise outcome
            if refused is not None:
                self._on_held_up(refused)
                await asyncio.sleep(max(backoff.next_s(), refused.retry_after_s))
