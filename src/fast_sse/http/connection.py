"""One connection of the public listener: an asyncio.Protocol that answers in the order of the requests.

`data_received` is the whole way of a publish from socket to handler: no task, no await, no framework. Two short
queues carry everything that is promised here:

    backlog   complete requests that the handler has not seen: over `pipeline_requests_max`, or while the peer
              does not read its answers
    waiting   what the handler answered, in order, until it is ready; the connection listens to the future at its
              head only, so a run of answers that become ready together is one `write`

Nothing is closed while `waiting` holds a publish: an error, a deadline or a drain goes to the end of the queues, and
the close comes after it. A peer that is gone only loses its answers; the publish itself belongs to the hub.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from fast_sse.http.boundary import retrieve
from fast_sse.http.deadlines import NEVER
from fast_sse.http.errors import error_response
from fast_sse.http.message import Answer, Deferred, Request, Response, Stream
from fast_sse.http.reader import IDLE, IN_HEAD, RequestReader
from fast_sse.http.shared import Shared
from fast_sse.http.wire import CONTINUE, form_of, stream_head
from fast_sse.model.errors import FastSseError, RequestTimeoutError


class Connection(asyncio.Protocol):
    """From accept to close, or until a stream takes the transport over.

    Attributes:
        deadline: when a sweep cuts this connection.
    """

    __slots__ = (
        "_backlog", "_closing", "_ending", "_eof", "_head_future", "_out", "_phase", "_reader", "_reading_paused",
        "_shared", "_transport", "_waiting", "_writing_paused", "deadline",
    )  # fmt: skip

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._transport: Any = None
        self._reader: RequestReader | None = None
        self._backlog: deque[Request | Response] = deque()
        self._waiting: deque[tuple[Answer, int]] = deque()
        self._head_future: asyncio.Future[Any] | None = None
        self._out: list[bytes] = []
        self._phase = IDLE  # the reader's phase for which `deadline` was set
        self._closing = self._eof = self._ending = False
        self._reading_paused = self._writing_paused = False
        self.deadline = NEVER

    # -- bytes in -------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start reading; the first request has until the header deadline."""
        if not self._shared.descriptors.has_room(transport):
            transport.abort()  # type: ignore[attr-defined]
            return
        self._transport = transport
        shared = self._shared
        peer = transport.get_extra_info("peername") if shared.names_peers else None
        address = str(peer[0]) if isinstance(peer, tuple) else ""
        self._reader = RequestReader(shared.limits, self._on_request, address, shared.heads)
        self._shared.add(self)
        self.deadline = self._shared.deadlines.head
        if self._shared.draining:
            self.drain()

    def data_received(self, data: bytes) -> None:
        """Read requests, ask the handler, write what is ready."""
        reader = self._reader
        if reader is None:  # nothing behind a last request, a refusal or a stream is ever looked at
            return
        try:
            reader.feed(data)
        except FastSseError as error:
            self._shared.malformed += 1
            self._refuse(error_response(error))
            return
        except Exception as error:  # noqa: BLE001 - a defect of ours ends this connection, not the server
            self._refuse(self._shared.boundary.defect(error))
            return
        if reader.phase != self._phase:
            self._phase = reader.phase
            self.deadline = self._moment()
        if self._waiting or reader.expects:
            self._pump()
        elif self._out:
            self._write()

    def _on_request(self, request: Request, keep_alive: bool) -> bool:
        """Take a complete request; False when it is the last of this connection."""
        shared = self._shared
        shared.requests += 1
        self._phase = IDLE
        self.deadline = shared.deadlines.idle
        if not keep_alive or shared.draining:
            self._closing = True
        if self._backlog or self._writing_paused or (self._waiting and self._full()):
            self._backlog.append(request)
        else:
            self._ask(request)
        return not self._closing and self._reader is not None

    def _full(self) -> bool:
        return self._writing_paused or len(self._waiting) >= self._shared.limits.pipeline_requests_max

    def _ask(self, request: Request) -> None:
        """Hand a request to the handler; its answer is ready to be written, or waits for its turn."""
        shared = self._shared
        answer = shared.boundary.ask(request)
        form = form_of(request)
        if isinstance(answer, Response) and not self._waiting and not self._closing:
            self._out.append(shared.boundary.render(answer, form))
            if len(self._out) >= shared.limits.pipeline_requests_max:
                self._write()  # a peer that reads nothing is noticed now, not after thousands of answers
            return
        if isinstance(answer, Stream):  # what comes behind it is not for us, and not for the handler
            self._backlog.clear()
            self._read_no_more()
        self._waiting.append((answer, form))

    def _refuse(self, answer: Response) -> None:
        """Make `answer` the last one, behind all that are pending, and read nothing more."""
        self._closing = True
        self._phase = IDLE
        self._read_no_more()
        if self._backlog:
            self._backlog.append(answer)
        else:
            self._waiting.append((answer, 0))
        self._pump()

    def _read_no_more(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    # -- answers out ----------------------------------------------------------------------------------------

    def _pump(self, _future: asyncio.Future[Any] | None = None) -> None:
        """Send what is ready, in order; ask for more; close when that was all."""
        if self._transport is None or self._ending:
            return
        while True:
            if not self._send_ready():
                return
            if not self._backlog or self._full():
                break
            item = self._backlog.popleft()
            if isinstance(item, Response):
                self._waiting.append((item, 0))
            else:
                self._ask(item)
        if self._waiting or self._backlog:
            if self._phase == IDLE:
                self.deadline = NEVER
        elif self._closing:
            self._write()
            self._finish()
            return
        elif self._reader is not None and self._reader.expects:
            self._reader.expects = False
            self._out.append(CONTINUE)
        elif self._phase == IDLE:
            self.deadline = self._shared.deadlines.idle
        self._write()
        self._regulate()

    def _send_ready(self) -> bool:
        """Move ready answers from the head of the queue to `_out`; False when the connection is no longer ours."""
        waiting, boundary = self._waiting, self._shared.boundary
        while waiting:
            answer, form = waiting[0]
            if isinstance(answer, Deferred):
                future = answer.future
                if not future.done():
                    if future is not self._head_future:
                        self._head_future = future
                        future.add_done_callback(self._pump)
                    break
                self._head_future = None
                answer = boundary.ready(answer)
            waiting.popleft()
            if isinstance(answer, Stream):
                self._hand_over(answer, form)
                return False
            close = self._closing and not waiting and not self._backlog
            self._out.append(boundary.render(answer, form, close=close))
        return True

    def _write(self) -> None:
        out = self._out
        if out:
            data = out[0] if len(out) == 1 else b"".join(out)
            out.clear()
            self._transport.write(data)

    def _hand_over(self, stream: Stream, form: int) -> None:
        """Give the transport away, with the head of the stream to write; nothing of this connection stays."""
        transport, shared = self._transport, self._shared
        if self._eof:
            self._write()
            self._close()
            return
        try:
            self._write()
            protocol = stream.attach(transport, stream_head(stream, form))
        except Exception as error:  # noqa: BLE001 - a defect of ours; what went out before it still arrives
            shared.boundary.defect(error)
            self._finish()
            return
        reading_paused, writing_paused = self._reading_paused, self._writing_paused
        self._release()
        shared.discard(self)
        transport.set_protocol(protocol)
        if writing_paused:
            protocol.pause_writing()
        if reading_paused:
            transport.resume_reading()

    def _release(self) -> None:
        """Let go of everything that refers back to this connection."""
        self._read_no_more()
        if self._head_future is not None:
            self._head_future.remove_done_callback(self._pump)
            self._head_future = None
        for answer, _form in self._waiting:
            if isinstance(answer, Deferred):
                answer.future.add_done_callback(retrieve)
        self._waiting.clear()
        self._backlog.clear()
        self._out.clear()
        self._transport = None

    # -- flow, deadlines, end -------------------------------------------------------------------------------

    def pause_writing(self) -> None:
        """The peer does not read: neither do we, and not for longer than a body may take."""
        self._writing_paused = True
        self._regulate()
        self.deadline = self._moment()

    def resume_writing(self) -> None:
        """The peer reads again."""
        self._writing_paused = False
        self.deadline = self._moment()
        self._pump()

    def _regulate(self) -> None:
        """Read from the socket only while there is room."""
        pause = self._full() or bool(self._backlog)
        if pause is not self._reading_paused and not self._ending:
            self._reading_paused = pause
            if pause:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()
            self.deadline = self._moment()

    def _moment(self) -> float:
        """The deadline that this connection's state has from now on.

        None while the peer waits for us: a publish has its own deadline, in the hub.
        """
        deadlines = self._shared.deadlines
        if self._writing_paused:
            return deadlines.body
        if self._ending:
            return deadlines.linger
        if (self._waiting or self._backlog) and (self._phase == IDLE or self._reading_paused):
            return NEVER
        if self._phase == IDLE:
            return deadlines.idle
        return deadlines.head if self._phase == IN_HEAD else deadlines.body

    def expired(self) -> None:
        """The deadline passed: 408 for a request that has begun, a silent close for an idle connection."""
        if self._writing_paused:
            self._shared.timeouts += 1
            self.abort()
        elif self._ending:
            self.abort()
        elif self._phase != IDLE:
            self._shared.timeouts += 1
            self._refuse(error_response(RequestTimeoutError("The request did not arrive in time")))
        else:
            self._close()

    def drain(self) -> None:
        """Close now when idle; else let the answer to the last request that has begun be the last."""
        if self._phase != IDLE:
            return
        if self._waiting or self._backlog:
            self._closing = True
            self._read_no_more()
        elif not self._ending:
            self._close()

    def abort(self) -> None:
        """Cut the connection."""
        self.deadline = NEVER
        self._transport.abort()

    def _finish(self) -> None:
        """Close after the last answer, so that the peer can still read it.

        Closing a socket that holds unread bytes sends a reset, which may overtake the answer: say that nothing
        more comes, discard what arrives, and close when the peer does (RFC 9112 §9.6). TLS does this by itself.
        """
        self._read_no_more()
        transport = self._transport
        if self._eof or not transport.can_write_eof():
            self._close()
            return
        transport.write_eof()
        if self._reading_paused:
            self._reading_paused = False
            transport.resume_reading()
        self._end()

    def _close(self) -> None:
        """Close once everything is written, or at the next deadline if the peer does not take it."""
        self._end()
        self._transport.close()

    def _end(self) -> None:
        self._ending, self._phase = True, IDLE
        self.deadline = self._moment()

    def eof_received(self) -> bool:
        """The peer sends no more: what is pending is still answered (not over TLS, which has no half-close)."""
        self._read_no_more()
        self._eof = self._closing = True
        self._phase = IDLE
        if (self._waiting or self._backlog) and self._transport.can_write_eof():
            self.deadline = self._moment()
            return True
        self._end()
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The peer is gone and its answers with it."""
        self._release()
        self._shared.discard(self)
