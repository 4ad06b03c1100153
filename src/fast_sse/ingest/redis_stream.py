"""A Redis stream as a source: what others XADD to it is published here, in its order.

    XADD sse:events * carid000001 '{"event_id": "carid000001", "event_type": "cart_changed", "data": {...}}'

Each entry goes through one cycle, and only the last step makes the queue forget it:

    take (XREADGROUP) -> publish, until the hub stored it, or keep it as poison -> acknowledge (XACK)

A crash anywhere before the last step leaves the entry pending, and it is taken again; its idempotency key makes the
second publish the first one's answer. So the queue is read at least once and the hub has each entry exactly once,
within the key window of its store.

The group has one consumer, always of the same name, because one node at a time reads (`lease.py`): names of their
own would leave a dead consumer behind at every crash. What is pending belongs to the holder of the lease, so it is
claimed whole (XAUTOCLAIM without a least idle time, from whatever consumer) before anything new is taken, and queue
order is kept over a crash. Entries that others deleted (XDEL, XTRIM, MAXLEN) are named as gone, whether they were
pending or had not been read yet, as far as Redis knows (`take.lua`).

The queue is not ours: it is never trimmed here. Beside it stand the group and `<queue>:lease:<group>`. Needs Redis 7.0.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Any

import msgspec
import redis.asyncio
import redis.exceptions as errors
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from fast_sse.hub.hub import Hub
from fast_sse.ingest.forward import Forwarder
from fast_sse.ingest.lease import Lease, LeaseLostError
from fast_sse.ingest.package import Packages, QueueEntry
from fast_sse.ingest.poison import Quarantine
from fast_sse.ingest.redis_hole import Hole, numbers
from fast_sse.ingest.source import QueueError, QueueSource
from fast_sse.model.channel import Channel
from fast_sse.observe.observer import IngestLeaseLost, IngestLeaseWon, Observer
from fast_sse.store.redis.target import target

_CONSUMER = "hub"
#: Longest wait for a new entry before the lease is renewed, and for any reply.
_BLOCK_S = 2.0
_REPLY_S = 5.0
#: Seconds between questions how far behind the queue is.
_LAG_INTERVAL_S = 1.0
#: A group that is gone is made again this far before the last entry that was stored: what a failover lost and a
#: clock that went back gave out again lies there, and what is read twice is known by its key.
_STEP_BACK_MS = 300_000


class _NoGroupError(Exception):
    """The consumer group is not there: first start, FLUSHALL, a failover, XGROUP DESTROY."""


class RedisStream(QueueSource):
    """One queue in Redis.

    Args:
        url: of its server, `redis://` or `rediss://`; never shown.
        queue: the key of the stream.
        group: the consumer group's name.
        node: this node's name.
        hub, observer: where entries and facts go.
        now: seconds since 1970.
        check: raises ForbiddenError for a channel that this hub does not allow.
    """

    kind = "redis_stream"

    def __init__(
        self,
        url: str,
        queue: str,
        group: str,
        node: str,
        hub: Hub,
        observer: Observer,
        *,
        now: Callable[[], float] = time.time,
        check: Callable[[Channel], None] = lambda _channel: None,
    ) -> None:
        super().__init__(queue, hub.limits, observer)
        self._group = group
        self._client = redis.asyncio.Redis(
            **target(url).for_redis_py(),
            socket_timeout=_REPLY_S,
            socket_connect_timeout=_REPLY_S,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 0),  # what is tried again is decided here, where order is known
        )
        self._lease = Lease(self._client, f"{queue}:lease:{group}", (queue,), node, hub.limits.ingest_lease_s)
        packages = Packages(f"hub:{self.kind}:{queue}", hub.limits, now, check)
        quarantine = Quarantine(hub.store.letters, self.kind, queue, node)
        self._forwarder = Forwarder(
            hub, packages, quarantine, self.figures, observer, self._held_up, self._lease.check
        )
        self._stored = b""
        #: The last entry stored when the group was made again before it: what was deleted up to here is no loss.
        self._known = b""
        self._lag_asked_s = float("-inf")

    # -- one node at a time ---------------------------------------------------------------------------------

    async def _read(self) -> None:
        with _translated():
            try:
                while not self._ending:
                    if await self._lease.acquire():
                        await self._hold()
                    else:
                        self._well()
                        await self._wait(partial(asyncio.sleep, self._limits.ingest_lease_s / 5))
            finally:
                with contextlib.suppress(errors.RedisError, TimeoutError):  # it runs out by itself
                    await self._lease.release()
                await self._client.aclose()

    async def _hold(self) -> None:
        """Read until the lease is lost or the end."""
        self._observer.notify(IngestLeaseWon(self.queue))
        self.figures.reading = True
        try:
            while not self._ending:
                try:
                    await self._take_pending()
                    await self._take_new()
                except _NoGroupError:
                    await self._make_group()
        except LeaseLostError:
            self._observer.notify(IngestLeaseLost(self.queue))
        finally:
            self.figures.reading, self.figures.lag = False, None

    # -- entries --------------------------------------------------------------------------------------------

    async def _take_pending(self) -> None:
        """What was taken before and never acknowledged, in queue order."""
        start: bytes | str = "0-0"
        most = self._limits.ingest_entries_max
        while not self._ending:
            claim = ("XAUTOCLAIM", self.queue, self._group, _CONSUMER, 0, start, "COUNT", most)
            start, entries, gone = (await self._fenced(self._lease.run(claim)))[0]
            if gone:
                self._gone(len(gone), f"{gone[0].decode()}..{gone[-1].decode()}", "exactly")
            await self._deal_with(entries)
            if start == b"0-0":
                return

    async def _take_new(self) -> None:
        """What no reader has taken yet."""
        while not self._ending:
            if taken := await self._take():
                await self._deal_with(taken)
                await self._ask_lag()
            else:
                await self._wait_for_new()

    async def _take(self) -> Sequence[tuple[bytes, Sequence[bytes]]]:
        """A batch, or nothing. What was deleted unread is reported, then noted in the queue as reported.

        In this order, so that after a crash in between the next reader reports it again.
        """
        words = (self._group, _CONSUMER, self._limits.ingest_entries_max)
        taken: Sequence[tuple[bytes, Sequence[bytes]]]
        taken, *holes = await self._fenced(self._lease.run_script("take.lua", *words))
        for hole in map(Hole.of, holes):
            if numbers(hole.stop) > numbers(self._known):
                self._gone(hole.entries, hole.where(self._known), hole.counted)
            note = ("XGROUP", "SETID", self.queue, self._group, hole.place, "ENTRIESREAD", hole.read)
            await self._fenced(self._lease.run(note))
        return taken

    async def _wait_for_new(self) -> None:
        """Until something stands behind the last entry taken, or it is time to renew the lease.

        A plain XREAD, which takes nothing: blocking reads cannot be fenced, so no entry is ever given to one.
        """
        last_taken = await self._ask_lag(at_once=True)
        block_ms = int(1000 * min(_BLOCK_S, self._limits.ingest_lease_s / 3))
        look = ("XREAD", "COUNT", 1, "BLOCK", block_ms, "STREAMS", self.queue, last_taken)
        await self._wait(partial(self._client.execute_command, *look))

    async def _deal_with(self, taken: Sequence[tuple[bytes, Sequence[bytes]]]) -> None:
        """Publish entries, or keep them as poison, then acknowledge them."""
        if not taken:
            return
        work = asyncio.get_running_loop().create_task(
            self._forwarder.forward([_entry(place, fields) for place, fields in taken])
        )
        poison = await self._lease.hold(work)
        ids = [place for place, _ in taken]
        await self._lease.run(("XACK", self.queue, self._group, *ids))
        self.figures.taken += len(taken)
        self._stored = max(self._stored, ids[-1], key=numbers)
        self._poisoned(poison)
        self._well()

    # -- group and lag --------------------------------------------------------------------------------------

    async def _fenced(self, step: Awaitable[Any]) -> Any:
        """A fenced step's reply. Raises _NoGroupError."""
        try:
            return await step
        except errors.ResponseError as error:
            if str(error).startswith(("NOGROUP", "no such key")):
                raise _NoGroupError from error
            raise

    async def _make_group(self) -> None:
        """At the beginning of the queue, or, if this process has read it already, a little before where it was."""
        start, self._known = "0", b""
        with contextlib.suppress(errors.ResponseError):  # no such key
            newest = (await self._client.xinfo_stream(self.queue))["last-generated-id"]
            if self._stored and numbers(newest) >= numbers(self._stored):
                start = f"{max(0, numbers(self._stored)[0] - _STEP_BACK_MS)}-0"
                self._known = self._stored
        try:
            await self._lease.run(("XGROUP", "CREATE", self.queue, self._group, start, "MKSTREAM"))
        except errors.ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    async def _ask_lag(self, *, at_once: bool = False) -> bytes:
        """Note how far behind the group is, at most once a second; the id of the last entry that was taken."""
        now_s = time.monotonic()
        if not at_once and now_s - self._lag_asked_s < _LAG_INTERVAL_S:
            return b""
        self._lag_asked_s = now_s
        try:
            groups = await self._client.xinfo_groups(self.queue)
        except errors.ResponseError as error:
            if str(error).startswith("no such key"):
                raise _NoGroupError from error
            raise
        mine = [group for group in groups if group["name"] == self._group.encode()]
        if not mine:
            raise _NoGroupError
        (group,) = mine
        self.figures.lag = None if group["lag"] is None else group["lag"] + group["pending"]
        self._well()
        last_taken: bytes = group["last-delivered-id"]
        return last_taken


def _entry(place: bytes, fields: Sequence[bytes]) -> QueueEntry:
    """One field and its value; of several, the bytes are a JSON array of names and values in turn, each in base64."""
    if len(fields) != 2:
        flaw = f"an entry has one field, this one has {len(fields) // 2}"
        return QueueEntry(place.decode(), msgspec.json.encode(list(fields)), flaw=flaw)
    return QueueEntry(place.decode(), fields[1], event_id=fields[0])


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Errors of the client in words that may be logged: neither URL nor secret."""
    try:
        yield
    except errors.AuthenticationError as error:
        raise QueueError("Redis refuses the user or its password") from error
    except (errors.TimeoutError, TimeoutError) as error:
        raise QueueError("Redis does not answer in time") from error
    except (errors.ConnectionError, OSError) as error:
        raise QueueError("Redis cannot be reached") from error
    except errors.RedisError as error:
        # Behind the first is a script's digest, behind the second a copy of what was sent, a password too.
        sentence = str(error).partition(" script: ")[0].partition(", with args beginning with")[0]
        raise QueueError(f"Redis refuses: {sentence}") from error
