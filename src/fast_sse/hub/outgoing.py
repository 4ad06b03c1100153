"""What goes out on one stream: its first block, pages of records, gaps, and where the client then stands.

Until the first block is out, the client knows no id of this connection. So nothing that carries an id or an event may
come before it, and it may wait for the store: where the stream begins is said once, by a position or by a gap.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import Any

from fast_sse.hub.form import Form
from fast_sse.hub.frames import frames_of, pieces, shape_of
from fast_sse.hub.ground import Ground
from fast_sse.hub.packing import is_long
from fast_sse.hub.subscription import Subscription
from fast_sse.hub.tail import Entry, acceptor
from fast_sse.model.channel import Filter
from fast_sse.model.cursor import Cursor, Position
from fast_sse.model.message import Record

#: A transport that the loop has already closed raises; its connection_lost is on the way.
GONE = contextlib.suppress(RuntimeError)


class State(IntEnum):
    """The states of a stream; `subscriber.py` draws the ways between them."""

    CATCHING_UP = 0
    JOINING = 1
    LIVE = 2
    PAUSED = 3
    ENDED = 4


CATCHING_UP, JOINING, LIVE, PAUSED, ENDED = State


class Outgoing:
    """The bytes of one stream and its client's place in the log. Only a stream that is catching up moves it by itself."""

    __slots__ = (
        "cursor", "filter", "form", "ground", "opened_s", "primed", "resumed", "sent", "shown", "state", "transport",
    )  # fmt: skip

    def __init__(
        self,
        ground: Ground,
        transport: Any,
        subscription: Subscription,
        cursor: Cursor,
        *,
        resumed: bool,
        shown: str = "",
    ) -> None:
        self.ground = ground
        self.opened_s = ground.clock()
        self.transport = transport
        self.filter: Filter = subscription.filter
        self.form: Form = subscription.form
        #: Everything matching up to here was handed to the transport, unless the subscriber is live.
        self.cursor = cursor
        #: Position of the last id on the wire.
        self.sent: Position = cursor.position
        #: Whether the client showed a cursor of ours; `cursor` begins with it.
        self.resumed = resumed
        #: What it showed in the place of one: it has that until the first block.
        self.shown = shown
        #: Whether the first block is out, or none is wanted.
        self.primed = False
        self.state: State = CATCHING_UP

    @property
    def shape(self) -> int:
        """The shape of its frames."""
        return shape_of(self.filter, self.form.body)

    @property
    def near(self) -> bool:
        """Whether the tail alone leads from where it stands to the follower, and is not long."""
        tail, at = self.ground.fanout.tail, self.cursor
        return tail.covers(at) and tail.count_after(at.position) <= self.ground.limits.tail_scan_records_max

    @property
    def lacks(self) -> bool:
        """Whether the log went on behind its cursor, so that making it level may be work."""
        return self.cursor.position < self.ground.fanout.level.position

    @property
    def packed_ahead(self) -> bool:
        """Whether what the tail has for it from where it stands can be written at once, as plain frames always can."""
        if self.form.body != "payload":
            return True
        tail, accepts = self.ground.fanout.tail, acceptor(self.filter)
        ahead = tail.between(self.cursor.position, self.ground.fanout.level.position)
        return not is_long((one for one in ahead if accepts(one.record.channel)), self.shape)

    def write(self, data: bytes) -> bool:
        """Hand bytes of this stream alone, made by its form, to the transport; whether it took them."""
        if self.state == ENDED:
            return False
        with GONE:
            self.transport.write(data)
            return True
        return False

    def open(self, retry_ms: int, head: bytes, *, known: bool) -> None:
        """Write the first bytes behind `head`: when to come back and, where the start is known, the first block."""
        self.primed = known
        self.write(head + self.form.opening(retry_ms, self.cursor if known else None, resumed=self.resumed))

    def stand_at(self, cursor: Cursor) -> None:
        """Begin here: what was unknown until the store was asked."""
        self.cursor = cursor
        self.sent = cursor.position
        self.prime()

    def prime(self) -> None:
        """Write the first block unless it is out: the stream goes on from the cursor."""
        if not self.primed:
            self.primed = True
            if block := self.form.start(self.cursor, resumed=self.resumed):
                self.write(block)

    def say_gap(self, reason: str, lost_from: str, resumed_at: Cursor) -> None:
        """Name what cannot be continued (`lost_from`: what the client showed) and stand where the stream goes on."""
        self.ground.gaps[reason] += 1
        self.cursor = resumed_at
        self.sent = resumed_at.position
        self.primed = True
        self.write(self.form.gap(reason, lost_from, resumed_at))

    def advance(self, cursor: Cursor) -> None:
        """Move the client's cursor by a position block, unless it stands there or wants none."""
        if cursor.position > self.sent and self.form.tells_positions:
            self.write(self.form.position(cursor))
            self.sent = cursor.position

    def send_entries(self, entries: Iterable[Entry], through: Cursor) -> bool:
        """`send` what the tail holds; what has to be encoded for it is encoded for all streams."""
        now_ms = self.ground.now_ms()
        due = [entry for entry in entries if entry.record.due(now_ms)]
        shape = self.shape
        found = pieces((entry.frame(shape) for entry in due), self.ground.limits.flush_bytes_max)
        handover = self.ground.fanout.handover
        records = [entry.record for entry in due]
        return self._send(records, found, through, lambda first, last: handover.caught_up(due[first:last]))

    def frames(self, records: list[Record], log: Cursor) -> Iterable[tuple[int, bytes]]:
        """The frames of records in bounded pieces, as `send` takes them; `log`: any cursor of theirs."""
        limits = self.ground.limits
        return frames_of(
            records,
            log,
            shape=self.shape,
            bytes_max=limits.flush_bytes_max,
            packed_bytes_min=limits.payload_bytes_min,
        )

    def send(self, records: list[Record], found: Iterable[tuple[int, bytes]], through: Cursor) -> bool:
        """Write records, whose `frames` were found, and stand at `through`.

        False when that paused the transport; the cursor is then where the writing stopped.
        """
        handover = self.ground.fanout.handover
        return self._send(records, found, through, lambda first, last: handover.replayed(records[first:last]))

    def _send(
        self,
        records: list[Record],
        found: Iterable[tuple[int, bytes]],
        through: Cursor,
        credit: Callable[[int, int], None],
    ) -> bool:
        """`found`: pieces, each with how many of the records are out then. `credit` counts a slice that was written."""
        first = 0
        pages = self.ground.fanout.compression.pages
        for sent, piece in found:
            last = records[sent - 1]
            self.cursor = through.at(last.position, last.fingerprint)
            self.sent = last.position
            if self.write(pages.piece(self.form, piece)):
                credit(first, sent)
            first = sent
            if self.state != CATCHING_UP and sent < len(records):
                return False
        self.cursor = through
        return self.state == CATCHING_UP
