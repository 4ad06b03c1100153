"""A group on its way to the log: what the loop prepared, put together, and taken apart again only when a key is known.

Numbers, rows and keys are made on the loop's thread, where each publish is cheap and the writer's thread is not
held up. The writer joins lists. Only a group that repeats a key, its own or a stored one, is resolved draft by
draft; a duplicate then leaves its number unused, which positions may.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from fast_sse.model.channel import Channel
from fast_sse.model.cursor import Position
from fast_sse.model.errors import KeyConflictError
from fast_sse.model.message import ERASED, Draft, Record
from fast_sse.store.base import Outcome
from fast_sse.store.dedup import Known, resolve, to_remember
from fast_sse.store.pace import Instant
from fast_sse.store.record import OVERHEAD_BYTES, record_of
from fast_sse.store.rows.body import body_of
from fast_sse.store.rows.channels import Numbers
from fast_sse.store.rows.entries import add_entry, add_keys, named

#: Control records of a group that erase a channel, and their positions.
Erasing = tuple[tuple[Channel, Position], ...]
#: By position given: the earlier message that a draft was, or the conflict.
Special = dict[Position, Known | KeyConflictError]


class Job(NamedTuple):
    """One call of `append`, numbered and ready to bind."""

    future: asyncio.Future[list[Outcome]]
    drafts: Sequence[Draft]
    records: list[Record]
    values: list[Any]
    digests: list[bytes]
    weight: int
    at: Instant
    window_ms: int
    erasing: Erasing = ()
    #: Channels whose numbers were not known, and the version of those that were (`Numbers`).
    unknown: Sequence[Channel] = ()
    version: int = 0

    def values_by(self, numbers: Numbers) -> list[Any]:
        """The values, if the numbers in them are still their channels'; else with names."""
        return self.values if self.version == numbers.version else named(self.values, self.records)


def job(
    future: asyncio.Future[list[Outcome]],
    drafts: Sequence[Draft],
    above: Position,
    at: Instant,
    last_ms: int,
    window_ms: int,
    numbers: Numbers,
) -> Job:
    """Number drafts above a position, the last of which has the time `last_ms`, and make their rows as if every key
    were new. Ages and keys go by the paced time.
    """
    from_ms = at.pledged_ms
    version, number_of = numbers.version, numbers.known.get  # in this order
    records: list[Record] = []
    values: list[Any] = []
    digests: list[bytes] = []
    unknown: list[Channel] = []
    weight = 0
    erasing: Erasing = ()
    for draft in drafts:
        above += 1
        record = record_of(draft, above, at.time_ms, last_ms=last_ms)
        records.append(record)
        if draft.event == ERASED:
            erasing += ((draft.channel, above),)
        body = body_of(record)
        weight += len(body) + OVERHEAD_BYTES
        keys: list[tuple[bytes, Known]] = []
        if draft.keys:
            sha = draft.body_sha256
            keys = [
                (key.digest, Known(above, sha, from_ms + (key.window_ms or window_ms))) for key in draft.keys
            ]
            digests += [key.digest for key in draft.keys]
        number = number_of(draft.channel)
        if number is None:
            unknown.append(draft.channel)
        add_entry(values, record, body, keys, from_ms, number)
    return Job(future, drafts, records, values, digests, weight, at, window_ms, erasing, unknown, version)


class Batch(NamedTuple):
    """What one transaction writes. `ended`: keys past their window that are given anew."""

    values: list[Any]
    digests: list[bytes]
    records: int
    weight: int
    newest: Position
    ended: tuple[bytes, ...] = ()
    erasing: Erasing = ()
    unknown: Sequence[Channel] = ()

    @classmethod
    def of(cls, jobs: Sequence[Job], numbers: Numbers) -> Batch:
        """The jobs end to end."""
        values: list[Any] = []
        digests: list[bytes] = []
        unknown: list[Channel] = []
        records = weight = 0
        erasing: Erasing = ()
        for one in jobs:
            erasing += one.erasing
            unknown += one.unknown
            values += one.values_by(numbers)
            digests += one.digests
            records += len(one.records)
            weight += one.weight
        newest = jobs[-1].records[-1].position
        return cls(values, digests, records, weight, newest, erasing=erasing, unknown=unknown)

    def repeats_a_key(self) -> bool:
        """Whether two drafts of the group, or one alone, carry the same key."""
        return len(set(self.digests)) != len(self.digests)


def resolve_group(jobs: Sequence[Job], stored: dict[bytes, Known], numbers: Numbers) -> tuple[Batch, Special]:
    """What is left to write when some keys are known, and what became of the drafts that carry them."""
    fresh: dict[bytes, Known] = {}
    special: Special = {}
    values: list[Any] = []
    unknown: list[Channel] = []
    records = weight = newest = 0

    def lookup(digest: bytes) -> Known | None:
        return fresh.get(digest) or stored.get(digest)

    for one in jobs:
        now_ms, from_ms = one.at.paced_ms, one.at.pledged_ms
        for draft, record in zip(one.drafts, one.records, strict=True):
            earlier = resolve(draft, lookup, now_ms) if draft.keys else None
            if isinstance(earlier, KeyConflictError):
                special[record.position] = earlier
                continue
            position = earlier.position if earlier else record.position
            keys = dict(to_remember(draft, position, lookup, now_ms, one.window_ms, from_ms))
            fresh |= keys
            if earlier:
                special[record.position] = earlier
                add_keys(values, list(keys.items()))
                continue
            body = body_of(record)
            number = numbers.known.get(record.channel)
            if number is None:
                unknown.append(record.channel)
            add_entry(values, record, body, list(keys.items()), from_ms, number)
            records += 1
            weight += len(body) + OVERHEAD_BYTES
            newest = record.position
    ended = tuple(fresh.keys() & stored.keys())
    erasing = tuple(place for one in jobs for place in one.erasing)  # they carry no keys
    return Batch(values, list(fresh), records, weight, newest, ended, erasing, unknown), special
