"""Publishes on their way into Redis: the appends of one tick are sent as a few script calls, in their order.

One connection carries all of them, so their order is the order in Redis. Answers come back in the same order, and
each says of its own draft whether it is stored. There is no retry. An error reply means certainly not stored. A
connection that ends before the answer means unknown, and the publisher decides what to do.

With `wait_replicas` every call is followed by WAIT. If fewer replicas confirm in time, the answer is unknown and never
a 2xx: the entry is in the primary, and may be lost with it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from functools import partial

from hiredis import ReplyError

from fast_sse.model.cursor import Cursor, epoch_text, fingerprint_text
from fast_sse.model.errors import KeyConflictError, NotStoredError, UnavailableError, UnknownOutcomeError
from fast_sse.model.message import Draft
from fast_sse.store.base import Appended, Outcome
from fast_sse.store.redis.codec import place_text, position_of
from fast_sse.store.redis.errors import LostError, translated
from fast_sse.store.redis.high_water import HighWater
from fast_sse.store.redis.link import Link
from fast_sse.store.redis.scripts import scripts
from fast_sse.store.redis.wire import Reply, Word, pack

_log = logging.getLogger(__name__)

#: Drafts and bytes of one script call: Redis does nothing else while one runs.
_CALL_DRAFTS = 64
_CALL_BYTES = 256 * 1024

Answer = asyncio.Future[list[Outcome]]


class PendingAppend:
    """One call of `append`: its answer, and the outcomes that came back so far."""

    __slots__ = ("_missing", "_outcomes", "future")

    def __init__(self, future: Answer, count: int) -> None:
        self.future = future
        self._outcomes: list[Outcome | None] = [None] * count
        self._missing = count

    def settle(self, number: int, outcome: Outcome) -> None:
        """Take the outcome of one draft. The first one counts; when every draft has one, the append is answered."""
        if self._outcomes[number] is not None:
            return
        self._outcomes[number] = outcome
        self._missing -= 1
        if not self._missing and not self.future.done():
            self.future.set_result([one for one in self._outcomes if one is not None])


#: One draft of an append: the append, the number of the draft in it, the draft, the fingerprint that its entry gets.
Item = tuple[PendingAppend, int, Draft, str]


class Writer:
    """Sends appends over one link.

    Args:
        high_water: the newest place that this node has given.
        prefix: the setting; it begins every key.
        window_ms: how long an idempotency key is remembered.
        now_text: the store's time in ms as text; empty text stands for the server's clock.
        wait: replicas that must confirm a call, and how many ms they have.
        on_other_epoch: called when an answer comes from another log than the one before.
    """

    def __init__(
        self,
        link: Link,
        high_water: HighWater,
        prefix: str,
        *,
        window_ms: int,
        now_text: Callable[[], str],
        wait: tuple[int, int],
        on_other_epoch: Callable[[], None],
    ) -> None:
        self._link = link
        self._high_water = high_water
        self._head: tuple[Word, ...] = (f"{{{prefix}}}:meta", f"{{{prefix}}}:")
        self._window_ms = window_ms
        self._now_text = now_text
        self._wait = wait
        self._on_other_epoch = on_other_epoch
        self._loop = asyncio.get_running_loop()
        self._pending: list[Item] = []
        self._scheduled = False
        self._in_flight = 0
        self._drained = asyncio.Event()

    def append(self, drafts: Sequence[Draft]) -> Answer:
        """Queue drafts. They are sent at the end of this tick."""
        future: Answer = self._loop.create_future()
        if not drafts:
            future.set_result([])
            return future
        pending = PendingAppend(future, len(drafts))
        bits = secrets.randbits
        self._pending += [
            (pending, number, one, fingerprint_text(bits(32))) for number, one in enumerate(drafts)
        ]
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)
        return future

    async def close(self) -> None:
        """Send what is queued, and wait until everything is answered. The link's deadline bounds the wait."""
        self._flush()
        while self._in_flight:
            self._drained.clear()
            await self._drained.wait()

    # -- sending ------------------------------------------------------------------------------------

    def _flush(self) -> None:
        self._scheduled = False
        pending, self._pending = self._pending, []
        first, size = 0, 0
        for number, (_, _, draft, _) in enumerate(pending):
            if number > first and (number - first == _CALL_DRAFTS or size + draft.size_bytes > _CALL_BYTES):
                self._send(pending[first:number])
                first, size = number, 0
            size += draft.size_bytes
        if pending:
            self._send(pending[first:])

    def _send(self, items: list[Item]) -> None:
        """Send one call. A defect in it does not stop the calls behind it."""
        try:
            self._send_call(items)
        except Exception:  # noqa: BLE001  it is logged, and the drafts are answered
            _log.exception("a defect in sending to Redis: report it")
            _settle(items, _unknown())

    def _send_call(self, items: list[Item], *, whole_text: bool = False) -> None:
        wire = self._link.wire
        if wire is None or not wire.open:
            _settle(items, NotStoredError("there is no connection to Redis", retry_after_s=1))
            return
        script = scripts()["append"]
        call = ("EVAL", script.text) if whole_text else ("EVALSHA", script.digest)
        packed = pack((*call, 1, *self._words(items)))
        replicas, wait_ms = self._wait
        if not replicas:
            wire.send(packed, partial(self._answered, items, None))
        else:
            held: list[Reply] = []
            waiting = pack(("WAIT", replicas, wait_ms))
            wire.send(packed + waiting, held.append, lambda count: self._answered(items, count, held[0]))
        self._in_flight += 1

    def _words(self, items: list[Item]) -> list[Word]:
        epoch = epoch_text(secrets.randbits(64))
        high_water = self._high_water
        words: list[Word] = [
            *self._head,
            epoch,
            self._now_text(),
            high_water.cursor.epoch,
            place_text(high_water.floor),
        ]
        words += (self._window_ms, len(items))
        for _, _, draft, fingerprint in items:
            event_id, event_type = draft.channel
            words += (event_id, event_type, draft.event, draft.headers, draft.meta, draft.data, draft.ttl_ms)
            words += (fingerprint, draft.body_sha256, len(draft.keys))
            for key in draft.keys:
                words += (key.digest, key.window_ms)
        return words

    # -- answering ----------------------------------------------------------------------------------

    def _answered(self, items: list[Item], replicas: Reply, reply: Reply) -> None:
        self._in_flight -= 1
        try:
            self._settle_by(items, replicas, reply)
        except Exception:  # noqa: BLE001  it is logged, and the drafts are answered
            _log.exception("a defect in an answer of Redis: report it")
            _settle(items, _unknown())
        if not self._in_flight:
            self._drained.set()

    def _settle_by(self, items: list[Item], replicas: Reply, reply: Reply) -> None:
        if isinstance(reply, ReplyError):
            if str(reply).startswith("NOSCRIPT"):
                self._send_call(items, whole_text=True)
            else:
                _settle(items, translated(str(reply)))
        elif isinstance(reply, LostError):
            _settle(items, UnknownOutcomeError("the connection to Redis was lost before the answer"))
        else:
            self._settle_each(items, reply, self._replicated(replicas))

    def _replicated(self, replicas: Reply) -> UnknownOutcomeError | None:
        wanted = self._wait[0]
        if not wanted or (isinstance(replicas, int) and replicas >= wanted):
            return None
        return UnknownOutcomeError("too few replicas of Redis confirmed it in time")

    def _settle_each(self, items: list[Item], reply: list[bytes], unknown: UnavailableError | None) -> None:
        epoch = reply[0].decode()
        log = self._high_water.cursor
        if log.epoch != epoch:
            log = Cursor(log.kind, epoch, 0)
            self._on_other_epoch()
        newest: Cursor | None = None
        for (pending, number, _, fingerprint), text in zip(items, reply[1:], strict=True):
            outcome = _outcome(log, text, fingerprint)
            if isinstance(outcome, Appended):
                newest = newest if outcome.duplicate else outcome.cursor
                outcome = unknown or outcome
            pending.settle(number, outcome)
        if newest is not None:
            self._high_water.learn(newest)


def _outcome(log: Cursor, text: bytes, fingerprint: str) -> Outcome:
    kind, rest = text[:1], text[1:]
    if kind == b"+":
        return Appended(log.at(position_of(rest), fingerprint))
    if kind == b"=":
        place, _, earlier = rest.rpartition(b"-")
        return Appended(log.at(position_of(place), earlier.decode()), duplicate=True)
    if kind == b"!":
        return KeyConflictError("the idempotency key was used with another body")
    return translated(rest.decode("utf-8", "replace"))


def _unknown() -> UnknownOutcomeError:
    return UnknownOutcomeError()


def _settle(items: list[Item], outcome: Outcome) -> None:
    for pending, number, _, _ in items:
        pending.settle(number, outcome)
