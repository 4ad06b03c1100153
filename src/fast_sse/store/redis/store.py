"""The Redis store: one log in one server's memory, for several nodes at once.

A 2xx means that the message is in the primary, plus what `appendfsync` and WAIT add. `durability` says it in a word.
Redis numbers the entries, judges cursors and resolves keys, each in one script. So all nodes agree without talking to
one another, and a node keeps nothing but its reader's place.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec
from hiredis import ReplyError

from fast_sse.model.channel import Channel, Filter
from fast_sse.model.cursor import Cursor, Position
from fast_sse.model.errors import NotStoredError, StoreClosedError, UnavailableError
from fast_sse.model.message import Draft, Record, erasure
from fast_sse.observe.metrics import Sample
from fast_sse.store.base import Appended, Bounds, Outcome, Page, Retention, Store, Windows, refused_append
from fast_sse.store.clock import StoreClock
from fast_sse.store.letters import LetterBounds
from fast_sse.store.ranges import ranges
from fast_sse.store.redis.codec import POSITION_MAX, place_text, record_of
from fast_sse.store.redis.errors import translated
from fast_sse.store.redis.high_water import HighWater
from fast_sse.store.redis.letters import RedisLetters
from fast_sse.store.redis.link import Greet, Link
from fast_sse.store.redis.log import KIND, RedisLog
from fast_sse.store.redis.reader import BLOCK_MS, Reader
from fast_sse.store.redis.server import Server, look
from fast_sse.store.redis.target import target
from fast_sse.store.redis.wire import Reply, Wire
from fast_sse.store.redis.writer import Writer
from fast_sse.store.relay import Relay

_log = logging.getLogger(__name__)

#: Seconds that the probe of readiness outlives its proof.
_PROBE_S = 60


class Deadlines(msgspec.Struct, frozen=True, kw_only=True):
    """How long the server may be silent: in a whole greeting, before an answer, and while XREAD waits for entries."""

    connect_s: float = 2.0
    answer_s: float = 5.0
    block_ms: int = BLOCK_MS


class RedisStore(Store):
    """The log under `prefix` in the server that `url` names."""

    kind = KIND

    def __init__(
        self,
        url: str,
        retention: Retention = Retention(),  # noqa: B008 - frozen
        windows: Windows = Windows(key_window_s=3600.0, keys_max=1_000_000),  # noqa: B008 - frozen
        *,
        prefix: str = "fast-sse",
        wait: tuple[int, int] = (0, 1000),
        now_ms: Callable[[], int] | None = None,
        deadlines: Deadlines = Deadlines(),  # noqa: B008 - frozen
        letters: LetterBounds = LetterBounds(),  # noqa: B008 - frozen
    ) -> None:
        """`wait`: replicas that must confirm a publish, and how many ms they have. `now_ms`: for tests, a clock
        instead of the server's. `letters`: how many dead letters are kept.

        Raises ConfigError for a URL that cannot work.
        """
        self._target = target(url)
        self.where = self._target.where
        _ = self._target.context  # a certificate that cannot be used is found here, before anything is opened
        self._retention = retention
        self._windows = windows
        self._prefix = prefix
        self._wait = wait
        self._now_ms = now_ms
        self._clock = StoreClock()
        self._now_text: Callable[[], str] = (lambda: "") if now_ms is None else (lambda: str(now_ms()))
        self._block_ms = deadlines.block_ms
        self._relay = Relay(0)
        connect_s, answer_s = deadlines.connect_s, deadlines.answer_s
        waits_s = wait[1] / 1000 if wait[0] else 0.0
        self._writes = self._link("publish", connect_s, answer_s + waits_s, greet=self._greet)
        self._reads = self._link("read", connect_s, answer_s, greet=self._look)
        blocks_s = deadlines.block_ms / 1000
        self._follows = self._link(
            "follow", connect_s, answer_s + blocks_s, greet=self._look, on_down=self._relay.fail
        )
        self._log = RedisLog(self._reads, prefix)
        self._letters = RedisLetters(self._reads, prefix, letters, self._now_text, self._opened)
        self._server: Server | None = None
        #: `redis-` and what becomes of a write when the server dies, `+waitN` with replicas that must confirm it.
        self.durability = "redis"  # a fact of the server, which a reconnect may change
        self._writer: Writer | None = None
        self._reader: Reader | None = None
        self._task: asyncio.Task[None] | None = None
        self._keys_cut = 0
        self._high_water = HighWater(Cursor(KIND, "", 0))
        self._closed = False

    def _link(
        self,
        purpose: str,
        connect_s: float,
        answer_s: float,
        *,
        greet: Greet | None = None,
        on_down: Callable[[str], None] = lambda _: None,
    ) -> Link:
        return Link(
            self._target,
            f"fast-sse-{purpose}",
            connect_s=connect_s,
            answer_s=answer_s,
            greet=greet,
            on_down=on_down,
        )

    def samples(self) -> list[Sample]:
        """The numbers of this store."""
        text = "Entries of the log that are not of our form. Each is a gap `unreadable` for streams that pass it."
        poisoned = self._reader.poisoned if self._reader is not None else 0
        forgotten = "Receipts of other nodes that were forgotten before all up to them was decided: there were too many."
        return [
            Sample("log_unreadable_total", "counter", text, poisoned),
            Sample("receipts_forgotten_total", "counter", forgotten, self._letters.receipts_forgotten),
        ]

    @property
    def letters(self) -> RedisLetters:
        """The dead letters, beside the log and under the same prefix."""
        return self._letters

    @property
    def keys_cut(self) -> int:
        """Keys that this node forgot before their window ended."""
        return self._keys_cut

    # -- life ---------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Connect, look at the server, find the ends of the log (or begin one) and read on from there."""
        if self._closed or self._writer is not None:
            raise StoreClosedError("the store is open already, or was closed")
        links = (self._writes, self._reads, self._follows)
        try:
            for link in links:
                await link.open()
            _, newest = await self._log.ends()
        except BaseException:
            for link in links:
                await link.close()
            raise
        self._relay.restart(newest.position)
        self._high_water = HighWater(newest)
        self._writer = Writer(
            self._writes,
            self._high_water,
            self._prefix,
            window_ms=int(self._windows.key_window_s * 1000),
            now_text=self._now_text,
            wait=self._wait,
            on_other_epoch=self._follows.kick,
        )
        self._reader = Reader(
            self._follows,
            self._prefix,
            self._relay,
            newest,
            high_water=self._high_water,
            block_ms=self._block_ms,
            keep=self._letters.keep,
        )
        self._task = asyncio.get_running_loop().create_task(self._reader.run(), name="redis reader")

    async def close(self) -> None:
        """Finish what was appended, end the followers and the connections."""
        self._closed = True
        writer, self._writer = self._writer, None
        if writer is None:
            return
        await writer.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._relay.close()  # first: a follower that is just reading a page is not to take the end for an outage
        for link in (self._writes, self._reads, self._follows):
            await link.close()

    async def _greet(self, wire: Wire) -> None:
        server = await look(wire)
        self._hear(await wire.ask("TIME"))
        before, self._server = self._server, server
        word, self.durability = self.durability, server.durability(self._wait[0])
        if before is not None and word != self.durability:
            _log.warning(
                "a stored publish now means %s: look at the new server's persistence", self.durability
            )
        if before is not None and before.run_id != server.run_id:
            for other in (
                self._reads,
                self._follows,
            ):  # they may be with the old one, which goes on as a replica
                other.kick()
        await self._look(wire)

    async def _look(self, wire: Wire) -> None:
        """Nothing is asked of a server before its log is known to be the one that this node was reading."""
        if self._reader is not None:
            await self._reader.look(RedisLog(wire, self._prefix))

    def _hear(self, reply: Reply) -> None:
        """Take the answer to TIME: seconds and microseconds."""
        if isinstance(reply, ReplyError):
            raise translated(str(reply))
        seconds, micros = map(int, reply)
        self._clock.heard(seconds * 1000 + micros / 1000)

    def now_ms(self) -> int:
        """The server's time: asked on every connect and at every trim step, carried on by a clock that no step moves."""
        return self._clock.now_ms() if self._now_ms is None else self._now_ms()

    # -- writing ------------------------------------------------------------------------------------

    def append(self, drafts: Sequence[Draft]) -> asyncio.Future[list[Outcome]]:
        """Queue drafts for this tick's script calls."""
        if self._writer is None:
            return refused_append()
        return self._writer.append(drafts)

    async def trim(self, keep_after: Position | None = None) -> int:
        """One step of at most 100 records, 250 expired and 250 excess keys."""
        self._opened()
        self._hear(await self._writes.command("TIME"))
        step = await self._log.trim(self._now_text(), self._retention, self._windows.keys_max, keep_after)
        self._keys_cut += step.keys_cut
        return step.records + step.keys

    async def erase(self, target: Channel) -> int:
        """Steps of at most 100 records. Redis overwrites nothing: the bytes go when their memory is used again."""
        self._opened()
        (outcome,) = await self.append([erasure(target)])
        if not isinstance(outcome, Appended):
            raise outcome
        erased = 0
        while gone := await self._log.erase(target, outcome.cursor.position):
            erased += gone
        return erased

    async def ping(self) -> None:
        """Write the probe's key over the connection that publishes use."""
        self._opened()
        if self._reader is not None and self._reader.broken:
            raise NotStoredError("the log in Redis cannot be read")
        try:
            await self._writes.command("SET", f"{{{self._prefix}}}:ping", "1", "EX", _PROBE_S)
        except UnavailableError as error:
            raise NotStoredError(error.message, retry_after_s=1) from error

    # -- reading ------------------------------------------------------------------------------------

    async def read(self, wanted: Filter, after: Cursor, records_max: int, bytes_max: int) -> Page:
        """One page in one script, which also judges the cursor."""
        self._opened()
        return self._given(await self._log.page(ranges(wanted), after, records_max, bytes_max))

    async def last(self, wanted: Filter, count: int, bytes_max: int = 1 << 20) -> Page:
        """The last matching records, found backwards on the indexes."""
        self._opened()
        return self._given(await self._log.last(ranges(wanted), count, bytes_max))

    async def since(self, time_ms: int) -> Page:
        """By halving, in one script."""
        self._opened()
        return self._given(await self._log.since(time_ms))

    async def get(self, position: Position) -> Record | None:
        """One record, None when there is none."""
        self._opened()
        if position > POSITION_MAX:
            return None
        place = place_text(position)
        found = await self._reads.command(
            "XRANGE", self._log.key(self._high_water.cursor.epoch), place, place
        )
        return record_of(*found[0]) if found else None

    def follow(self, after: Cursor) -> AsyncIterator[list[Record]]:
        """Groups as the reader gets them; a slow follower is served by pages."""
        self._opened()
        return self._relay.follow(after, self.read)

    async def bounds(self) -> Bounds:
        """The ends of the log, asked of the server."""
        self._opened()
        bounds = Bounds(*await self._log.ends())
        self._high_water.learn(bounds.newest)
        return bounds

    def _given(self, page: Page) -> Page:
        """A page that is about to be handed out: its places are known from now on."""
        self._high_water.learn(page.through)
        return page

    def _opened(self) -> None:
        if self._writer is None:
            raise StoreClosedError("the store is closed")
