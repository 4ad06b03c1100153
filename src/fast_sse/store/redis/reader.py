"""The one reader of this node: a plain XREAD from the last place it read, and what it does when the log has changed.

It never reads from `$` and never in a group. It continues from a concrete place, so nothing between two reads is
missed. After three events the log may not be the one it was reading:

- a new connection of this node, for whatever purpose: another server may answer, or the same one without its last
  writes. The question below is asked before the connection is used;
- a hole: the next entry does not name the last one that was read as the one before it;
- two seconds of silence: the log may have been flushed, or have lost its tail, and nothing is written to it.

After each of them the reader asks Redis to judge the newest place that this node has given, which may be ahead of
the reader. If that place does not stand any more, the reader finds the last entry that both histories share, records
the loss in Redis for every node, and goes back to that entry. Every follower then checks its own place, and gets one
gap.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from hiredis import ReplyError

from fast_sse.model.cursor import NO_FINGERPRINT, Cursor
from fast_sse.model.errors import UnavailableError
from fast_sse.model.letter import Poison, Source
from fast_sse.model.message import Record
from fast_sse.store.base import Gap
from fast_sse.store.redis.codec import place_text, position_of, previous, record_of
from fast_sse.store.redis.errors import LostError, translated
from fast_sse.store.redis.high_water import HighWater
from fast_sse.store.redis.link import Link
from fast_sse.store.redis.log import RedisLog
from fast_sse.store.redis.trail import Trail
from fast_sse.store.redis.wire import Wire
from fast_sse.store.relay import Relay

_log = logging.getLogger(__name__)

#: Milliseconds that XREAD waits for entries. After that silence the place is judged.
BLOCK_MS = 2000
#: Entries asked for after a short reply, and at most. Redis bounds a reply by entries only, and holds it in memory.
_COUNT_MIN = 8
_COUNT_MAX = 128
#: What a reply should weigh at most.
REPLY_BYTES = 4 << 20
_RETRY_S = 0.5
#: Entries that are not ours and could not be kept as dead letters yet; above it the oldest are given up.
_UNKEPT_MAX = 1_000


class Reader:
    """Moves `level` along the log and pushes what it reads to the relay.

    Attributes:
        level: the last place that was read.
        poisoned: entries that were not of our form, since the start.
        broken: a defect keeps it from reading. It tries again, and meanwhile this node is not ready.
    """

    def __init__(
        self,
        link: Link,
        prefix: str,
        relay: Relay,
        level: Cursor,
        *,
        high_water: HighWater,
        block_ms: int = BLOCK_MS,
        keep: Callable[[Poison], Awaitable[bool]] | None = None,
    ) -> None:
        """`level`: where to begin. `high_water`: the newest place that this node has given. `keep`: what becomes of poison."""
        self._link = link
        self._log = RedisLog(link, prefix)
        self._looking = asyncio.Lock()
        self._high_water = high_water
        self._relay = relay
        self._block_ms = block_ms
        self._keep = keep
        #: Keys and places of those, and when they are tried again.
        self._unkept: deque[tuple[str, bytes]] = deque()
        self._keep_at_s = 0.0
        self.level = level
        self._before = level.fingerprint
        self._moves = 0
        self._count = _COUNT_MIN
        self._trail = Trail()
        self._trail.go_back_to(_place(level))
        self.poisoned = 0
        self.broken = False

    async def run(self) -> None:
        """Read until cancelled. Whatever fails is logged, and reading begins again."""
        while True:
            wire = await self._link.connected()
            try:
                self._relay.heal()
                await self._read(wire)
            except (LostError, UnavailableError) as error:
                if not wire.open:
                    continue  # the link makes a new one, and logs it when that takes long
                _log.warning(
                    "the log in Redis cannot be read: %s; look at the server, the hub tries again", error
                )
                self._relay.fail("the log in Redis cannot be read")
            except Exception:  # noqa: BLE001  logged, and alive: a node that silently stands still is the worst outcome
                _log.exception("a defect in reading the log in Redis: report it")
                self.broken = True
                self._relay.fail("the log in Redis cannot be read")
            await asyncio.sleep(_RETRY_S)

    async def _read(self, wire: Wire) -> None:
        while self._link.wire is wire:
            moves, place = self._moves, place_text(self.level.position)
            key = self._log.key(self.level.epoch)
            reply = await wire.ask(
                "XREAD", "COUNT", self._count, "BLOCK", self._block_ms, "STREAMS", key, place
            )
            if isinstance(reply, ReplyError):
                raise translated(str(reply))
            if reply is not None:
                self._count = next_count(reply[0][1])
            if self._moves != moves:
                continue  # another connection found meanwhile that the log changed: this reply is of the old one
            if reply is None:
                await self.look(self._log)
            else:
                await self._take(reply[0][1])
            if self._unkept and asyncio.get_running_loop().time() >= self._keep_at_s:
                await self._keep_again(wire)
            self.broken = False

    async def _take(self, entries: list[Any]) -> None:
        fresh: list[Record] = []
        moves = self._moves
        for place, fields in entries:
            record = record_of(place, fields)
            if record is None:
                self._push(fresh)
                fresh = []
                self._pass_over(place)
                await self._keep_poison(place, fields)
                if self._moves != moves:
                    return
                continue
            if previous(fields) != self._before:
                self._push(fresh)
                fresh = []
                await self.look(self._log)
                if self._moves != moves:
                    return
            self._before = record.fingerprint
            fresh.append(record)
        self._push(fresh)

    def _push(self, records: list[Record]) -> None:
        if records:
            last = records[-1]
            self._trail.add([f"{place_text(one.position)}-{one.fingerprint}" for one in records])
            self.level = self.level.at(last.position, last.fingerprint)
            self._high_water.learn(self.level)
            self._relay.push(records)

    def _pass_over(self, place: bytes) -> None:
        """Pass an entry that another program wrote under our key. Followers get a gap at its place."""
        self.poisoned += 1
        _log.error(
            "the entry at %s of the log in Redis is from another program: see that only hubs write under redis.prefix",
            place.decode("ascii", "replace"),
        )
        self.level = self.level.at(position_of(place), NO_FINGERPRINT)
        self._relay.restart(self.level.position)

    async def _keep_poison(self, place: bytes, fields: Any) -> None:
        """Make a dead letter of it, which is one however many nodes do. Where that fails, streams go on all the same, and it is
        tried again.
        """
        key = self._log.key(self.level.epoch)
        if self._keep is None or await self._kept(key, place, fields):
            return
        self._unkept.append((key, place))
        if len(self._unkept) > _UNKEPT_MAX:
            _log.error(
                "the entry at %s is lost, no dead letter could be made of it: look at the server",
                self._unkept.popleft()[1].decode("ascii", "replace"),
            )

    async def _kept(self, key: str, place: bytes, fields: Any) -> bool:
        assert self._keep is not None
        source = Source("log", key, place.decode("ascii", "replace"))
        raw = b"\n".join(fields or ())
        try:
            await self._keep(
                Poison(source=source, raw=raw, description="an entry of the log that is not a message")
            )
        except UnavailableError as error:
            self._keep_at_s = asyncio.get_running_loop().time() + _RETRY_S
            if (key, place) not in self._unkept:
                _log.error(
                    "no dead letter could be made of the entry at %s: %s; nothing to do, the hub tries again",
                    source.place,
                    error,
                )
            return False
        return True

    async def _keep_again(self, wire: Wire) -> None:
        """Try again to keep what could not be kept, in its order, as far as the log still has it."""
        while self._unkept:
            key, place = self._unkept[0]
            found = await wire.ask("XRANGE", key, place, place)
            if isinstance(found, ReplyError):
                raise translated(str(found))
            if found and not await self._kept(key, place, found[0][1]):
                return
            self._unkept.popleft()

    async def look(self, log: RedisLog) -> bool:
        """Ask whether the newest given place stands in `log`. If not, move to where the log continues, and return True."""
        async with self._looking:
            newest = self._high_water.cursor
            gap = await log.judge(newest if newest.epoch == self.level.epoch else self.level)
            if gap is None and newest.position > self.level.position:
                gap = await log.judge(self.level)  # retention may have passed it, and not the newest answer
            if gap is not None:
                await self._go_on_elsewhere(log, gap)
            return gap is not None

    async def _go_on_elsewhere(self, log: RedisLog, gap: Gap) -> None:
        to = gap.resumed_at
        if gap.reason in ("lost_tail", "ahead"):
            to = await self._last_common(log, gap)
            await log.record_loss(to.epoch, _place(to), place_text(self._high_water.floor))
        _log.error(
            "the log in Redis has changed under the hub (%s): look for a failover or a restore; the hub goes on from %s",
            gap.reason,
            to.text,
        )
        self._moves += 1
        self.level, self._before = to, to.fingerprint
        self._trail.go_back_to(_place(to))
        if gap.reason == "trimmed":  # what this node has given after it may still stand
            self._high_water.learn(to)
        else:
            self._high_water.go_back(to)
        self._relay.restart(to.position)

    async def _last_common(self, log: RedisLog, gap: Gap) -> Cursor:
        epoch = self.level.epoch
        found = await self._trail.last_common(lambda places: log.standing(epoch, places))
        if found is None:
            return gap.resumed_at
        place, _, fingerprint = found.rpartition("-")
        return self.level.at(position_of(place), fingerprint)


def next_count(entries: list[Any]) -> int:
    """How many entries to ask for after a reply of `entries`.

    As many of that size as weigh `REPLY_BYTES`, and at most twice as many as came. When entries suddenly become
    larger, one reply may weigh more.
    """
    weight = sum(len(part) for _, fields in entries for part in fields or ())
    wanted = min(_COUNT_MAX, max(_COUNT_MIN, 2 * len(entries)))
    return max(1, min(wanted, len(entries) * REPLY_BYTES // max(1, weight)))


def _place(cursor: Cursor) -> str:
    return f"{place_text(cursor.position)}-{cursor.fingerprint or NO_FINGERPRINT}"
