"""The scripts as calls: what the store and its reader ask the log in Redis."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from typing import NamedTuple

from fast_sse.model.channel import Channel
from fast_sse.model.cursor import NO_FINGERPRINT, Cursor, Position, epoch_text
from fast_sse.model.message import Record
from fast_sse.store.base import Gap, Page, Retention
from fast_sse.store.ranges import Range
from fast_sse.store.redis.codec import POSITION_MAX, cursor_of, place_text, record_of
from fast_sse.store.redis.link import Link, call
from fast_sse.store.redis.wire import Reply, Wire, Word

KIND = "r1"
_log = logging.getLogger(__name__)


class Step(NamedTuple):
    """What one step of trimming did."""

    records: int
    keys: int
    keys_cut: int


class RedisLog:
    """One log. It is asked over a link, or over a new connection that no link uses yet.

    Every call raises UnavailableError.
    """

    def __init__(self, link: Link | Wire, prefix: str) -> None:
        """`prefix`: the setting; every key begins with it in braces, the hash tag."""
        self._link = link
        self.prefix = f"{{{prefix}}}:"

    async def _call(self, name: str, *arguments: Word) -> Reply:
        epoch = epoch_text(secrets.randbits(64))
        words = [f"{self.prefix}meta", self.prefix, epoch, *arguments]
        if isinstance(self._link, Link):
            return await self._link.call(name, words)
        return await call(self._link, name, words)

    # -- reading ------------------------------------------------------------------------------------

    async def page(self, arms: tuple[Range, ...], after: Cursor, records_max: int, bytes_max: int) -> Page:
        """One page of the records after a cursor; see read.lua."""
        return _page(await self._call("read", *_words(after), records_max, bytes_max, *_names(arms)))

    async def last(self, arms: tuple[Range, ...], count: int, bytes_max: int) -> Page:
        """The last `count` matching records."""
        return _page(await self._call("last", count, bytes_max, *_names(arms)))

    async def since(self, time_ms: int) -> Page:
        """The place where a time begins, as a page without records; see since.lua."""
        return _page(await self._call("since", time_ms))

    async def judge(self, cursor: Cursor) -> Gap | None:
        """The gap of a reader that goes on from this cursor now, None when the cursor stands."""
        return _page(await self._call("read", *_words(cursor), 0, 0)).gap

    async def ends(self) -> tuple[Cursor, Cursor]:
        """The trim mark and the newest entry."""
        reply = await self._call("read", "", "0-0", NO_FINGERPRINT, 0, 0)
        log = _log_of(reply)
        return cursor_of(log, reply[6], reply[7]), cursor_of(log, reply[4], reply[5])

    def key(self, epoch: str) -> str:
        """The key of the stream of an epoch."""
        return f"{self.prefix}{epoch}:log"

    # -- losses -------------------------------------------------------------------------------------

    async def standing(self, epoch: str, places: list[str]) -> int:
        """How many of these places, from the first on, are still in the log; -1 when it is another log."""
        return int(await self._call("lost", epoch, *places))

    async def record_loss(self, epoch: str, common: str, upper: str) -> None:
        """Record for every node that what was read after `common`, up to `upper`, is lost."""
        await self._call("lost", epoch, "record", common, upper)

    # -- housekeeping -------------------------------------------------------------------------------

    async def trim(
        self, now: str, retention: Retention, keys_max: int, keep_after: Position | None = None
    ) -> Step:
        """One step; no record after `keep_after` goes."""
        age_s = retention.max_age_s
        bounds = (None if age_s is None else int(age_s * 1000), retention.max_bytes, retention.max_messages)
        texts = ["" if bound is None else bound for bound in bounds]
        kept = "" if keep_after is None else place_text(keep_after)
        return Step(*await self._call("trim", now, *texts, keys_max, kept))

    async def erase(self, target: Channel, below: Position) -> int:
        """One step; how many entries went."""
        return int(await self._call("erase", *target, place_text(below)))


def _words(cursor: Cursor) -> tuple[str, str, str]:
    epoch = cursor.epoch if cursor.kind == KIND else ""
    return epoch, place_text(min(cursor.position, POSITION_MAX)), cursor.fingerprint or NO_FINGERPRINT


def _names(arms: Sequence[Range]) -> list[str]:
    """The names of the index keys of ranges; none for the whole log."""
    names = []
    for event_id, event_type in arms:
        if event_id is None and event_type is None:
            return []
        if event_id is None:
            names.append(f"type:{event_type}")
        elif event_type is None:
            names.append(f"id:{event_id}")
        else:
            names.append(f"ch:{event_id}/{event_type}")
    return names


def _log_of(reply: Reply) -> Cursor:
    return Cursor(KIND, reply[0].decode(), 0, NO_FINGERPRINT)


def _page(reply: Reply) -> Page:
    """The page in an answer of read.lua, last.lua or since.lua.

    An entry that the script took for ours and that is damaged ends the page: before it, or, if it comes first, behind
    it with a gap.
    """
    _, reason, start, start_fp, through, through_fp, _, _, entries = reply
    log = _log_of(reply)
    begin, end = cursor_of(log, start, start_fp), cursor_of(log, through, through_fp)
    gap = Gap(reason.decode(), begin) if reason else None
    records: list[Record] = []
    for place, fields in entries:
        record = record_of(place, fields)
        if record is not None:
            records.append(record)
            continue
        _log.error(
            "the entry at %s of the log in Redis is damaged: see that only hubs write under redis.prefix",
            place.decode(),
        )
        if records:
            end = log.at(records[-1].position, records[-1].fingerprint)
        else:
            end = begin = cursor_of(log, place, fields[1])
            gap = Gap(gap.reason if gap else "unreadable", begin)
        break
    return Page(records, begin, end, gap)
