"""One open stream: catch-up, joining, falling behind, coming back, deadlines.

A subscriber is its socket and a cursor. It has no queue and, while live, no task: its live set writes to its transport.
Whenever it is not level (just connected, resumed after a pause) the same catch-up moves its cursor along the log, until it
is level with its live set and joins it. Back-pressure is the transport's: a page is written, and if that pauses the
transport, the catch-up ends and `resume_writing` starts it again from the cursor.

    CATCHING_UP --level--> LIVE          PAUSED --resume_writing--> CATCHING_UP
    CATCHING_UP --set has frames pending--> JOINING --its next flush--> LIVE
    CATCHING_UP | LIVE | JOINING --pause_writing--> PAUSED --no progress for stall_s--> ENDED
    any --last words, cut, peer gone--> ENDED --connection_lost--> forgotten
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

from fast_sse.hub.ground import Ground
from fast_sse.hub.live_set import LiveSet
from fast_sse.hub.outgoing import CATCHING_UP, ENDED, GONE, JOINING, LIVE, PAUSED, Outgoing
from fast_sse.hub.subscription import Start, Subscription
from fast_sse.model.cursor import Cursor
from fast_sse.observe.access import Ended

#: Turns of the wheel within which an age is kept by a timer: looked at once a turn, it would be kept late by up to one.
_TIMED_TURNS = 20
#: Starts a task that moves a stream on: from a start that the store has to be asked for, or else from its cursor.
MoveOn = Callable[["Subscriber", Start | None], "asyncio.Task[None]"]


class Subscriber(Outgoing, asyncio.Protocol):
    """The protocol that a stream's transport is handed to. It reads nothing: bytes behind a stream are dropped.

    Its fields are its own to write, but for the two bookmarks: `place` is the live set's, `slot` the wheel's.
    """

    __slots__ = (
        "__weakref__", "_move_on", "_on_end", "_retires_s", "_timer", "ended", "live_set", "mark", "place", "right",
        "since_s", "slot", "task",
    )  # fmt: skip

    def __init__(
        self,
        ground: Ground,
        transport: Any,
        subscription: Subscription,
        cursor: Cursor,
        move_on: MoveOn,
        *,
        resumed: bool = False,
        shown: str = "",
    ) -> None:
        super().__init__(ground, transport, subscription, cursor, resumed=resumed, shown=shown)
        self.live_set: LiveSet | None = None
        self.place = self.slot = -1
        self.right = subscription.right
        self.ended: Ended | None = None
        #: The catch-up that is under way.
        self.task: asyncio.Task[None] | None = None
        self._move_on = move_on
        self._on_end = subscription.on_end
        #: Loop time at which the stream has lived long enough.
        self._retires_s = math.inf
        self.mark: int | None = None  # what the peer has yet to take, None for nothing
        self.since_s = 0.0  # loop time at which that became less, or the stream ended
        self._timer: asyncio.TimerHandle | None = None

    @property
    def standing(self) -> Cursor | None:
        """A cursor that the client may show: all that matches up to it is on the wire. None while the start is unknown."""
        if not (self.primed or self.resumed):
            return None
        if self.state == LIVE:
            assert self.live_set is not None
            return self.ground.fanout.level_of(self.live_set)
        return self.cursor

    # -- becoming live ------------------------------------------------------------------------------

    def begin(self, start: Start) -> None:
        """Begin at a start that the store has to be asked for."""
        self.task = self._move_on(self, start)

    def start(self) -> None:
        """Begin at the cursor, once the transport is ours, so that its pauses reach us; one that was handed over paused
        waits.
        """
        if self.state == CATCHING_UP:
            self.catch_up()

    def catch_up(self) -> None:
        """Go on from the cursor: at once from the tail when it is near, else by a task that reads the store.

        A task that is at it already goes on by itself: it alone moves the cursor then. Until a start that the store is
        asked for is known, the cursor is a placeholder.
        """
        self.state = CATCHING_UP
        if self.task is not None:
            return
        try:
            if (self.lacks and self.ground.pace.busy) or not self.level_from_tail():
                self.task = self._move_on(self, None)
        except Exception as error:  # noqa: BLE001  a defect must not leave a stream that silently stands still
            self.give_up(error)

    def catch_up_ended(self) -> None:
        """The task that moved it on is about to end; from now on the next one may be started."""
        self.task = None

    def level_from_tail(self) -> bool:
        """Try to become level without the store. True when nothing is left to do for the catch-up."""
        if not (self.near and self.packed_ahead):
            return False
        self.prime()
        if self.state != CATCHING_UP:
            return True  # the first block paused it
        live_set = self.ground.fanout.live_set(self.filter, self.form)
        if live_set.pending:
            live_set.joiners.append(self)
            self.live_set = live_set
            self.state = JOINING
        else:
            self._join(live_set)
        return True

    def flushed(self, live_set: LiveSet) -> None:
        """The live set that this joiner waited for has just flushed, perhaps only a piece of what is pending."""
        if self.state != JOINING:
            return
        if self.ground.fanout.level_of(live_set).position < self.cursor.position:
            live_set.joiners.append(self)  # the store brought it past the set, and ids never go back
            return
        self.live_set = None
        self.state = CATCHING_UP
        if self.near and self.packed_ahead and not (self.lacks and self.ground.pace.used_up):
            self._join(live_set)
        else:
            self.catch_up()

    def _join(self, live_set: LiveSet) -> None:
        """Write what the set's members have and this one has not; then it is one of them, unless that paused it."""
        fanout = self.ground.fanout
        level = fanout.level_of(live_set)
        missing = fanout.tail.between(self.cursor.position, level.position)
        if not missing:
            self.cursor = level
            self.advance(level)
        elif self.send_entries([one for one in missing if live_set.accepts(one.record.channel)], level):
            self.advance(level)
        if self.state == CATCHING_UP:
            self.state = LIVE
            self.live_set = live_set
            # Equal, and shared: an idle stream keeps no copies of its own.
            self.filter, self.form = live_set.filter, live_set.form
            live_set.add(self)
        else:
            fanout.discard_if_deserted(live_set)

    # -- flow control -------------------------------------------------------------------------------

    def pause_writing(self) -> None:
        """The transport holds more than it should: leave the live set and keep only the cursor.

        uvloop calls this inside `write()`, so a live set that is writing finds it in `fallen` and goes on.
        """
        if self.state == ENDED:
            return
        self.since_s = self.ground.clock()
        self.mark = self._debt(self.transport.get_write_buffer_size())
        if self.state == LIVE:
            assert self.live_set is not None
            if self.live_set.flushing:
                self.live_set.fallen.append(self)
            else:
                self.fall_behind()
        elif self.state != PAUSED:
            self._leave()
            self.state = PAUSED

    def fall_behind(self) -> None:
        """Out of the live set; the cursor is where the set stands."""
        if self.state == LIVE:
            self.unseat()
            self.state = PAUSED
            self.ground.fell_behind += 1

    def unseat(self) -> None:
        """Out of the live set (or its waiting room) without a pause; the caller starts the catch-up."""
        if self.state == LIVE:
            assert self.live_set is not None
            self.cursor = self.ground.fanout.level_of(self.live_set)
            self.sent = max(self.sent, self.live_set.sent.position)
        self._leave()
        self.state = CATCHING_UP

    def resume_writing(self) -> None:
        """The peer took what was queued: the same catch-up again."""
        self.mark = None
        if self.state == PAUSED:
            self.ground.came_back += 1
            self.catch_up()

    # -- the wheel ----------------------------------------------------------------------------------

    def visit(self, now_s: float) -> None:
        """One turn of the wheel: cut a peer that stands still, send the others a heartbeat."""
        if self.state == ENDED:
            if now_s - self.since_s >= self.ground.limits.stall_s:
                self.transport.abort()  # it never took its last words
        elif self.state == PAUSED:
            self._judge(self._debt(self.transport.get_write_buffer_size()), now_s)
        elif now_s >= self._retires_s:
            self.retire()
        else:
            acknowledged = self.ground.acknowledged_bytes(self.transport)
            self._judge(None if acknowledged is None else -acknowledged, now_s)
            shared = self.live_set
            if shared is None or shared.coder is None or not self.ground.fanout.beat(shared, self, now_s):
                self.write(self._heartbeat())

    def _heartbeat(self) -> bytes:
        """A comment, or the event that the client asked for; before the first block only a comment may be sent."""
        if not self.primed:
            return self.form.comment()
        # Without position blocks this connection may have sent no id, and an event would clear the client's.
        repeats = self.resumed and not self.form.tells_positions
        return self.form.beat(self.standing if repeats else None)

    def _debt(self, queued: int) -> int:
        """What falls with every byte that the peer takes: from our queue, or, unseen there, from the kernel's."""
        return queued - (self.ground.acknowledged_bytes(self.transport) or 0)

    def _judge(self, debt: int | None, now_s: float) -> None:
        """Progress lowers the mark and moves the deadline; standing still past the deadline is the end."""
        if debt is None or self.mark is None or debt < self.mark:
            self.mark = debt
            self.since_s = now_s
        elif now_s - self.since_s >= self.ground.limits.stall_s:
            self.evict("stalled", now_s - self.since_s)

    # -- ends ---------------------------------------------------------------------------------------

    def retire_in(self, age_s: float) -> None:
        """Retire at an age: at the visit then, or by a timer of its own where a turn of the wheel is too coarse."""
        if age_s < _TIMED_TURNS * self.ground.wheel.period_s:
            self.end_in(age_s, self.retire)
        else:
            self._retires_s = self.ground.clock() + age_s

    def retire(self, ended: Ended = "age") -> None:
        """Tell the client to come back soon, perhaps to another node."""
        self.come_back(ended, self.ground.jittered_ms(self.ground.limits.retry_ms))

    def end_in(self, delay_s: float, end: Callable[[], None]) -> None:
        """`retire` or `expire` after a delay. Of several ends the earliest counts: a drain prolongs no grant."""
        if self._timer is not None:
            if self._timer.when() <= self.ground.clock() + delay_s:
                return
            self._timer.cancel()
        self._timer = self.ground.loop.call_later(delay_s, end)

    def come_back(self, ended: Ended, retry_ms: int, head: bytes = b"") -> None:
        """Tell the client when to reconnect, and close."""
        self.end(ended, self.form.goodbye(retry_ms), head)

    def expire(self, ended: Ended = "expired", head: bytes = b"", retry_ms: int = 0) -> None:
        """Tell the client that its grant ended, and close; `retry_ms`: when one that does not understand comes back."""
        if self.state == ENDED:
            return
        standing = self.standing
        kept = self.shown if standing is None else standing.text
        self.ground.expired += 1
        self.end(ended, self.form.expired(kept, retry_ms), head)

    def end(self, ended: Ended, last: bytes, head: bytes = b"") -> None:
        """Say the last words, made by the form, and close. A peer that is not reading gets none and is cut.

        The stream stays on the wheel until its transport is gone: `close` would wait for its peer for ever.
        """
        if self.state == ENDED:
            return
        if self.state == PAUSED:
            self.cut(ended)
            return
        self._stop(ended)
        with GONE:
            self.transport.write(head + last)
        self.transport.close()

    def give_up(self, error: Exception) -> None:
        """Report a defect of ours and cut the stream, so that the client resumes."""
        self.ground.met_defect(error)
        self.evict("defect", 0.0)

    def evict(self, reason: Ended, after_s: float) -> None:
        """Cut the stream and report that, unless it has ended already; `after_s`: how long the reason had lasted."""
        if self.state != ENDED:
            self.ground.evicting(self.transport, reason, after_s)
            self.cut(reason)

    def cut(self, ended: Ended) -> None:
        """Drop the connection and what is queued for it; the client comes back with Last-Event-ID."""
        self._stop(ended)
        self.transport.abort()

    def _leave(self) -> None:
        live_set, self.live_set = self.live_set, None
        if live_set is not None:
            if self.place >= 0:
                live_set.remove(self)
            elif self in live_set.joiners:
                live_set.joiners.remove(self)
            self.ground.fanout.discard_if_deserted(live_set)

    def _stop(self, ended: Ended) -> None:
        if self.state == ENDED:
            return
        self._leave()
        self.state, self.ended = ENDED, ended
        self.since_s = self.ground.clock()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.task is not None and self.task is not asyncio.current_task(self.ground.loop):
            self.task.cancel()
        if self._on_end is not None:
            self._on_end()
        self.ground.open_count -= 1

    # -- asyncio.Protocol ---------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes behind a stream's request mean nothing and are dropped."""

    def eof_received(self) -> bool:
        """A client that closes its side has left."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The peer is gone; one that stood still may have been cut by the kernel, whose deadline is as long as ours."""
        if isinstance(exc, TimeoutError):
            self.evict("stalled", self.ground.limits.stall_s)
        self._stop("server" if isinstance(exc, ConnectionAbortedError) else "client")
        self.ground.wheel.remove(self)
