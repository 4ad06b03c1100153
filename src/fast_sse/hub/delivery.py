"""The delivery indicator: how far a message has come, and what clients say of it.

A message is `stored` in the log, `written` to sockets, `acked` by name, or `dead` in the dead letters; the highest that holds
is shown: acked, written, dead, stored. Counts live with the entries of the tail, and what is in the tail is answered
without a question to the store, unless it became a letter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Literal

import msgspec

from fast_sse.hub.acks import Acks
from fast_sse.hub.fanout import Fanout
from fast_sse.hub.telling import Telling
from fast_sse.model.channel import Channel
from fast_sse.model.cursor import Cursor, parse_cursor
from fast_sse.model.errors import BadRequestError, NotFoundError
from fast_sse.model.letter import Letter
from fast_sse.model.message import Record
from fast_sse.store.base import Store

State = Literal["stored", "written", "acked", "dead"]

#: Names that an answer shows.
_CLIENTS_MAX = 100
_UNKNOWN = "no such message: it was never stored here, or was removed since"


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A message of the log, or a letter, or both."""

    cursor: Cursor
    record: Record | None
    letter: Letter | None

    @property
    def channel(self) -> Channel:
        """Where it was published."""
        if self.record is not None:
            return self.record.channel
        assert self.letter is not None
        assert self.letter.channel is not None, "the letter of a message has its channel"
        return self.letter.channel


class Indicator(msgspec.Struct, frozen=True, kw_only=True):
    """How far a message has come.

    Attributes:
        stored_ms: store time.
        written, acked: over all nodes, as far as they told; None when this node's tail holds the record no more.
        clients: the first of the names that acked it.
        first_written_ms: of this node; None when it was not, or that is not known any more.
        complete: the counts are there, and all nodes told theirs.
        silent: names of the nodes that did not yet.
    """

    message_id: str
    channel: Channel
    state: State
    stored_ms: int
    written: int | None
    acked: int | None
    clients: Sequence[str]
    first_written_ms: int | None
    complete: bool
    silent: Sequence[str]


class Delivery:
    """What a hub knows of the delivery of its messages."""

    def __init__(
        self,
        store: Store,
        fanout: Fanout,
        acks: Acks,
        telling: Telling,
        *,
        clock: Callable[[], float],
        now_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._fanout = fanout
        self._acks = acks
        self._telling = telling
        self._clock = clock
        self._now_ms = now_ms

    async def find(self, message_id: str) -> Found:
        """A message by its id.

        Raises:
            BadRequestError: it is no id.
            NotFoundError: unknown, trimmed or erased, and no letter; or of another epoch, and no letter.
            UnavailableError: the store is away, and the message is not in the tail.
        """
        cursor = parse_cursor(message_id)
        if cursor is None or cursor.text != message_id:
            raise BadRequestError("the id in the path is not the id of a message")
        level = self._fanout.level
        record = letter = None
        if (cursor.kind, cursor.epoch) == (level.kind, level.epoch):
            record = self._in_tail(cursor) or _same(await self._store.get(cursor.position), cursor)
        if record is None or cursor.position in self._fanout.handover.dead:
            letter = await self._store.letters.get(message_id)
        if record is None and letter is None:
            raise NotFoundError(_UNKNOWN)
        return Found(cursor=cursor, record=record, letter=letter)

    def indicator(self, found: Found) -> Indicator:
        """How far it has come."""
        self._telling.wanted = True
        cursor = found.cursor
        entry = self._fanout.tail.find(cursor.position) if self._in_tail(cursor) is not None else None
        names = () if entry is None else self._acks.of(cursor.position)
        written = None
        if entry is not None:  # what others told of it may have come before this node's next sweep
            ahead = self._fanout.handover.ahead.get(cursor.position, 0)
            written = entry.written + entry.elsewhere + ahead
        state: State = "stored" if found.letter is None else "dead"
        if written:
            state = "written"
        if names:
            state = "acked"
        silent = self._telling.silent(cursor.position) if entry is not None else []
        return Indicator(
            message_id=cursor.text,
            channel=found.channel,
            state=state,
            stored_ms=_stored_ms(found),
            written=written,
            acked=None if entry is None else len(names),
            clients=list(islice(names, _CLIENTS_MAX)),
            first_written_ms=self._ms_of(entry.first_s) if entry is not None and entry.written else None,
            complete=entry is not None and self._telling.knows and not silent,
            silent=silent,
        )

    def ack(self, found: Found, client: str) -> tuple[int, bool]:
        """Take a client's word that it has the message; how many gave theirs, and whether this one had.

        Raises:
            NotFoundError: this node's tail holds the message no more.
            RateLimitedError: as many names as a message may have are there.
        """
        position = found.cursor.position
        if self._in_tail(found.cursor) is None:
            raise NotFoundError("the message is too old to be acked")
        fresh = self._acks.take(position, client)
        return len(self._acks.of(position)), not fresh

    def _in_tail(self, cursor: Cursor) -> Record | None:
        floor = self._fanout.tail.floor
        if floor is None or (floor.kind, floor.epoch) != (cursor.kind, cursor.epoch):
            return None
        entry = self._fanout.tail.find(cursor.position)
        return None if entry is None else _same(entry.record, cursor)

    def _ms_of(self, at_s: float) -> int:
        """A moment of the loop's clock by that of the store."""
        return self._now_ms() - int((self._clock() - at_s) * 1000)


def _same(record: Record | None, cursor: Cursor) -> Record | None:
    """The record of a place, if it is a message and the one that the cursor names."""
    if record is None or record.is_control or record.fingerprint != cursor.fingerprint:
        return None
    return record


def _stored_ms(found: Found) -> int:
    if found.record is not None:
        return found.record.time_ms
    assert found.letter is not None
    return found.letter.published_ms
