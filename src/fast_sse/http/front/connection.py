"""One connection of the public listener: an asyncio.Protocol that answers in the order of the requests.

`data_received` is the whole way of a publish from socket to handler: no task, no await, no framework. All promises are
kept by two short queues:

    backlog   complete requests that the handler has not seen: over `pipeline_requests_max`, or while the peer
              does not read its answers
    waiting   what the handler answered, in order, until it is ready; the connection waits for the future at the
              head only, so answers that become ready together are one `write`

Nothing is closed while `waiting` holds a publish: an error, a deadline or a drain goes to the end of the queues, and
the close comes after it. A peer that is gone loses only its answers; its publishes are the hub's.
"""

from __future__ import annotations

import asyncio
from typing import Any

from fast_sse.http.boundary import retrieve
from fast_sse.http.errors import error_response
from fast_sse.http.front.assembly import IDLE, IN_BODY
from fast_sse.http.front.deadlines import NEVER
from fast_sse.http.front.flow import ENDING, LAST, OPEN, TURN_BYTES, Flow
from fast_sse.http.front.reader import RequestReader
from fast_sse.http.message import Deferred, RefusedError, Request, Response, Stream
from fast_sse.http.wire import CONTINUE, form_of, stream_head
from fast_sse.model.errors import FastSseError


class Connection(Flow):
    """From accept to close, or until a stream takes the transport over."""

    __slots__ = ()

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
        self._reader = RequestReader(
            shared.limits, shared.kept, self._on_request, address, shared.heads, shared.admit
        )
        self._shared.add(self)
        self.deadline = self._shared.deadlines.head
        if self._shared.draining:
            self.drain()

    def data_received(self, data: bytes, at: int = 0) -> None:
        """Read requests from `at` on, ask the handler, write what is ready."""
        reader = self._reader
        if reader is None:  # what follows a last request, a refusal or a stream is never read
            return
        if self._unread:  # a transport that had read more before it paused (TLS)
            self._unread, self._at = self._unread[self._at :] + data, 0
            return
        try:
            at = reader.feed(data, at)
        except Exception as error:  # noqa: BLE001 - a defect of ours ends this connection, not the server
            self._give_up(error)
            return
        if reader.phase != self._phase:
            self._phase = reader.phase
            self.deadline = self._moment()
        if at and self._reader is not None:
            self._unread, self._at = data, at
        if len(data) > TURN_BYTES:
            self._ask_for_a_turn()
        if self._phase == IN_BODY or self._unread or self._held:
            self._count(reader)
        if self._waiting or reader.expects:
            self._pump()
            return
        if self._out:
            self._write()
        if self._unread or self._next_turn:
            self._regulate()

    def _give_up(self, error: Exception) -> None:
        """Read nothing more, and let the last answer say why."""
        if isinstance(error, RefusedError):
            self._refuse(error.answer)
        elif isinstance(error, FastSseError):
            self._shared.malformed += 1
            self._refuse(error_response(error))
        else:
            self._refuse(self._shared.boundary.defect(error))

    def _on_request(self, request: Request, keep_alive: bool) -> bool:
        """Take a complete request; False when it is the last of this connection."""
        shared = self._shared
        shared.requests += 1
        self._phase = IDLE
        self.deadline = shared.deadlines.idle
        if self._held:
            self._held = False
            shared.bodies.release(self)
        if not keep_alive or shared.draining:
            self._life = LAST
        if self._backlog or self._writing_paused or (self._waiting and self._full()):
            self._backlog.append(request)
        else:
            self._ask(request)
        return self._life == OPEN and self._reader is not None

    def _ask(self, request: Request) -> None:
        """Give a request to the handler. Its answer is ready to be written, or waits for its turn."""
        shared = self._shared
        answer = shared.boundary.ask(request)
        form = form_of(request)
        if isinstance(answer, Response) and not self._waiting and self._life == OPEN:
            self._out.append(shared.boundary.render(answer, form))
            if len(self._out) >= shared.limits.pipeline_requests_max:
                self._write()  # a peer that reads nothing is noticed now, not after thousands of answers
            return
        if isinstance(answer, Stream):  # what comes behind it is not ours to read
            self._backlog.clear()
            self._read_no_more()
        self._waiting.append((answer, form))

    def _refuse(self, answer: Response) -> None:
        """Make `answer` the last one, behind all that are pending, and read nothing more."""
        if self._life == ENDING:
            return
        self._life, self._phase = LAST, IDLE
        self._read_no_more()
        if self._backlog:
            self._backlog.append(answer)
        else:
            self._waiting.append((answer, 0))
        self._pump()

    # -- answers out ----------------------------------------------------------------------------------------

    def _pump(self, _future: asyncio.Future[Any] | None = None) -> None:
        """Send what is ready, in order; ask for more; close when that was all."""
        if self._transport is None or self._life == ENDING:
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
        elif self._life == LAST:
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
            close = self._life == LAST and not waiting and not self._backlog
            self._out.append(boundary.render(answer, form, close=close))
        return True

    def _write(self) -> None:
        out = self._out
        if out:
            data = out[0] if len(out) == 1 else b"".join(out)
            out.clear()
            self._transport.write(data)

    def _hand_over(self, stream: Stream, form: int) -> None:
        """Give the transport, and the head to write, to the stream. Nothing of this connection stays."""
        transport, shared = self._transport, self._shared
        if self._eof:
            self._write()
            self._close()
            return
        try:
            self._write()
            protocol = stream.attach(transport, stream_head(stream, form, shared.boundary.date))
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
        """Drop everything that refers back to this connection."""
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

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The peer is gone and its answers with it."""
        self._release()
        self._shared.discard(self)
