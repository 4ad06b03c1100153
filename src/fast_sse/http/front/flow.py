"""When a connection is read, how long it may wait, and how it ends.

Three things stop the reading of a socket: answers that wait, a peer that does not read them, and the end of a turn.
One read of the socket may hold ten thousand requests, and the loop reads as long as there is something to read. So a
connection that sent more than a turn's worth is read on in a later turn (see `turns.py`).

Nothing is closed while a publish waits for its answer: an error, a deadline or a drain goes to the end of the queues,
and the close comes after it. The last answer says `Connection: close`.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections import deque
from enum import IntEnum
from typing import Any

from fast_sse.http.errors import error_response
from fast_sse.http.front.assembly import IDLE, IN_HEAD, Phase
from fast_sse.http.front.deadlines import NEVER
from fast_sse.http.front.reader import RequestReader
from fast_sse.http.front.shared import Shared
from fast_sse.http.message import Answer, Request, Response
from fast_sse.model.errors import OverloadedError, RequestTimeoutError

#: A read of the socket of this size is a turn's worth by itself.
TURN_BYTES = 64 * 1024


class Life(IntEnum):
    """How far a connection has come. It never goes back."""

    OPEN = 0
    #: The last request is read, or refused: what is still to be answered is all there will be.
    LAST = 1
    #: Everything is answered. The connection is being closed, or waits a moment for the peer to close it.
    ENDING = 2


OPEN, LAST, ENDING = Life  # names of this module: an attribute of an enumeration costs a call


class Flow(asyncio.Protocol):
    """Flow control, deadlines and the end of one connection. Its subclass reads and answers.

    Attributes:
        deadline: when a sweep cuts this connection.
    """

    __slots__ = (
        "_at", "_backlog", "_eof", "_head_future", "_held", "_life", "_next_turn", "_out", "_phase", "_reader",
        "_reading_paused", "_shared", "_stalled", "_transport", "_unread", "_waiting", "_writing_paused", "deadline",
    )  # fmt: skip

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._transport: Any = None
        self._reader: RequestReader | None = None
        self._backlog: deque[Request | Response] = deque()
        self._waiting: deque[tuple[Answer, int]] = deque()
        self._head_future: asyncio.Future[Any] | None = None
        self._out: list[bytes] = []
        self._unread, self._at = b"", 0  # a read of the socket, and where a later turn goes on
        self._life: Life = OPEN
        self._phase: Phase = IDLE  # the reader's, for which `deadline` was set
        self._eof = False  # the peer sends no more
        self._reading_paused = self._writing_paused = False
        self._stalled = False  # waiting answers, or a peer that does not read them, stop the reading
        self._next_turn = False  # a later turn is asked for
        self._held = False  # bytes of this connection are counted in `shared.bodies`
        self.deadline = NEVER

    @abstractmethod
    def data_received(self, data: bytes, at: int = 0) -> None:
        """Read requests from `at` on, ask the handler, write what is ready."""

    @abstractmethod
    def _pump(self) -> None:
        """Send what is ready, in order; ask for more; close when that was all."""

    @abstractmethod
    def _refuse(self, answer: Response) -> None:
        """Make `answer` the last one, behind all that are pending, and read nothing more."""

    def _read_no_more(self) -> None:
        self._unread = b""
        if self._held:
            self._held = False
            self._shared.bodies.release(self)
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    # -- reading --------------------------------------------------------------------------------------------

    def _full(self) -> bool:
        return self._writing_paused or len(self._waiting) >= self._shared.limits.pipeline_requests_max

    def _regulate(self) -> None:
        """Read from the socket only while there is room, and no more than a turn's worth a turn."""
        if self._life == ENDING:
            return
        stalled = self._full() or bool(self._backlog)
        if self._unread and not stalled:
            self._ask_for_a_turn()
        pause = stalled or self._next_turn
        if pause is not self._reading_paused:
            self._reading_paused = pause
            if pause:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()
        if stalled is not self._stalled:
            self._stalled = stalled
            self.deadline = self._moment()

    def _ask_for_a_turn(self) -> None:
        if not self._next_turn:
            self._next_turn = True
            self._shared.turns.ask(self)

    def go_on(self) -> None:
        """A later turn: read what is left of the last read, or from the socket again."""
        self._next_turn = False
        if self._transport is None or self._life == ENDING:
            return
        if self._unread and not self._stalled:
            data, self._unread = self._unread, b""
            self.data_received(data, self._at)
        if self._transport is not None:
            self._regulate()

    def _count(self, reader: RequestReader) -> None:
        """Count what is held for a peer: its unread requests, and a body whose signature is not verified yet."""
        size = len(self._unread) + (0 if reader.vouched else reader.body_bytes)
        self._held = size > 0
        if size:
            self._shared.bodies.hold(self, size)
        else:
            self._shared.bodies.release(self)

    def make_room(self) -> None:
        """Give up what is held here, because others need the room: the peer can send it again."""
        self._held = False
        self._refuse(
            error_response(
                OverloadedError("too many requests are on their way at once; try again after Retry-After")
            )
        )

    # -- the peer does not read -----------------------------------------------------------------------------

    def pause_writing(self) -> None:
        """The peer does not read. So we do not read either, and wait no longer than a body may take."""
        self._writing_paused = True
        self._regulate()
        self.deadline = self._moment()

    def resume_writing(self) -> None:
        """The peer reads again."""
        self._writing_paused = False
        self.deadline = self._moment()
        self._pump()

    # -- deadlines and the end ------------------------------------------------------------------------------

    def _moment(self) -> float:
        """The deadline that follows from the state of the connection, counted from now.

        NEVER while the peer waits for us: a publish has its own deadline, in the hub.
        """
        deadlines = self._shared.deadlines
        if self._writing_paused:
            return deadlines.body
        if self._life == ENDING:
            return deadlines.linger
        if (self._waiting or self._backlog) and (self._phase == IDLE or self._stalled):
            return NEVER
        if self._phase == IDLE:
            return deadlines.idle
        return deadlines.head if self._phase == IN_HEAD else deadlines.body

    def expired(self) -> None:
        """The deadline passed: 408 for a request that has begun, a silent close for an idle connection."""
        if self._writing_paused:
            self._shared.timeouts += 1
            self.abort()
        elif self._life == ENDING:
            self.abort()
        elif self._phase != IDLE:
            self._shared.timeouts += 1
            self._refuse(error_response(RequestTimeoutError("the request did not arrive in time")))
        else:
            self._close()

    def drain(self) -> None:
        """Close now when idle; else make the answer to the last request that has begun the last one."""
        if self._phase != IDLE or self._unread:
            return
        if self._life == ENDING:
            return
        if self._waiting or self._backlog:
            self._life = LAST
            self._read_no_more()
        else:
            self._close()

    def abort(self) -> None:
        """Cut the connection."""
        self.deadline = NEVER
        self._transport.abort()

    def _finish(self) -> None:
        """Close after the last answer, so that the peer can still read it.

        Closing a socket that holds unread bytes sends a reset, which may overtake the answer. So send the end of the
        stream, discard what arrives, and close when the peer does (RFC 9112 §9.6). TLS does this by itself.
        """
        transport = self._transport
        if self._eof or not transport.can_write_eof():
            self._close()
            return
        transport.write_eof()
        self._end()
        if self._reading_paused:
            self._reading_paused = False
            transport.resume_reading()

    def _close(self) -> None:
        """Close once everything is written, or at the next deadline if the peer does not take it."""
        self._end()
        self._transport.close()

    def _end(self) -> None:
        self._read_no_more()
        self._life, self._phase = ENDING, IDLE
        self.deadline = self._moment()

    def eof_received(self) -> bool:
        """The peer sends no more: what is pending is still answered (not over TLS, which has no half-close)."""
        self._eof, self._phase = True, IDLE
        if (self._waiting or self._backlog) and self._transport.can_write_eof():
            self._read_no_more()
            self._life = LAST
            self.deadline = self._moment()
            return True
        self._end()
        return False
